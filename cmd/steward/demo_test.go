package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// runSteward runs a command line at noon on 20 November 2026.
func runSteward(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs, func() time.Time { return demoStart })
	return code, out.String(), errs.String()
}

// headline is the first line of a message, and of a reply behind its mark.
var headline = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d +(?:↳ )?[🔴🟠🟢] (.*)$`)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds text to a file of testdata.
func golden(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with -update and read it", err)
	}
	if text == string(want) {
		return
	}
	got, lines := strings.Split(text, "\n"), strings.Split(string(want), "\n")
	for i, line := range got {
		if i >= len(lines) || line != lines[i] {
			t.Fatalf("%s says otherwise from line %d on; look at it with -update\ngot:  %s", path, i+1, line)
		}
	}
	t.Fatalf("%s has %d lines more", path, len(lines)-len(got))
}

// playDemo runs the demo and returns what it printed and the pages it wrote.
func playDemo(t *testing.T) (out, page, report string) {
	t.Helper()
	t.Chdir(t.TempDir())
	code, out, errs := runSteward(t, "demo", "--log", "demo.log")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	log := read("demo.log")
	if !strings.Contains(log, `"function":"notify"`) || strings.Contains(log+out+errs, demoToken) {
		t.Error("the functions' logs are missing, or something shows the bot's token")
	}
	return out, read("demo.html"), read("demo-report.html")
}

// The functions look at several clusters at a time: how often each action is asked
// for hangs on who comes first, and is held elsewhere.
var (
	tallied = regexp.MustCompile(`(?m)^AWS calls: .*$`)
	numbers = regexp.MustCompile(` \d+\b`)
)

func TestTheDemoSaysWhatItHasAlwaysSaid(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out, page, report := playDemo(t)
	t.Chdir(here)
	golden(t, "demo.golden", tallied.ReplaceAllStringFunc(out, func(line string) string { return numbers.ReplaceAllString(line, " N") }))
	golden(t, "demo.golden.html", page)
	golden(t, "demo-report.golden.html", report)
}

func TestTheDemoTellsEachMoveOnceAndAReplayNothing(t *testing.T) {
	out, page, _ := playDemo(t)
	var payments []string
	for _, m := range headline.FindAllStringSubmatch(out, -1) {
		if strings.Contains(m[1], "prod-payments") {
			payments = append(payments, strings.SplitN(m[1], ":", 2)[0])
		}
	}
	if want := []string{"WARNING", "CHANGED, CRITICAL", "RESOLVED"}; !slices.Equal(payments, want) {
		t.Errorf("the etcd that fills was told as %q, want %q", payments, want)
	}
	for _, want := range []string{"All 25 events once more: 0 new messages.", "0 in dead-letter queues"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output does not say %q", want)
		}
	}
	if n := strings.Count(page, "RESOLVED: etcd of prod-payments"); n != 2 {
		t.Errorf("the page shows %d times that it is over, want the message and the last reply in its thread", n)
	}
}

func TestInvokeRunsAFunctionOnATestEvent(t *testing.T) {
	code, out, errs := runSteward(t, "invoke", "etcdsize", "-e", "scan-target")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if !strings.Contains(out, "etcd of prod-search is 76 % full") || !strings.Contains(errs, `"function":"etcdsize"`) {
		t.Errorf("want the message on standard output and the log on standard error, got\n%s\n%s", out, errs)
	}
}

func TestBadInputGetsASentence(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, v := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		t.Setenv(v, "")
	}
	malformed := filepath.Join(t.TempDir(), "malformed.json")
	if err := os.WriteFile(malformed, []byte(`{"source":"aws.eks"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"an unknown command":         {[]string{"chekc"}, exitUsage, "unknown command"},
		"an unknown flag":            {[]string{"check", "--regoin", "x"}, exitUsage, "unknown flag"},
		"an unknown output":          {[]string{"check", "-o", "xml"}, exitUsage, "want table, json or markdown"},
		"an unknown severity":        {[]string{"check", "--fail-on", "bad"}, exitUsage, "want info, warning, critical or none"},
		"a region that is none":      {[]string{"check", "--region", "Frankfurt"}, exitUsage, "want one like eu-west-1"},
		"no region":                  {[]string{"check"}, exitUsage, "give --region"},
		"no credentials":             {[]string{"check", "--region", "eu-west-1"}, exitIncomplete, "no usable AWS credentials"},
		"a configuration not there":  {[]string{"check", "-f", "nowhere.yaml"}, exitUsage, "nowhere.yaml"},
		"an unknown function":        {[]string{"invoke", "etcd", "-e", "scan-target"}, exitUsage, "choose one of"},
		"an unknown event":           {[]string{"invoke", "etcdsize", "-e", "scan"}, exitUsage, "choose one of"},
		"no event":                   {[]string{"invoke", "etcdsize"}, exitUsage, "event"},
		"a fleet file not there":     {[]string{"simulate", "--fleet", "nowhere.yaml"}, exitUsage, "nowhere.yaml"},
		"a malformed event":          {[]string{"invoke", "etcdsize", "-e", malformed}, exitFindings, "dead-letter queue"},
		"an event of another's":      {[]string{"invoke", "notify", "-e", "testevents-are-by-name"}, exitUsage, "choose one of"},
		"a page that has no folder":  {[]string{"demo", "--page", "/nowhere/demo.html"}, exitUsage, "/nowhere/demo.html"},
		"an address already too odd": {[]string{"simulate", "--listen", "nonsense"}, exitUsage, "--listen"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := runSteward(t, c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d with %q, want %d and %q", code, errs, c.code, c.says)
			}
		})
	}
}

func TestTheReadmeShowsWhatTheDemoPrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(readme), "one message in full:\n\n")
	shown, _, end := strings.Cut(shown, "\n\nThe messages as Slack")
	if !ok || !end {
		t.Fatal("the README does not show the demo")
	}
	out, _, _ := playDemo(t)
	printed := strings.Split(out, "\n")
	for line := range strings.Lines(shown) {
		if line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "    "); !slices.Contains(printed, line) {
			t.Errorf("the demo does not print %q", line)
		}
	}
}
