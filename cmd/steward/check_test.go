package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

// simulateAWS points the SDK's own environment at the demo's fleet.
func simulateAWS(t *testing.T) {
	t.Helper()
	seed, err := readFleet("")
	if err != nil {
		t.Fatal(err)
	}
	world, err := sim.New(seed, func() time.Time { return demoStart })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIASIMULATED0000000", "AWS_SECRET_ACCESS_KEY": "simulated", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
}

func TestCheckFindsWhatTheFunctionsWouldFind(t *testing.T) {
	simulateAWS(t)
	code, out, errs := runSteward(t, "check", "--output", "json", "--fail-on", "warning")
	if code != exitFindings {
		t.Fatalf("exit code %d (%s), want %d", code, errs, exitFindings)
	}
	var got struct{ Findings []fleet.Finding }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("standard output is not JSON: %v\n%s", err, out)
	}
	says := map[string]fleet.Outcome{}
	for _, f := range got.Findings {
		says[f.Cluster.Name+" "+f.Check] = f.Outcome
	}
	for subject, want := range map[string]fleet.Outcome{
		"prod-search etcd-size": fleet.Fail, "stage-checkout etcd-size": fleet.Fail, "dev-sandbox etcd-size": fleet.Unknown,
		"legacy-billing version-support": fleet.Fail, "next-preview version-support": fleet.Unknown,
		"prod-ledger key-guard": fleet.Fail, "prod-payments version-skew": fleet.Fail, "prod-payments upgrade-readiness": fleet.Fail,
	} {
		if says[subject] != want {
			t.Errorf("%s is %s, want %s", subject, says[subject], want)
		}
	}
	for _, calm := range []string{"prod-orders etcd-size", "prod-catalog version-support", "prod-orders add-ons", "prod-orders version-skew"} {
		if outcome, listed := says[calm]; listed {
			t.Errorf("%s is %s, and is listed without --all", calm, outcome)
		}
	}
}

func TestExitCodesOfCheck(t *testing.T) {
	simulateAWS(t)
	conf := filepath.Join(t.TempDir(), "steward.yaml")
	if err := os.WriteFile(conf, demoConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a region where all is well":               {[]string{"check", "--region", "us-west-2"}, exitOK, ""},
		"warnings below the bar":                   {[]string{"check", "--region", "us-west-2", "--region", "us-east-1", "--fail-on", "critical"}, exitOK, ""},
		"unknown below the bar":                    {[]string{"check", "--fail-on", "none"}, exitIncomplete, "unknown"},
		"warnings at the bar":                      {[]string{"check", "--fail-on", "warning"}, exitFindings, ""},
		"an account that cannot be entered":        {[]string{"check", "-f", conf, "--region", "eu-central-1"}, exitIncomplete, "not everything could be read"},
		"nothing fails when nothing is to fail on": {[]string{"check", "--region", "us-west-2", "--fail-on", "none"}, exitOK, ""},
		"markdown for a region where all is well":  {[]string{"check", "--region", "us-west-2", "-o", "markdown", "--all"}, exitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := runSteward(t, c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d with %q, want %d and %q\n%s", code, errs, c.code, c.says, out)
			}
		})
	}
}
