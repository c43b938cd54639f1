package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// agedFleet points the SDK at clusters whose nodes are a version behind.
func agedFleet(t *testing.T, clusters ...string) *sim.World {
	t.Helper()
	r := sim.Region{Name: "eu-west-1", Images: []sim.Image{{Version: "1.34", Release: "1.34.2-20261001", Published: -30 * 24 * time.Hour}}}
	for _, name := range clusters {
		r.Clusters = append(r.Clusters, sim.Cluster{
			Name: name, Version: "1.34", Tags: map[string]string{"environment": name},
			Nodegroups: []sim.Nodegroup{
				{Name: "blue", Version: "1.33", Release: "1.33.5-20260801", Nodes: 3, Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed}},
				{Name: "shy", Version: "1.33", Release: "1.33.5-20260801", Nodes: 1},
			},
		})
	}
	world, err := sim.New(sim.Fleet{Home: "111122223333", Accounts: []sim.Account{{ID: "111122223333", Regions: []sim.Region{r}}}}, func() time.Time { return demoStart })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.Handler())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIASIMULATED0000000", "AWS_SECRET_ACCESS_KEY": "simulated", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return world
}

func TestPlanShowsWhatWouldBeRolledAndWritesNothing(t *testing.T) {
	world := agedFleet(t, "prod", "dev")
	code, out, errs := runSteward(t, "plan")
	if code != exitFindings || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	golden(t, "plan.golden", out)
	if n := world.Calls().Of("UpdateNodegroupVersion").Total(); n > 0 {
		t.Errorf("%d nodegroups were updated", n)
	}
}

func TestPlanPrintsJSON(t *testing.T) {
	agedFleet(t, "dev")
	_, out, _ := runSteward(t, "plan", "-o", "json")
	var got struct {
		Hash string
		Plan struct{ Waves []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Hash) != 64 || len(got.Plan.Waves) != 1 || got.Plan.Waves[0].Name != "dev" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPlanTakesTheModesOfTheFile(t *testing.T) {
	agedFleet(t, "dev")
	file := filepath.Join(t.TempDir(), "steward.yaml")
	text := "schemaVersion: 1\ntargets: [{account: \"111122223333\", regions: [eu-west-1], role: none}]\nnodegroupRollout: {mode: approve}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runSteward(t, "plan", "-f", file)
	if code != exitFindings || !strings.Contains(out, "approve") {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
}

func TestAPlanOfNothingIsFine(t *testing.T) {
	agedFleet(t)
	code, out, errs := runSteward(t, "plan")
	if code != exitOK || !strings.Contains(out, "No nodegroup is to be rolled.") {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
}

func TestWhatAPlanCouldNotReadIsNotFine(t *testing.T) {
	for _, operation := range []string{"ListClusters", "DescribeCluster", "ListNodegroups", "GetParameter"} {
		t.Run(operation, func(t *testing.T) {
			agedFleet(t, "dev").Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "no")})
			code, _, errs := runSteward(t, "plan")
			if code != exitIncomplete || !strings.Contains(errs, "not everything could be read") || !strings.Contains(errs, ":"+operation) {
				t.Errorf("exit %d, %s", code, errs)
			}
		})
	}
}

func TestPlanRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, args := range map[string][]string{
		"an output":   {"plan", "-o", "markdown"},
		"a region":    {"plan", "--region", "moon"},
		"a file":      {"plan", "-f", "absent.yaml"},
		"an argument": {"plan", "prod"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, errs := runSteward(t, args...); code != exitUsage || errs == "" {
				t.Errorf("exit %d, %s", code, errs)
			}
		})
	}
}
