package rollout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
