package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/notify/notifytest"
	render "github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/sim/slack"
)

var update = flag.Bool("update", false, "write the golden files anew")

const path = canary.Hook

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// post sends a body to the channel and returns its answer.
func post(c *slack.Channel, at, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, at, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func TestSlackRefusesWithItsOwnWords(t *testing.T) {
	section := func(text string) string {
		return fmt.Sprintf(`{"type":"section","text":{"type":"mrkdwn","text":%q}}`, text)
	}
	message := func(blocks ...string) string { return `{"text":"t","blocks":[` + strings.Join(blocks, ",") + `]}` }
	repeat := func(s string, n int) []string {
		return strings.Split(strings.TrimSuffix(strings.Repeat(s+"\n", n), "\n"), "\n")
	}
	field := `{"type":"mrkdwn","text":"f"}`
	press := func(id, to string) string {
		return fmt.Sprintf(`{"type":"button","action_id":%q,"url":%q,"text":{"type":"plain_text","text":"b"}}`, id, to)
	}
	actions := func(elements ...string) string {
		return `{"type":"actions","elements":[` + strings.Join(elements, ",") + `]}`
	}

	for name, c := range map[string]struct{ body, word string }{
		"a message":                      {message(section("a")), "ok"},
		"text alone":                     {`{"text":"a"}`, "ok"},
		"no JSON":                        {`text=a`, "invalid_payload"},
		"nothing to show":                {`{"blocks":[]}`, "no_text"},
		"50 blocks":                      {message(repeat(`{"type":"divider"}`, 50)...), "ok"},
		"51 blocks":                      {message(repeat(`{"type":"divider"}`, 51)...), "invalid_blocks"},
		"a section of 3000":              {message(section(strings.Repeat("a", 3000))), "ok"},
		"a section of 3001":              {message(section(strings.Repeat("a", 3001))), "invalid_blocks"},
		"a section of 1501 emoji":        {message(section(strings.Repeat("🙂", 1501))), "invalid_blocks"},
		"a blank section":                {message(section("  ")), "invalid_blocks"},
		"a section of nothing":           {message(`{"type":"section"}`), "invalid_blocks"},
		"10 fields":                      {message(`{"type":"section","fields":[` + strings.Join(repeat(field, 10), ",") + `]}`), "ok"},
		"11 fields":                      {message(`{"type":"section","fields":[` + strings.Join(repeat(field, 11), ",") + `]}`), "invalid_blocks"},
		"a field of 2001":                {message(`{"type":"section","fields":[{"type":"mrkdwn","text":"` + strings.Repeat("a", 2001) + `"}]}`), "invalid_blocks"},
		"a header in mrkdwn":             {message(`{"type":"header","text":{"type":"mrkdwn","text":"h"}}`), "invalid_blocks"},
		"a header of 151":                {message(`{"type":"header","text":{"type":"plain_text","text":"` + strings.Repeat("a", 151) + `"}}`), "invalid_blocks"},
		"a context without elements":     {message(`{"type":"context","elements":[]}`), "invalid_blocks"},
		"a button":                       {message(actions(press("a", ""))), "ok"},
		"a button that opens a page":     {message(actions(press("a", "https://example.com"))), "ok"},
		"two buttons of one id":          {message(actions(press("a", ""), press("a", ""))), "invalid_blocks"},
		"a button without an id":         {message(actions(press("", ""))), "invalid_blocks"},
		"a button that runs a script":    {message(actions(press("a", "javascript:alert(1)"))), "invalid_blocks"},
		"a button with an endless page":  {message(actions(press("a", "https://example.com/"+strings.Repeat("a", 3000)))), "invalid_blocks"},
		"sections of 11,000 in all":      {message(repeat(section(strings.Repeat("a", 2750)), 4)...), "ok"},
		"sections of 11,004 in all":      {message(repeat(section(strings.Repeat("a", 2751)), 4)...), "msg_blocks_too_long"},
		"a block that Slack has not got": {message(`{"type":"poem"}`), "invalid_blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			got := post(slack.New(path, time.Now), path, c.body)
			if got.Body.String() != c.word || (got.Code == http.StatusOK) != (c.word == "ok") {
				t.Errorf("answered %d %s, want %s", got.Code, got.Body, c.word)
			}
		})
	}
	if got := post(slack.New(path, time.Now), path+"x", `{"text":"a"}`); got.Code != http.StatusNotFound || got.Body.String() != "no_service" {
		t.Errorf("another webhook: %d %s", got.Code, got.Body)
	}
}

func TestOneMessagePerSecond(t *testing.T) {
	now := &clock{now: notifytest.Start}
	c := slack.New(path, now.Now)
	c.Limit()
	post(c, path, `{"text":"a"}`)
	now.forward(500 * time.Millisecond)
	if got := post(c, path, `{"text":"b"}`); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "1" {
		t.Errorf("answered %d, Retry-After %q", got.Code, got.Header().Get("Retry-After"))
	}
	now.forward(500 * time.Millisecond)
	if got := post(c, path, `{"text":"b"}`); got.Code != http.StatusOK || len(c.Received()) != 2 || len(c.Calls()) != 3 {
		t.Errorf("answered %d, %d received, %d calls", got.Code, len(c.Received()), len(c.Calls()))
	}
}

func TestAnOutageFollowsItsScript(t *testing.T) {
	c := slack.New(path, time.Now)
	lost := slack.Outage
	lost.Took = true
	c.Script(slack.Outage, lost, slack.HTML)
	var codes []int
	for range 4 {
		codes = append(codes, post(c, path, `{"text":"a"}`).Code)
	}
	if fmt.Sprint(codes) != "[503 503 200 200]" || len(c.Received()) != 2 {
		t.Errorf("answered %v, %d received", codes, len(c.Received()))
	}
}

func TestPingsAreNoticed(t *testing.T) {
	c := slack.New(path, time.Now)
	post(c, path, `{"text":"<!channel> and <@U1> but not &lt;!here&gt;"}`)
	if got := c.Received()[0].Pings; fmt.Sprint(got) != "[<!channel> <@U1>]" {
		t.Errorf("pings %q", got)
	}
}

// shown is a channel with every sample but the flood.
func shown(t *testing.T) *slack.Channel {
	t.Helper()
	now := &clock{now: notifytest.Start.In(notifytest.Berlin)}
	c := slack.New(path, now.Now)
	for _, s := range notifytest.Samples() {
		body, err := json.Marshal(render.Render(s.Message, true))
		if err != nil {
			t.Fatal(err)
		}
		if got := post(c, path, string(body)); got.Code != http.StatusOK {
			t.Fatalf("%s: %s", s.Name, got.Body)
		}
		now.forward(time.Minute)
	}
	return c
}

func TestPageAndLines(t *testing.T) {
	c := shown(t)
	var page bytes.Buffer
	if err := c.Page(&page); err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"<!channel>", "<script", "src=", "href=", "url("} {
		if strings.Contains(page.String(), no) {
			t.Errorf("the page holds %s", no)
		}
	}
	golden(t, "page.html", page.Bytes())
	golden(t, "lines.txt", []byte(strings.Join(c.Lines(), "\n")+"\n"))
}

func TestThePageOfAnEmptyChannelSaysSo(t *testing.T) {
	var page bytes.Buffer
	if err := slack.New(path, time.Now).Page(&page); err != nil || !strings.Contains(page.String(), "Nothing has been posted yet") {
		t.Errorf("error %v, page %s", err, page.String())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
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
		t.Errorf("%s differs (go test -update writes it anew)", file)
	}
}

// TestAWebhookTalksToTheStandIn holds the stand-in and the product's own client
// against each other over HTTP.
func TestAWebhookTalksToTheStandIn(t *testing.T) {
	c := slack.New(path, func() time.Time { return notifytest.Start })
	server := httptest.NewServer(c)
	defer server.Close()
	w := render.New(address(server.URL + path))
	for _, s := range notifytest.Samples() {
		if _, err := w.Post(t.Context(), s.Message); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

type address string

func (a address) Value(context.Context) (string, error) { return string(a), nil }

func (a address) Refresh(context.Context) (string, error) { return string(a), nil }
