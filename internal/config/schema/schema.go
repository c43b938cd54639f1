// Package schema writes the JSON Schema of the run-time file, by which an editor
// completes and checks it. Everything in it comes from the struct config.File
// and from config.Keys, so it cannot say anything else than the reader does. It
// knows no rule that joins several keys: those only the reader judges.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// JSON is the schema, indented, with a line break at its end.
func JSON() ([]byte, error) {
	reflector := jsonschema.Reflector{
		Anonymous:      true,
		DoNotReference: true,
		// Without tags that say so nothing is required: config.Keys decides.
		RequiredFromJSONSchemaTags: true,
		Mapper:                     asText,
	}
	root := reflector.Reflect(config.File{})
	root.Title = "eks-steward run-time file"
	describe(root, "")
	setDefaults(root, reflect.ValueOf(*config.Default()))
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of the run-time file: %w", err)
	}
	return append(data, '\n'), nil
}

// asText maps the types that the file writes as words.
func asText(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[fleet.Severity]():
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

// describe adds to a schema, and to all below it, what the keys say.
func describe(s *jsonschema.Schema, path string) {
	if key, ok := config.KeyOf(path); ok {
		apply(s, key)
	}
	if s.Items != nil {
		describe(s.Items, path+"[]")
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		child := strings.TrimPrefix(path+"."+p.Key, ".")
		describe(p.Value, child)
		if key, _ := config.KeyOf(child); key.Required {
			s.Required = append(s.Required, p.Key)
		}
	}
}

// apply writes one key's rule.
func apply(s *jsonschema.Schema, key config.Key) {
	s.Description = strings.TrimSpace(key.Doc + " Form: " + key.Want + ".")
	if key.Example != nil {
		s.Examples = []any{key.Example}
	}
	if key.Pattern != nil {
		s.Pattern = key.Pattern.String()
	}
	for _, word := range key.OneOf {
		s.Enum = append(s.Enum, word)
	}
	one := uint64(1)
	if key.Most > 0 {
		most := uint64(key.Most)
		s.MaxItems = &most
	}
	switch {
	case key.Longest > 0:
		// JSON Schema cannot compare durations: the bounds are in the description.
		s.Pattern = config.DurationForm.String()
	case s.Type == "integer" || s.Type == "number":
		s.Minimum, s.Maximum = number(key.Min), number(key.Max)
	case s.Type == "array" && key.NotEmpty:
		s.MinItems = &one
	case s.Type == "object" && key.NotEmpty:
		s.MinProperties = &one
	}
}

func number(f float64) json.Number { return json.Number(strconv.FormatFloat(f, 'f', -1, 64)) }

// setDefaults writes the default of every key below the sections of the file.
// Overrides have none: what they leave out comes from the file.
func setDefaults(root *jsonschema.Schema, file reflect.Value) {
	for i := range file.NumField() {
		section, ok := root.Properties.Get(file.Type().Field(i).Tag.Get("json"))
		if !ok || file.Field(i).Kind() != reflect.Struct {
			continue
		}
		for j := range file.Field(i).NumField() {
			value := file.Field(i).Field(j)
			if (value.Kind() == reflect.Slice || value.Kind() == reflect.String) && value.Len() == 0 {
				continue // left out by default
			}
			if p, ok := section.Properties.Get(file.Field(i).Type().Field(j).Tag.Get("json")); ok {
				p.Default = written(value.Interface())
			}
		}
	}
}

// written is a default as the file has it.
func written(v any) any {
	switch x := v.(type) {
	case time.Duration:
		return config.Brief(x)
	case fleet.Severity:
		return x.String()
	}
	return v
}
