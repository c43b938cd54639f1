package rollout_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

func TestStatusShowsWhereARolloutStands(t *testing.T) {
	now := evening.Add(3*time.Hour + 20*time.Minute)
	var page strings.Builder
	for _, c := range []struct {
		name   string
		change func(*rollout.Rollout, []rollout.Progress)
	}{
		{"running", func(r *rollout.Rollout, p []rollout.Progress) {
			r.Approved = evening
			p[0].Steps[2].Open = evening.Add(3 * time.Hour)
		}},
		{"running, and a gate is shut", func(r *rollout.Rollout, p []rollout.Progress) {
			r.Approved, p[0].Steps[2].Why = evening, "1 node is not Ready:\tnode-1."
		}},
		{"waiting for a calendar", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.Members[2].Tries, r.Members[2].Waiting, r.Members[2].NotBefore = 4, "The change calendar changes is closed.", now.Add(time.Hour)
			r.Approved = evening
		}},
		{"waiting for a person", func(r *rollout.Rollout, p []rollout.Progress) {
			r.Members[2].Done, r.Members[2].Busy = 0, 0
			for i := range p[0].Steps {
				p[0].Steps[i] = rollout.StepState{Phase: rollout.Waiting}
			}
		}},
		{"paused", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By, r.Why = rollout.Paused, "bob", "the shop is on sale"
		}},
		{"FAULT 15 halted by a drain", failed},
		{"completed", func(r *rollout.Rollout, p []rollout.Progress) {
			r.State, r.Wave, r.Ended = rollout.Completed, 3, evening.Add(3*time.Hour)
			for i := range r.Members {
				r.Members[i].Done, r.Members[i].Busy = r.Members[i].Groups, 0
			}
			for i := range p[0].Steps {
				p[0].Steps[i].Phase = rollout.Done
			}
		}},
		{"aborted", func(r *rollout.Rollout, _ []rollout.Progress) {
			r.State, r.By, r.Why, r.Ended = rollout.Aborted, "bob", "the image is bad", evening.Add(time.Hour)
		}},
	} {
		r, all := begun()
		c.change(&r, all)
		fmt.Fprintf(&page, "== %s ==\n", c.name)
		if err := rollout.Status(&page, r, all, now); err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "status.txt", page.String())

	broken := errors.New("broken pipe")
	r, all := begun()
	if err := rollout.Status(failing{broken}, r, all, now); !errors.Is(err, broken) {
		t.Errorf("the error of the writer is lost: %v", err)
	}
}

func TestStatusShowsThePlanThatAPersonIsAskedAbout(t *testing.T) {
	r, all := rollout.Begin(rollout.Make(sample(), waves, evening), "", evening)
	var page strings.Builder
	if err := rollout.Status(&page, r, all, evening); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "status-planned.txt", page.String())
}

func TestStatusOfALargeFleetShowsWhatIsNextAndCountsTheRest(t *testing.T) {
	var plan rollout.Plan
	for _, wave := range []string{"dev", "prod"} {
		w := rollout.Wave{Name: wave}
		for i := range 15 {
			w.Clusters = append(w.Clusters, rollout.ClusterPlan{
				ID:    fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: fmt.Sprintf("%s-%02d", wave, i)},
				Mode:  rollout.Enforce,
				Steps: []rollout.Step{{Group: "blue"}, {Group: "green"}},
			})
		}
		plan.Waves = append(plan.Waves, w)
	}
	r, all := rollout.Begin(plan, "", evening)
	r.Skip = []string{"dev-00/green", "prod-14/blue"}
	planned := func() (first, last string, rows int, rest string) {
		var page strings.Builder
		if err := rollout.Status(&page, r, all, evening); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(page.String()) {
			cells := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "Planned and not shown: "):
				rest = strings.TrimSpace(line)
			case len(cells) > 4 && cells[3] == "enforce":
				last = cells[1] + "/" + cells[4]
				first = cmp.Or(first, last)
				rows++
			}
		}
		return first, last, rows, rest
	}
	rest := ". To see all: steward rollout status " + r.ID + " --output json."
	if first, last, rows, said := planned(); first != "dev-00/blue" || last != "dev-10/blue" || rows != 20 || said != "Planned and not shown: 38 nodegroups"+rest {
		t.Errorf("%d rows from %s to %s, and %q", rows, first, last, said)
	}
	for i := range 15 { // the first wave is over, and one cluster of the second could not be read
		all[i].Steps[0].Phase, all[i].Steps[1].Phase = rollout.Done, rollout.LeftOut
	}
	all = slices.Delete(all, 15, 16)
	if first, last, rows, said := planned(); first != "prod-01/blue" || last != "prod-10/green" || rows != 20 || said != "Planned and not shown: 9 nodegroups"+rest {
		t.Errorf("%d rows from %s to %s, and %q", rows, first, last, said)
	}
	r.Ended = evening
	if _, _, rows, said := planned(); rows != 0 || said != "" {
		t.Errorf("what has ended plans %d groups, and %q", rows, said)
	}
}
