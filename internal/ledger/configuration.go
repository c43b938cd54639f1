package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// AcceptedConfig is the run-time configuration that serves: the last one that
// was found good.
type AcceptedConfig struct {
	Version string          // S3 version id of the file
	At      time.Time       // when it was accepted
	JSON    json.RawMessage // the file, as config.Encode writes it
}

// storedConfig is an AcceptedConfig whose text may be compressed.
type storedConfig struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	packed
}

var configKey = Key{Partition: "configuration", Sort: "accepted"}

// AcceptConfig records the configuration that serves from now on. The same again,
// or one that was accepted before the known one, changes nothing. The same version
// in another text is another: a release writes the file as it reads it, and may not
// be able to read what the release before it wrote.
func (l *Ledger) AcceptConfig(ctx context.Context, a AcceptedConfig) error {
	text, err := pack(a.JSON)
	if err == nil {
		stored := storedConfig{Version: a.Version, At: a.At, packed: text}
		err = revise(ctx, l, configKey, unplaced, func(known *storedConfig) (*storedConfig, error) {
			if known != nil && (known.At.After(a.At) || known.Version == a.Version && known.equal(text)) {
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
	text, err := stored.unpack()
	if err != nil {
		return AcceptedConfig{}, fmt.Errorf("decompress configuration %s: %w", stored.Version, err)
	}
	return AcceptedConfig{Version: stored.Version, At: stored.At, JSON: text}, nil
}
