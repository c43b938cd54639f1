package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestFault_28_NamesAreHeldAgainstTheGrammarOfEKS(t *testing.T) {
	for name, ok := range map[string]bool{
		"prod": true, "0": true, "Prod_1-a": true, strings.Repeat("a", 100): true,
		"": false, "-a": false, "_a": false, "a b": false, "a/b": false, "a\n": false, "prod\x00": false, "ｐｒｏｄ": false, strings.Repeat("a", 101): false,
	} {
		if err := fleet.ValidClusterName(name); (err == nil) != ok {
			t.Errorf("cluster name %q: %v, want ok=%t", name, err, ok)
		}
	}
	for id, ok := range map[string]bool{"111122223333": true, "11112222333": false, "1111222233334": false, "11112222333x": false} {
		if err := fleet.ValidAccount(id); (err == nil) != ok {
			t.Errorf("account %q: %v, want ok=%t", id, err, ok)
		}
	}
	for name, ok := range map[string]bool{"eu-west-1": true, "us-gov-west-1": true, "cn-north-1": true, "us-isob-east-1": true, "eu-" + strings.Repeat("a", 300) + "-1": false, "eu-west": false, "Frankfurt": false, "": false} {
		if err := fleet.ValidRegion(name); (err == nil) != ok {
			t.Errorf("region %q: %v, want ok=%t", name, err, ok)
		}
	}
}

func TestAHostileNameIsNotRepeatedInFull(t *testing.T) {
	err := fleet.ValidClusterName(strings.Repeat("x/", 10_000))
	if n := len(err.Error()); n > 400 {
		t.Errorf("the message has %d bytes: %.100s...", n, err)
	}
}

func TestFault_11_VersionsCompareByNumber(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"1.9", "1.10", -1}, {"1.31+", "1.31", 0}, {"v1.34.2-eks-1a2b3c", "1.34", 0}, {"2.0", "1.99", 1}} {
		a, errA := fleet.ParseVersion(c.a)
		b, errB := fleet.ParseVersion(c.b)
		if got := a.Compare(b); errA != nil || errB != nil || got != c.want {
			t.Errorf("%s against %s: %d (%v, %v), want %d", c.a, c.b, got, errA, errB, c.want)
		}
	}
	for _, bad := range []string{"", "1", "latest", "1.x", "1.31 ", "-1.3", "1.99999"} {
		if v, err := fleet.ParseVersion(bad); err == nil {
			t.Errorf("%q was read as %s, want an error: it is unknown", bad, v)
		}
	}
}

func TestFault_47_TheLimitComesFromTheTier(t *testing.T) {
	l := fleet.Limits{Standard: 8e9, ByTier: map[string]int64{"tier-xl": 16e9}}
	for tier, want := range map[string]int64{"": 8e9, fleet.StandardTier: 8e9, "tier-xl": 16e9} {
		if got, ok := l.Of(tier); !ok || got != want {
			t.Errorf("limit of tier %q = %d, %t; want %d", tier, got, ok, want)
		}
	}
	if got, ok := l.Of("tier-new"); ok {
		t.Errorf("the limit of an unlisted tier is %d, want it unknown", got)
	}
	l.ByTier["tier-small"] = 4e9
	if got := l.Smallest(); got != 4e9 {
		t.Errorf("smallest = %d, want that of tier-small", got)
	}
}

func TestATroubleIsFoundByItsKindThroughWrapping(t *testing.T) {
	err := fmt.Errorf("list: %w", &fleet.Trouble{Kind: fleet.Denied, Action: "eks:ListClusters", Err: errors.New("no")})
	if !errors.Is(err, fleet.Denied) || errors.Is(err, fleet.Gone) {
		t.Errorf("%v is not found by its kind alone", err)
	}
	if k := fleet.TroubleOf(errors.New("x")).Kind; k != fleet.Failed {
		t.Errorf("an unknown error is %s, want %s", k, fleet.Failed)
	}
}

func TestOutcomesAndSeveritiesAreWordsInJSON(t *testing.T) {
	in := fleet.Finding{Outcome: fleet.Fail, Severity: fleet.Critical}
	b, err := json.Marshal(in)
	if err != nil || !strings.Contains(string(b), `"outcome":"fail","severity":"critical"`) {
		t.Fatalf("%s, %v", b, err)
	}
	var out fleet.Finding
	if err := json.Unmarshal([]byte(strings.Replace(string(b), "critical", "urgent", 1)), &out); err == nil {
		t.Error("an unknown severity was read")
	}
}
