package sns_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/invopop/jsonschema"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
)

// moves are what machines may hear, by the name of the golden file.
func moves() map[string]notify.Message {
	all := map[string]notify.Message{}
	for _, s := range notifytest.Samples() {
		if k := s.Message.Kind; k == notify.Opened || k == notify.Changed || k == notify.Resolved {
			all[s.Name] = s.Message
		}
	}
	muted := opened(notifytest.Full("prod-payments", fleet.Warning))
	muted.Muted = true
	muted.Links = []notify.Link{{Label: "Runbook", URL: "https://example.com/etcdsize.md#etcd-size"}}
	all["muted"] = muted

	work := notifytest.Full("prod-payments", fleet.Info)
	work.Check, work.Cause, work.Resource, work.Owner = "nodegroup-rollout", "running", "rollout", "payments"
	work.Progress = &fleet.Progress{Done: 12, Total: 40}
	all["progress"] = opened(work)
	return all
}

func TestMachinesReadEveryMove(t *testing.T) {
	for name, m := range moves() {
		t.Run(name, func(t *testing.T) {
			body, attributes, err := sns.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			validJSON(t, body, attributes)
			var got bytes.Buffer
			for _, key := range slices.Sorted(maps.Keys(attributes)) {
				got.WriteString(key + ": " + strings.Join(attributes[key], " ") + "\n")
			}
			got.WriteByte('\n')
			if err := json.Indent(&got, []byte(body), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "machines", name+".txt"), []byte(abridge(got.String())))
		})
	}
}

// abridge keeps the golden file of a flood readable.
func abridge(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = shorten(lines[i], 400)
	}
	return strings.Join(lines, "\n") + "\n"
}

// validJSON holds a message against the rules of Publish, and of queues with raw
// delivery.
func validJSON(t *testing.T, body string, attributes map[string][]string) {
	t.Helper()
	size := len(body)
	for name, values := range attributes {
		if len(values) != 1 || values[0] == "" || len(values[0]) > 256 {
			t.Errorf("attribute %s is %q: want one value", name, values)
			continue
		}
		size += len(name) + len("String") + len(values[0])
	}
	if size > 256<<10 || len(attributes) > 10 || !utf8.ValidString(body) || !json.Valid([]byte(body)) || strings.ContainsAny(body, "\x00\x1b\r\u202e\uffff") {
		t.Errorf("%d attributes and a body of %d bytes in a message of %d; valid UTF-8 %v, valid JSON %v",
			len(attributes), len(body), size, utf8.ValidString(body), json.Valid([]byte(body)))
	}
}

// decode reads a message as a receiver does that takes nothing it does not know.
func decode(t *testing.T, body string) sns.Move {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	var move sns.Move
	if err := d.Decode(&move); err != nil {
		t.Fatal(err)
	}
	return move
}

func TestASubscriptionToWhatIsCriticalHearsHowItEnded(t *testing.T) {
	inc := notifytest.Life(notifytest.Full("prod", fleet.Critical), notifytest.Passing("prod"))
	body, attributes, err := sns.Encode(about(notify.Resolved, inc))
	if err != nil {
		t.Fatal(err)
	}
	move := decode(t, body)
	if got := attributes["severity"]; !slices.Equal(got, []string{"critical"}) || move.Incident.Severity != fleet.Critical {
		t.Errorf("severity is %q as attribute and %s in the body, want critical: it is what a filter selected the opening by", got, move.Incident.Severity)
	}
	if move.Incident.ID != inc.ID() || move.Incident.State != incident.Resolved || move.Incident.Revision != 2 || move.Kind != notify.Resolved {
		t.Errorf("moved as %+v", move.Incident)
	}
	if move.Finding.Outcome != fleet.Pass || move.Finding.Severity != fleet.Info {
		t.Errorf("the finding is %s and %s, want the one that says that it is over", move.Finding.Outcome, move.Finding.Severity)
	}
}

func TestFault_51_AMoveThatIsTooLargeIsCutAndTheCutIsCounted(t *testing.T) {
	f := notifytest.Full("prod", fleet.Critical)
	f.Reason, f.Observed, f.Title = strings.Repeat("語", 200_000), strings.Repeat("\x01", 90_000), "größer\uffff\u202e"
	f.Facts[0].Value = strings.Repeat("y", 100_000)
	for range 5000 {
		f.Facts = append(f.Facts, fleet.Fact{Label: "Pod", Value: strings.Repeat("x", 100)})
	}
	whole := texts(f)
	body, attributes, err := sns.Encode(opened(f))
	if err != nil {
		t.Fatal(err)
	}
	validJSON(t, body, attributes)
	move := decode(t, body)
	kept := texts(move.Finding)
	if texts(f) != whole {
		t.Error("the incident itself was cut")
	}
	// Two characters that a queue cannot carry left without being cut.
	if dropped := len("\uffff\u202e"); move.Cut == 0 || whole-kept-dropped != move.Cut {
		t.Errorf("%d bytes of %d were kept and %d counted as cut", kept, whole, move.Cut)
	}
	if move.Finding.Title != "größer" || move.Finding.Remedy != f.Remedy || !strings.HasPrefix(f.Reason, move.Finding.Reason) {
		t.Errorf("short texts were cut: title %q, remedy %q", move.Finding.Title, move.Finding.Remedy)
	}
	if len(body) < 60<<10 {
		t.Errorf("the body has %d bytes: far more was cut than had to be", len(body))
	}
}

// texts is how many bytes the texts of a finding have.
func texts(f fleet.Finding) int {
	total := len(f.Title) + len(f.Reason) + len(f.Meaning) + len(f.Observed) + len(f.Expected) + len(f.Remedy)
	for _, fact := range f.Facts {
		total += len(fact.Label) + len(fact.Value)
	}
	return total
}

func TestMachinesHearNothingThatIsForPeople(t *testing.T) {
	for name, m := range map[string]notify.Message{
		"a digest":                 {Kind: notify.Digest, Notices: make([]notify.Notice, 2)},
		"an empty digest":          {Kind: notify.Daily},
		"while there is no ledger": notify.Emergency([]fleet.Finding{notifytest.Full("prod", fleet.Critical)}, notifytest.Start, "outage"),
	} {
		t.Run(name, func(t *testing.T) {
			c := &client{}
			var refused *notify.Refused
			if _, err := sns.NewMachines(c, "arn").Post(t.Context(), m); !errors.As(err, &refused) || c.in != nil {
				t.Errorf("published %v, error %v", c.in, err)
			}
		})
	}
}

func TestMachinesPublishToTheirTopic(t *testing.T) {
	c := &client{}
	if _, err := sns.NewMachines(c, "arn:machines").Post(t.Context(), opened(notifytest.Full("prod", fleet.Warning))); err != nil {
		t.Fatal(err)
	}
	if *c.in.TopicArn != "arn:machines" || c.in.Subject != nil || decode(t, *c.in.Message).Incident.Revision != 1 {
		t.Errorf("published %s to %s", *c.in.Message, *c.in.TopicArn)
	}
	if a := c.in.MessageAttributes["schemaVersion"]; *a.DataType != "String" || *a.StringValue != "1" {
		t.Errorf("schemaVersion is %s %s", *a.DataType, *a.StringValue)
	}
	failing := &client{err: errors.New("connection reset")}
	var down *notify.Down
	if _, err := sns.NewMachines(failing, "arn").Post(t.Context(), opened(notifytest.Full("prod", fleet.Warning))); !errors.As(err, &down) {
		t.Errorf("got %T: %v", err, err)
	}
}

const schemaFile = "../../../docs/recipes/incident.schema.json"

// TestTheSchemaIsTheTypes has the file that receivers are written against say
// what the program sends: a name that is changed by mistake shows in it.
func TestTheSchemaIsTheTypes(t *testing.T) {
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true, Mapper: words}
	s := r.Reflect(sns.Move{})
	s.Title = "A move of an incident, as eks-steward publishes it to the topic for machines"
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, schemaFile, append(got, '\n'))
}

// words are the types that are written as one of a few words.
func words(t reflect.Type) *jsonschema.Schema {
	enum := func(all ...string) *jsonschema.Schema {
		s := &jsonschema.Schema{Type: "string"}
		for _, word := range all {
			s.Enum = append(s.Enum, word)
		}
		return s
	}
	switch t {
	case reflect.TypeFor[fleet.Severity]():
		return enum("info", "warning", "critical")
	case reflect.TypeFor[fleet.Outcome]():
		return enum("unknown", "pass", "fail", "not-applicable")
	case reflect.TypeFor[incident.State]():
		return enum("open", "resolved")
	case reflect.TypeFor[notify.Kind]():
		return enum("opened", "changed", "resolved")
	}
	return nil
}

// TestEveryMoveFitsTheSchema reads the file as a receiver would.
func TestEveryMoveFitsTheSchema(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for name, m := range moves() {
		body, _, err := sns.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		s.hold(t, name, v)
	}
}

// schema is the part of JSON Schema that the file uses.
type schema struct {
	Type       string             `json:"type"`
	Format     string             `json:"format"`
	Enum       []string           `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
}

func (s *schema) hold(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			if _, there := v[name]; !there {
				t.Errorf("%s.%s is required and missing", path, name)
			}
		}
		for name, value := range v {
			if s.Properties[name] == nil {
				t.Errorf("%s.%s is not in the schema", path, name)
				continue
			}
			s.Properties[name].hold(t, path+"."+name, value)
		}
	case []any:
		for _, value := range v {
			s.Items.hold(t, path+"[]", value)
		}
	case string:
		_, err := time.Parse(time.RFC3339, v)
		if s.Type != "string" || s.Enum != nil && !slices.Contains(s.Enum, v) || s.Format == "date-time" && err != nil {
			t.Errorf("%s is %q, not what the schema says", path, v)
		}
	case float64:
		if s.Type != "integer" {
			t.Errorf("%s is %v, want a %s", path, v, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			t.Errorf("%s is %v, want a %s", path, v, s.Type)
		}
	}
}

func about(kind notify.Kind, inc incident.Incident) notify.Message {
	return notify.Message{Kind: kind, Notices: []notify.Notice{{Kind: kind, Incident: inc}}}
}
