package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// stored is the form of an accepted configuration in the ledger. The lines are
// kept so that a message can say where a threshold comes from.
type stored struct {
	Name   string          `json:"name"`
	Lines  map[string]int  `json:"lines,omitempty"`
	Config json.RawMessage `json:"config"`
}

// Encode writes an accepted configuration as JSON, for Decode. Every value is
// written out, defaults included: what was accepted stays as it was when a
// later release has other defaults.
func Encode(f *File) ([]byte, error) {
	body, err := json.Marshal(plain(reflect.ValueOf(*f)))
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	return json.Marshal(stored{Name: f.name, Lines: f.lines, Config: body})
}

// Decode reads what Encode wrote, and judges it as Build does: a record that was
// damaged or written by a newer release is an error, never a set of zeros.
func Decode(data []byte) (*File, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("decode stored configuration: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(s.Config))
	decoder.UseNumber()
	root, err := node(decoder, 0)
	if err != nil {
		return nil, fmt.Errorf("decode stored configuration: %w", err)
	}
	f, err := build("stored configuration", root, false)
	if err != nil {
		return nil, err
	}
	f.name, f.lines = s.Name, s.Lines
	return f, nil
}

// plain turns a value of File into what encoding/json writes as the run-time
// file would have it. What is empty is left out, but not a list that was given
// without items: in an override it takes the file's away.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return Brief(x)
	case fleet.Severity:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Tag.Get("json"); name != "" && !empty(v.Field(i)) {
				m[name] = plain(v.Field(i))
			}
		}
		return m
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Struct:
		return v.IsZero()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

// maxDepth is far beyond the deepest key, overrides[].match.names[].
const maxDepth = 16

var errTooDeep = errors.New("values are nested too deeply")

// node reads one JSON value.
func node(d *json.Decoder, depth int) (Node, error) {
	token, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Node{}, err
	}
	if depth > maxDepth {
		return Node{}, errTooDeep
	}
	switch t := token.(type) {
	case string:
		return Node{Kind: Text, Text: t}, nil
	case json.Number:
		return Node{Kind: Number, Text: t.String()}, nil
	case bool:
		return Node{Kind: Bool, Text: fmt.Sprint(t)}, nil
	case json.Delim:
		return collection(d, t, depth+1)
	}
	return Node{}, nil // null
}

// collection reads the rest of a JSON object or array.
func collection(d *json.Decoder, open json.Delim, depth int) (Node, error) {
	n := Node{Kind: List}
	if open == '{' {
		n.Kind = Mapping
	}
	for d.More() {
		var key string
		if n.Kind == Mapping {
			token, err := d.Token()
			if err != nil {
				return Node{}, err
			}
			key, _ = token.(string) // the decoder admits nothing else here
		}
		value, err := node(d, depth)
		if err != nil {
			return Node{}, err
		}
		if n.Kind == Mapping {
			n.Entries = append(n.Entries, Entry{Key: key, Value: value})
		} else {
			n.Items = append(n.Items, value)
		}
	}
	_, err := d.Token() // the closing bracket
	return n, err
}
