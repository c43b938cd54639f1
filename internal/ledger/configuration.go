package ledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// AcceptedConfig is the run-time configuration that serves: the last one that
// was found good.
type AcceptedConfig struct {
	Version string          `json:"version"` // S3 version id of the file
	At      time.Time       `json:"at"`      // when it was accepted
	JSON    json.RawMessage `json:"json,omitempty"`
}

// storedConfig is an AcceptedConfig whose text may be compressed instead.
type storedConfig struct {
	AcceptedConfig
	Gzip []byte `json:"gzip,omitempty"`
}

// compressAbove is the size in bytes from which a text is compressed: a fleet's
// file outgrows the 400 KB of a DynamoDB item long before it is hard to read,
// and a small one stays readable in the table.
const compressAbove = 32 << 10

var configKey = Key{Partition: "configuration", Sort: "accepted"}

// AcceptConfig records the configuration that serves from now on. The same
// version again, or one that was accepted before the known one, changes nothing.
func (l *Ledger) AcceptConfig(ctx context.Context, a AcceptedConfig) error {
	stored, err := pack(a)
	if err == nil {
		err = revise(ctx, l, configKey, unplaced, func(known *storedConfig) (*storedConfig, error) {
			if known != nil && (known.Version == a.Version || known.At.After(a.At)) {
				return known, nil
			}
			return &stored, nil
		})
	}
	if err != nil {
		return fmt.Errorf("accept configuration %s: %w", a.Version, err)
	}
	return nil
}

// AcceptedConfig returns the configuration that was accepted last, or ErrAbsent.
func (l *Ledger) AcceptedConfig(ctx context.Context) (AcceptedConfig, error) {
	stored, _, err := read[storedConfig](ctx, l, configKey)
	if err == nil && stored == nil {
		err = ErrAbsent
	}
	if err != nil {
		return AcceptedConfig{}, fmt.Errorf("read the accepted configuration: %w", err)
	}
	a, err := stored.unpack()
	if err != nil {
		return AcceptedConfig{}, fmt.Errorf("decompress configuration %s: %w", stored.Version, err)
	}
	return a, nil
}

func pack(a AcceptedConfig) (storedConfig, error) {
	stored := storedConfig{AcceptedConfig: a}
	if len(a.JSON) <= compressAbove {
		return stored, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(a.JSON); err != nil {
		return stored, err
	}
	if err := z.Close(); err != nil {
		return stored, err
	}
	stored.JSON, stored.Gzip = nil, b.Bytes()
	return stored, nil
}

func (s storedConfig) unpack() (AcceptedConfig, error) {
	a := s.AcceptedConfig
	if s.Gzip == nil {
		return a, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(s.Gzip))
	if err != nil {
		return a, err
	}
	a.JSON, err = io.ReadAll(z)
	return a, err
}
