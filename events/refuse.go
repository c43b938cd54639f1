package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Malformed says that a message is not one of ours, or not what it claims to
// be. Delivering it again cannot help.
type Malformed struct {
	Where string // the field, such as detail.awsRegion; "event" for the whole
	What  string // what is wrong there and what is wanted
}

func (m *Malformed) Error() string { return m.Where + " " + m.What }

// Ignored says that a message is well formed and deliberately nothing to do.
type Ignored struct{ Reason string }

func (i *Ignored) Error() string { return i.Reason }

func malformed(where, format string, args ...any) error {
	return &Malformed{Where: where, What: fmt.Sprintf(format, args...)}
}

func ignored(format string, args ...any) error {
	return &Ignored{Reason: fmt.Sprintf(format, args...)}
}

// quote shows a value that may be hostile: bounded, and without the characters
// that would write to a terminal or turn a line around. Escaped, one rune becomes
// up to ten.
func quote(s string) string { return fleet.Clip(strconv.Quote(fleet.Clip(s, 60)), 120) }

// unmarshal reads the JSON of one field and refuses it in the words of JSON, not
// of Go. encoding/json is what makes depth bombs (10,000 levels), duplicate keys
// (the last one counts, and is checked) and lone surrogates harmless.
func unmarshal(where string, raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field != "" {
			where = strings.TrimPrefix(where+"."+wrong.Field, "event.")
		}
		return malformed(where, "is a JSON %s: want %s", fleet.Clip(wrong.Value, 60), form(wrong.Type))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return malformed(where, "is not JSON at byte %d: %s", syntax.Offset, fleet.Clip(err.Error(), 100))
	}
	return malformed(where, "cannot be read: %s", fleet.Clip(err.Error(), 100))
}

// form is what JSON calls the values of a Go type.
func form(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// CloudTrail began in 2013: what claims to be older, or to come from another
// century, was not written by AWS.
const firstYear, lastYear = 2013, 2100

// moment reads a time in one of the given layouts, in UTC.
func moment(where, s string, layouts ...string) (time.Time, error) {
	if s == "" {
		return time.Time{}, malformed(where, "is missing: want a time like 2026-11-20T12:00:00Z")
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < firstYear || t.Year() > lastYear {
			return time.Time{}, malformed(where, "is %s: want a time from %d to %d", quote(s), firstYear, lastYear)
		}
		return t, nil
	}
	return time.Time{}, malformed(where, "is %s: want a time like 2026-11-20T12:00:00Z", quote(s))
}
