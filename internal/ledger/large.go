package ledger

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
)

// compressAbove is the size in bytes from which a text is compressed: a fleet's
// file or rollout outgrows the 400 KB of a DynamoDB item long before it is hard to
// read, and a small one stays readable in the table.
const compressAbove = 32 << 10

// packed is a JSON text, compressed if it is large.
type packed struct {
	JSON json.RawMessage `json:"json,omitempty"`
	Gzip []byte          `json:"gzip,omitempty"`
}

func pack(text json.RawMessage) (packed, error) {
	if len(text) <= compressAbove {
		return packed{JSON: text}, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return packed{}, err
	}
	if err := z.Close(); err != nil {
		return packed{}, err
	}
	return packed{Gzip: b.Bytes()}, nil
}

func (p packed) unpack() (json.RawMessage, error) {
	if p.Gzip == nil {
		return p.JSON, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(p.Gzip))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// equal reports whether both hold the same text.
func (p packed) equal(other packed) bool {
	return bytes.Equal(p.JSON, other.JSON) && bytes.Equal(p.Gzip, other.Gzip)
}

// large is a document that may outgrow an item unless it is compressed.
type large[T any] struct{ doc T }

// MarshalJSON implements json.Marshaler.
func (d large[T]) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(d.doc)
	if err != nil {
		return nil, err
	}
	p, err := pack(text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *large[T]) UnmarshalJSON(b []byte) error {
	var p packed
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	text, err := p.unpack()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &d.doc)
}
