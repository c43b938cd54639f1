package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Build makes a File of a document and judges it; name is what messages call
// it. The error is Problems: all that is wrong, in the order of the document,
// and there is no File then. Time zones are looked up: whoever reads a new file
// needs a database of them.
func Build(name string, root Node) (*File, error) { return build(name, root, true) }

// build judges by the time zones too where zones says so. What was accepted once
// is decoded where there is no database of them (see Notify.Location).
func build(name string, root Node, zones bool) (*File, error) {
	file := Default()
	file.name = name
	b := builder{file: file, zones: zones, places: map[string]Place{}, bad: map[string]bool{}}
	b.fill(reflect.ValueOf(file).Elem(), root, "")
	b.judge()
	if len(b.problems) > 0 {
		b.problems.Sort()
		return nil, b.problems
	}
	return file, nil
}

// builder fills a File from nodes and keeps what is wrong with them.
type builder struct {
	file     *File
	zones    bool             // there is a database of time zones
	places   map[string]Place // of the value of each path that is given
	bad      map[string]bool  // paths with a problem: what follows from them is not told again
	problems Problems
}

// refuse records that the value at path is not what its key wants.
func (b *builder) refuse(path string, n Node) {
	key, _ := KeyOf(path)
	if path == "" {
		path, key.Want = "the file", "a mapping with schemaVersion and targets"
	}
	b.report(path, n.Place, fmt.Sprintf("%s is %s: want %s", path, n.shown(), key.Want))
}

func (b *builder) report(path string, at Place, text string) {
	b.bad[path] = true
	b.problems = append(b.problems, Problem{File: b.file.name, Place: at, Text: text})
}

// fill decodes n into v, which holds the default.
func (b *builder) fill(v reflect.Value, n Node, path string) {
	b.places[path] = n.Place
	if explained(path) {
		if b.file.lines == nil {
			b.file.lines = map[string]int{}
		}
		b.file.lines[path] = n.Line
	}
	switch {
	case v.Kind() == reflect.Struct:
		b.mapping(v, n, path)
	case v.Kind() == reflect.Slice:
		b.list(v, n, path)
	default:
		b.scalar(v, n, path)
	}
}

// explained tells the values whose origin people ask for. The lines of targets
// would only make a stored configuration bigger.
func explained(path string) bool {
	path = index().ReplaceAllString(path, "[]")
	section, key, _ := strings.Cut(strings.TrimPrefix(path, "overrides[]."), ".")
	if strings.Contains(key, "[") {
		return false // in an item: its list is explained
	}
	switch section {
	case "etcdSize", "versionSupport", "secretsEncryption", "nodegroupRollout", "waves", "notify":
		return key != ""
	}
	return false
}

func (b *builder) mapping(v reflect.Value, n Node, path string) {
	key, _ := KeyOf(path)
	if n.Kind != Mapping || (key.NotEmpty && len(n.Entries) == 0) {
		b.refuse(path, n)
		return
	}
	given := b.entries(v.Type(), n, path)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if name == "" {
			continue
		}
		child := join(path, name)
		value, ok := given[name]
		if ok {
			b.fill(v.Field(i), value, child)
			continue
		}
		if key, _ := KeyOf(child); key.Required {
			b.report(child, n.Place, fmt.Sprintf("%s is missing: want %s", child, key.Want))
		}
	}
}

// entries sorts the entries of a mapping by key and reports those that are
// unknown or given twice.
func (b *builder) entries(t reflect.Type, n Node, path string) map[string]Node {
	known := names(t)
	given := map[string]Node{}
	first := map[string]int{}
	for _, e := range n.Entries {
		child := join(path, Node{Kind: Text, Text: e.Key}.asKey())
		switch line, again := first[e.Key]; {
		case !slices.Contains(known, e.Key):
			b.report(child, e.Place, fmt.Sprintf("%s is not a key: want %s", child, nearest(e.Key, known)))
		case again:
			b.report(child, e.Place, fmt.Sprintf("%s is given twice, first in line %d: want it once", child, line))
		default:
			given[e.Key], first[e.Key] = e.Value, e.Line
		}
	}
	return given
}

// names are the keys of a struct in order.
func names(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

func (b *builder) list(v reflect.Value, n Node, path string) {
	key, _ := KeyOf(path)
	if n.Kind != List || (key.NotEmpty && len(n.Items) == 0) {
		b.refuse(path, n)
		return
	}
	if key.Most > 0 && len(n.Items) > key.Most {
		b.report(path, n.Place, fmt.Sprintf("%s has %d items: want %s", path, len(n.Items), key.Want))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch x := v.Index(i).Addr().Interface().(type) {
		case *Override:
			b.override(x, item, at)
			continue
		case *Route:
			x.MinSeverity = b.file.Notify.MinSeverity // decoded before, as the order of Notify's fields has it
		}
		b.fill(v.Index(i), item, at)
	}
}

// override decodes over what the file itself says, which was decoded before, as
// the order of File's fields has it.
func (b *builder) override(o *Override, n Node, path string) {
	*o = b.file.unmatched()
	b.fill(reflect.ValueOf(o).Elem(), n, path)
	if o.SecretsEncryption.Require != ListedKeys && !b.given(path+".secretsEncryption.keys") {
		o.SecretsEncryption.Keys = nil // the file's, and of no use with another requirement
	}
	if o.NodegroupRollout.ForceAfter == 0 && !b.given(path+".nodegroupRollout.forceGroups") {
		o.NodegroupRollout.ForceGroups = nil // likewise
	}
}

func (b *builder) scalar(v reflect.Value, n Node, path string) {
	key, _ := KeyOf(path)
	value, ok := read(v.Type(), n)
	if !ok || !key.allows(value, n) {
		b.refuse(path, n)
		return
	}
	if key.Zone && b.zones {
		if _, err := time.LoadLocation(n.Text); err != nil {
			b.report(path, n.Place, fmt.Sprintf("%s is %s, which no time zone database knows: want %s", path, n.shown(), key.Want))
			return
		}
	}
	v.Set(value)
}

// read decodes a scalar. It is false where the node has another form; a value
// out of bounds is the key's affair.
func read(t reflect.Type, n Node) (reflect.Value, bool) {
	v := reflect.New(t).Elem()
	var err error
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		*p, err = time.ParseDuration(n.Text)
		return v, err == nil && n.Kind == Text && DurationForm.MatchString(n.Text)
	case encoding.TextUnmarshaler:
		return v, n.Kind == Text && p.UnmarshalText([]byte(n.Text)) == nil
	case *string:
		*p = n.Text
		return v, n.Kind == Text
	case *bool:
		*p, err = strconv.ParseBool(n.Text)
		return v, err == nil && n.Kind == Bool
	case *float64:
		*p, err = strconv.ParseFloat(n.Text, 64)
		return v, err == nil && n.Kind == Number
	case *int:
		*p, err = strconv.Atoi(n.Text)
		return v, err == nil && n.Kind == Number
	}
	panic("config: no way to read " + t.String()) // a field of a new type: a test reads them all
}

// allows applies the key's own bounds; what depends on other keys comes later.
func (k Key) allows(v reflect.Value, n Node) bool {
	if k.Pattern != nil && !k.Pattern.MatchString(n.Text) {
		return false
	}
	if k.OneOf != nil && !slices.Contains(k.OneOf, n.Text) {
		return false
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return k.Shortest <= x && x <= k.Longest || k.OrZero && x == 0
	case float64:
		return k.Min <= x && x <= k.Max // also refuses NaN
	case int:
		return k.Min <= float64(x) && float64(x) <= k.Max
	}
	return true
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// nearest names the key that was probably meant, else all there are.
func nearest(key string, known []string) string {
	if best, ok := Closest(key, known); ok {
		return best
	}
	return "one of " + strings.Join(known, ", ")
}

// Closest finds the known word that a mistyped one was probably meant to be; it
// is false when none is near. Letter case does not count.
func Closest(word string, known []string) (string, bool) {
	best, least := "", min(len(word), maxWord)/3+2 // more edits than that are another word
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best, best != ""
}

// maxWord is longer than any key; a hostile one must not cost time.
const maxWord = 64

// distance counts the letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	a = a[:min(len(a), maxWord)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
