package infra

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// ContextKey is where cdk.json, or -c on the command line, holds the Props.
const ContextKey = "eksSteward"

// FromContext reads the Props that stand in the context of a CDK app, either as
// a map (cdk.json) or as a string of JSON (-c eksSteward='{...}'). No context
// gives the zero Props. The error names every key that is unknown or of the
// wrong type; what the values must be is for Validate to say.
func FromContext(scope constructs.Node) (*Props, error) {
	value := scope.TryGetContext(jsii.String(ContextKey))
	if text, ok := value.(string); ok {
		value = nil
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("%s is not JSON (%w): want an object, such as -c %s='{\"retentionDays\": 90}'", ContextKey, err, ContextKey)
		}
	}
	p := &Props{}
	if value == nil {
		return p, nil
	}
	if err := decode(ContextKey, value, reflect.ValueOf(p).Elem()); err != nil {
		return nil, err
	}
	return p, nil
}

// decode sets v, of the kinds that Props is made of, from a JSON value. Unlike
// encoding/json it knows the path of what it refuses, and refuses everything at
// once.
func decode(path string, value any, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		fields, ok := value.(map[string]any)
		if !ok {
			return wrongType(path, value, "an object")
		}
		return decodeStruct(path, fields, v)
	case reflect.Slice:
		items, ok := value.([]any)
		if !ok {
			return wrongType(path, value, "a list")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		var failures []error
		for i, item := range items {
			failures = append(failures, decode(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i)))
		}
		return errors.Join(failures...)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(path, value, v.Elem())
	case reflect.String:
		s, ok := value.(string)
		if !ok {
			return wrongType(path, value, "a string in quotes")
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := value.(bool)
		if !ok {
			return wrongType(path, value, "true or false")
		}
		v.SetBool(b)
	case reflect.Int:
		f, ok := value.(float64)
		if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
			return wrongType(path, value, "a whole number")
		}
		v.SetInt(int64(f))
	default:
		panic(fmt.Sprintf("%s: Props holds a %s, which decode does not know", path, v.Type()))
	}
	return nil
}

func decodeStruct(path string, fields map[string]any, v reflect.Value) error {
	byKey := map[string]reflect.Value{}
	for i := range v.NumField() {
		byKey[v.Type().Field(i).Tag.Get("json")] = v.Field(i)
	}
	var failures []error
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		field, ok := byKey[key]
		if !ok {
			failures = append(failures, fmt.Errorf("%s.%s is not a key: want one of %s", path, key, strings.Join(slices.Sorted(maps.Keys(byKey)), ", ")))
			continue
		}
		failures = append(failures, decode(path+"."+key, fields[key], field))
	}
	return errors.Join(failures...)
}

// wrongType shows the value, cut: it may be anything.
func wrongType(path string, value any, want string) error {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte(fmt.Sprintf("a %T", value))
	}
	if len(text) > 60 {
		text = append([]byte(strings.ToValidUTF8(string(text[:60]), "")), "..."...)
	}
	return fmt.Errorf("%s is %s: want %s", path, text, want)
}
