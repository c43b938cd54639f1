package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A Command is what a person wants of a rollout.
type Command struct {
	Verb Verb
	By   string
	Why  string
	// Skip are groups to leave out, as cluster/group, or account/region/cluster/group
	// where clusters share a name. Resume takes them.
	Skip []string
	// Group is the one that Retry means, in the same form.
	Group string
}

// Verb is the kind of a Command.
type Verb string

// The verbs.
const (
	// Pause begins nothing any more. What is under way goes on: EKS cannot stop it.
	Pause Verb = "pause"
	// Resume goes on with a rollout that is paused or halted, and tries every group
	// again that failed.
	Resume Verb = "resume"
	// Abort ends the rollout for good.
	Abort Verb = "abort"
	// Retry tries one group of a halted rollout again, and begins nothing else
	// meanwhile. If it goes well and no other failed, the rollout goes on.
	Retry Verb = "retry"
)

// Obey has the rollout do what a person wants. A command that was obeyed before is
// no error; the error is one sentence that says why this one cannot be.
func (r *Rollout) Obey(c Command, now time.Time) error {
	if r.over() {
		if c.Verb == Abort && r.State == Aborted {
			return nil
		}
		return fmt.Errorf("the rollout %s is %s and cannot be changed any more: start another one", r.ID, r.State)
	}
	switch c.Verb {
	case Pause:
		return r.pause(c)
	case Resume:
		return r.resume(c, now)
	case Retry:
		return r.retry(c, now)
	case Abort:
		r.State, r.Why, r.By, r.Ended = Aborted, c.Why, c.By, now
		return nil
	}
	return fmt.Errorf("%q is nothing that a rollout can do: want %s, %s, %s or %s", fleet.Clip(string(c.Verb), 40), Pause, Resume, Abort, Retry)
}

// Approve notes that a person approved the plan of the rollout.
func (r *Rollout) Approve(plan string, at time.Time) error {
	if r.over() || r.Plan != plan {
		return fmt.Errorf("the approval is not for the plan of the rollout %s, which is %s: approve the plan that it asks for", r.ID, r.State)
	}
	if r.Approved.IsZero() {
		r.Approved = at
		r.hurry()
	}
	return nil
}

// hurry has every cluster tried at the next occasion.
func (r *Rollout) hurry() {
	for i := range r.Members {
		r.Members[i].NotBefore, r.Members[i].Tries = time.Time{}, 0
	}
}

func (r Rollout) over() bool { return r.State == Completed || r.State == Aborted }

// Begun reports whether anything has become of a group.
func (r Rollout) Begun() bool {
	return slices.ContainsFunc(r.Members, func(m Member) bool { return begun(m) > 0 })
}

func (r *Rollout) pause(c Command) error {
	switch r.State {
	case Paused:
		return nil
	case Halted:
		return errors.New("the rollout has halted and begins nothing: resume or abort it")
	}
	r.State, r.Why, r.By = Paused, c.Why, c.By
	return nil
}

func (r *Rollout) resume(c Command, now time.Time) error {
	for _, name := range c.Skip {
		if err := r.member(name); err != nil {
			return err
		}
	}
	if r.State == Running && r.Only == "" && !slices.ContainsFunc(c.Skip, func(s string) bool { return !slices.Contains(r.Skip, s) }) {
		return nil
	}
	for _, name := range c.Skip {
		if !slices.Contains(r.Skip, name) {
			r.Skip = append(r.Skip, name)
		}
	}
	r.goOn(c, "", now)
	return nil
}

func (r *Rollout) retry(c Command, now time.Time) error {
	if err := r.member(c.Group); err != nil {
		return err
	}
	switch {
	case r.State == Running && r.Only == c.Group:
		return nil
	case r.State != Halted:
		return fmt.Errorf("the rollout is %s, and a group is tried again only when it has halted", r.State)
	}
	failed := func(m Member) bool { return names(c.Group, m.ID, "") && m.Failed+m.Busy > 0 }
	if !slices.ContainsFunc(r.Members, failed) {
		return fmt.Errorf("no group of the cluster of %s has failed", c.Group)
	}
	r.goOn(c, c.Group, now)
	return nil
}

// goOn lets the rollout run again, at once where it was waiting.
func (r *Rollout) goOn(c Command, only string, now time.Time) {
	r.State, r.Why, r.By, r.Only, r.Resumed = Running, c.Why, c.By, only, now
	r.hurry()
}

// member checks that a person's name for a group means one cluster of the rollout.
func (r Rollout) member(name string) error {
	if n := strings.Count(name, "/"); n != 1 && n != 3 {
		return fmt.Errorf("%q does not name a group: want cluster/group, or account/region/cluster/group", fleet.Clip(name, 250))
	}
	found := 0
	for _, m := range r.Members {
		if names(name, m.ID, "") {
			found++
		}
	}
	switch found {
	case 0:
		return fmt.Errorf("no cluster of the rollout is that of %s", fleet.Clip(name, 250))
	case 1:
		return nil
	}
	return fmt.Errorf("%d clusters of the rollout have the name in %s: want account/region/cluster/group", found, fleet.Clip(name, 250))
}
