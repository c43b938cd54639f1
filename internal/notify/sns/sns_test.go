package sns_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRender(t *testing.T) {
	for _, s := range notifytest.Samples() {
		t.Run(s.Name, func(t *testing.T) {
			r := sns.Render(s.Message)
			valid(t, r)
			var got bytes.Buffer
			fmt.Fprintf(&got, "Subject: %s\n", r.Subject)
			for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
				fmt.Fprintf(&got, "%s: %s\n", name, shorten(strings.Join(r.Attributes[name], " "), 200))
			}
			fmt.Fprintf(&got, "\n%s", shorten(r.Body, 5000))
			golden(t, filepath.Join("testdata", s.Name+".txt"), got.Bytes())
		})
	}
}

// shorten keeps golden files readable; what it leaves out is counted.
func shorten(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return fmt.Sprintf("%s ... %d more ... %s", string(runes[:limit]), len(runes)-limit, string(runes[len(runes)-60:]))
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew); got:\n%s", file, got)
	}
}

// valid holds a message against the rules of SNS's Publish.
func valid(t *testing.T, r sns.Rendered) {
	t.Helper()
	if len(r.Subject) == 0 || len(r.Subject) >= 100 || r.Subject[0] == ' ' {
		t.Errorf("subject %q has %d characters", r.Subject, len(r.Subject))
	}
	for _, c := range []byte(r.Subject) {
		if c < ' ' || c > '~' {
			t.Errorf("subject %q holds %#x", r.Subject, c)
		}
	}
	size := len(r.Subject) + len(r.Body)
	for name, values := range r.Attributes {
		size += len(name) + len("String")
		for _, v := range values {
			if size += len(v); v == "" || !utf8.ValidString(v) {
				t.Errorf("attribute %s is %q", name, v)
			}
		}
	}
	if r.Body == "" || size > 256<<10 || !utf8.ValidString(r.Body) || strings.ContainsAny(r.Body, "\x00\x1b\r\u202e\uffff") {
		t.Errorf("a body of %d bytes in a message of %d, valid UTF-8: %v", len(r.Body), size, utf8.ValidString(r.Body))
	}
}

func TestFault_51_SubjectAndBodyAreMadeFitAndTheCutIsCounted(t *testing.T) {
	f := notifytest.Full("prod", fleet.Critical)
	f.Title = "größer\r\nBcc: x\x00\x1b[31m " + strings.Repeat("語", 200)
	f.Reason = strings.Repeat("語", 200_000)
	r := sns.Render(opened(f))
	valid(t, r)
	if !strings.HasPrefix(r.Subject, "CRITICAL: gr??er Bcc: x [31m ?") || !strings.HasSuffix(r.Subject, "...") {
		t.Errorf("subject = %q", r.Subject)
	}
	if !strings.Contains(r.Body, "bytes do not fit into this message)") {
		t.Error("nothing says what was cut")
	}

	var many []fleet.Finding
	for i := range 2000 {
		many = append(many, notifytest.Full(fmt.Sprintf("c%04d", i), fleet.Critical))
	}
	r = sns.Render(notify.Emergency(many, notifytest.Start, "outage"))
	valid(t, r)
	shown := strings.Count(r.Body, "What it means")
	if want := fmt.Sprintf("%d more incidents do not fit", 2000-shown); shown == 0 || !strings.Contains(r.Body, want) {
		t.Errorf("%d incidents shown, and no %q at the end", shown, want)
	}
}

func TestFault_33_AnEmergencyCarriesItsHourAndOnlyWhatIsCritical(t *testing.T) {
	findings := []fleet.Finding{notifytest.Full("calm", fleet.Warning), notifytest.Full("prod", fleet.Critical)}
	bodies := map[string]bool{}
	for _, minute := range []int{0, 17, 59} {
		r := sns.Render(notify.Emergency(findings, time.Date(2026, 11, 20, 2, minute, 5, 0, time.UTC), "DynamoDB timed out"))
		if got := r.Attributes["bucket"]; !slices.Equal(got, []string{"2026-11-20T02:00:00Z"}) {
			t.Errorf("bucket = %q", got)
		}
		if !slices.Equal(r.Attributes["kind"], []string{"emergency"}) || strings.Contains(r.Body, "calm") ||
			!strings.Contains(r.Body, "DynamoDB timed out") || !strings.Contains(r.Body, notify.LedgerDown) {
			t.Errorf("attributes %q, body:\n%s", r.Attributes, r.Body)
		}
		bodies[r.Subject+r.Body] = true
	}
	if len(bodies) != 1 {
		t.Errorf("%d different digests of one hour", len(bodies))
	}
}

func TestAlarmTellsNothingWithoutACriticalFinding(t *testing.T) {
	c := &client{}
	topic := sns.New(c, "arn:aws:sns:eu-west-1:111122223333:steward")
	err := topic.Alarm(t.Context(), []fleet.Finding{notifytest.Full("calm", fleet.Warning)}, notifytest.Start, errors.New("outage"))
	if err != nil || c.in != nil {
		t.Errorf("published %v, error %v", c.in, err)
	}
	err = topic.Alarm(t.Context(), []fleet.Finding{notifytest.Full("prod", fleet.Critical)}, notifytest.Start, errors.New("outage"))
	if err != nil || c.in == nil || *c.in.MessageAttributes["bucket"].StringValue != "2026-11-20T02:00:00Z" {
		t.Errorf("published %v, error %v", c.in, err)
	}
}

func TestADigestCanBeFilteredByEachOfItsAccounts(t *testing.T) {
	a, b := notifytest.Full("a", fleet.Critical), notifytest.Full("b", fleet.Critical)
	b.Cluster.Account = "444455556666"
	c := &client{}
	if _, err := sns.New(c, "arn").Post(t.Context(), notify.Emergency([]fleet.Finding{a, b}, notifytest.Start, "outage")); err != nil {
		t.Fatal(err)
	}
	account, region := c.in.MessageAttributes["account"], c.in.MessageAttributes["region"]
	if *account.DataType != "String.Array" || *account.StringValue != `["111122223333","444455556666"]` {
		t.Errorf("account is %s %s", *account.DataType, *account.StringValue)
	}
	if *region.DataType != "String" || *region.StringValue != "eu-west-1" {
		t.Errorf("region is %s %s", *region.DataType, *region.StringValue)
	}
}

func TestErrorsOfPublish(t *testing.T) {
	answer := func(status int, err error) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
		}}
	}
	for name, c := range map[string]struct {
		err     error
		refused bool
	}{
		"a topic that is not there refuses":    {answer(404, &types.NotFoundException{}), true},
		"a role without permission is refused": {answer(403, &types.AuthorizationErrorException{}), true},
		"throttling passes":                    {answer(400, &types.ThrottledException{}), false},
		"an outage passes":                     {answer(500, &types.InternalErrorException{}), false},
		"a broken connection passes":           {errors.New("connection reset"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sns.New(&client{err: c.err}, "arn").Post(t.Context(), opened(notifytest.Full("prod", fleet.Critical)))
			var (
				refused *notify.Refused
				down    *notify.Down
			)
			if errors.As(err, &refused) != c.refused || errors.As(err, &down) == c.refused {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
}

var kinds = []notify.Kind{notify.Opened, notify.Changed, notify.Resolved, notify.Digest, notify.LedgerOut}

func FuzzSNSRender(f *testing.F) {
	f.Add("etcd of prod is 87 % full", "prod", "6.96 GB", 2, 1, uint8(0), "")
	f.Add("größer\r\n\x00", "\xff", strings.Repeat("語", 90_000), 1, 3, uint8(3), "\x1b[31m")
	f.Add("", "", "", -1, 0, uint8(4), "\u202e\uffff")
	f.Add("", "", "", -1, 40, uint8(4), "0")
	f.Add(strings.Repeat("x ", 80), strings.Repeat("🙂", 300), "a\nb", 0, 2, uint8(2), strings.Repeat("n", 300_000))
	f.Fuzz(func(t *testing.T, title, name, text string, severity, notices int, which uint8, note string) {
		kind := kinds[int(which)%len(kinds)]
		m := notify.Message{Kind: kind, Note: note, Cause: text, Bucket: notifytest.Start}
		for range min(max(notices, 0), 50) {
			m.Notices = append(m.Notices, notify.Notice{Kind: kind, Incident: incident.Incident{Finding: fleet.Finding{
				Check: name, Cluster: fleet.ClusterID{Account: name, Region: text, Name: title}, Title: title, Reason: text, Remedy: text,
				Severity: fleet.Severity(severity), Facts: []fleet.Fact{{Label: name, Value: title}},
			}}})
		}
		valid(t, sns.Render(m))
		if len(m.Notices) == 0 {
			return
		}
		body, attributes, err := sns.Encode(about(kind, m.Notices[0].Incident))
		switch {
		case kind == notify.LedgerOut:
			if err == nil {
				t.Error("machines hear of what no ledger holds")
			}
		case err == nil:
			validJSON(t, body, attributes)
		case len(name)+len(text)+len(title) < 1024: // else such as no id that the ledger holds
			t.Error(err)
		}
	})
}

func opened(f fleet.Finding) notify.Message {
	return notify.Message{Kind: notify.Opened, Notices: []notify.Notice{{Kind: notify.Opened, Incident: notifytest.Life(f)}}}
}

// client records what would be published, or fails.
type client struct {
	in  *awssns.PublishInput
	err error
}

func (c *client) Publish(_ context.Context, in *awssns.PublishInput, _ ...func(*awssns.Options)) (*awssns.PublishOutput, error) {
	c.in = in
	return &awssns.PublishOutput{}, c.err
}
