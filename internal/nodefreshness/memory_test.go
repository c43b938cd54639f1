package nodefreshness_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
)

// out is a release of the type al2023 that was published so many days before noon.
func out(release string, days int) fleet.AMIRelease {
	version, _, _ := strings.Cut(release, "-")
	return fleet.AMIRelease{
		AMIType: al2023, Version: version[:strings.LastIndex(version, ".")], Release: release, Published: noon.Add(-time.Duration(days) * day),
	}
}

func names(all []fleet.AMIRelease) string {
	var names []string
	for _, r := range all {
		names = append(names, r.Release)
	}
	return strings.Join(names, " ")
}

func TestReleasesAreRememberedInTheOrderInWhichTheyCome(t *testing.T) {
	var seen []fleet.AMIRelease
	for _, step := range []struct {
		name   string
		newest []fleet.AMIRelease
		want   string
	}{
		{"nothing is known at first", nil, ""},
		{"a release", []fleet.AMIRelease{out("1.36.2-20261001", 50)}, "1.36.2-20261001"},
		{"the same again", []fleet.AMIRelease{out("1.36.2-20261001", 50)}, "1.36.2-20261001"},
		{"a newer one", []fleet.AMIRelease{out("1.36.2-20261020", 30)}, "1.36.2-20261001 1.36.2-20261020"},
		{"one of another version", []fleet.AMIRelease{out("1.35.4-20261020", 30)}, "1.35.4-20261020 1.36.2-20261001 1.36.2-20261020"},
		{"one of another type", []fleet.AMIRelease{{AMIType: "AL2023_ARM_64_STANDARD", Version: "1.36", Release: "1.36.2-20261021"}}, "1.36.2-20261021 1.35.4-20261020 1.36.2-20261001 1.36.2-20261020"},
		{"a newer patch", []fleet.AMIRelease{out("1.36.3-20261101", 19)}, "1.36.2-20261021 1.35.4-20261020 1.36.2-20261001 1.36.2-20261020 1.36.3-20261101"},
		{"AWS goes back behind one, which is forgotten", []fleet.AMIRelease{out("1.36.2-20261020", 18)}, "1.36.2-20261021 1.35.4-20261020 1.36.2-20261001 1.36.2-20261020"},
		{"and is not thought of again when the next one comes", []fleet.AMIRelease{out("1.36.3-20261110", 10)}, "1.36.2-20261021 1.35.4-20261020 1.36.2-20261001 1.36.2-20261020 1.36.3-20261110"},
		{"AWS names none", nil, "1.36.2-20261021 1.35.4-20261020 1.36.2-20261001 1.36.2-20261020 1.36.3-20261110"},
		{"one in a form that has no order ends what was known", []fleet.AMIRelease{{AMIType: al2023, Version: "1.36", Release: "new", Published: noon}}, "1.36.2-20261021 1.35.4-20261020 new"},
	} {
		seen = nodefreshness.Remember(seen, step.newest)
		if got := names(seen); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

func TestOnlyTheLastReleasesAreRemembered(t *testing.T) {
	var seen []fleet.AMIRelease
	for d := range 30 { // one every ten days
		seen = nodefreshness.Remember(seen, []fleet.AMIRelease{out(fmt.Sprintf("1.36.2-202609%02d", d+1), 10*(30-d))})
	}
	if len(seen) != 10 || seen[0].Release != "1.36.2-20260921" || seen[9].Release != "1.36.2-20260930" {
		t.Errorf("remembered are %s, want those of 90 days and the one before", names(seen))
	}
}

func TestAReleaseThatWasReplacedAtOnceIsNotGoneTo(t *testing.T) {
	line := []fleet.AMIRelease{out("1.36.2-20261101", 20), out("1.36.2-20261109", 12), out("1.36.2-20261111", 10), out("1.36.2-20261119", 2)}
	if got, want := names(nodefreshness.WithOlder(line[3:], line)), "1.36.2-20261119 1.36.2-20261101 1.36.2-20261111"; got != want {
		t.Errorf("%s, want %s: what AWS replaced within three days was no good", got, want)
	}
}

func TestWhereTheNewestIsTooYoungTheOneBeforeItWillDo(t *testing.T) {
	s := fresh()
	stale(&s)
	weekly := []fleet.AMIRelease{out("1.36.2-20261101", 19), out("1.36.2-20261108", 12), out("1.36.2-20261115", 5)}
	s.r.MinReleaseAge = 10 * day
	s.k.Images.Value = weekly[2:]
	if got := show(s.judge()); got != "" {
		t.Errorf("by the newest alone: %q, want that there is nothing to do yet", got)
	}
	s.k.Images.Value = nodefreshness.WithOlder(weekly[2:], weekly)
	if got, want := show(s.judge()), "release -> 1.36 1.36.2-20261108 template 4"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.g.Release = "1.36.2-20261108"
	if got := show(s.judge()); got != "" {
		t.Errorf("with that release: %q, want that there is nothing to do", got)
	}
}

func TestAReleaseThatWasWithdrawnIsNotGoneTo(t *testing.T) {
	back := out("1.36.2-20261101", 1)
	all := nodefreshness.WithOlder([]fleet.AMIRelease{back}, []fleet.AMIRelease{out("1.36.2-20261101", 19), out("1.36.2-20261108", 12)})
	if !slices.Equal(all, []fleet.AMIRelease{out("1.36.2-20261101", 19)}) {
		t.Errorf("known are %+v, want only %s, and as old as it is: AWS has gone back to it", all, back.Release)
	}
}
