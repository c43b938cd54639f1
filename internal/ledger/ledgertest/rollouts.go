package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

const (
	first  = "20250330-0059-0123456789ab"
	second = "20250331-0059-0123456789ab"
)

func running(id string, started time.Time) rollout.Rollout {
	return rollout.Rollout{
		ID: id, Plan: plan, State: rollout.Running, Started: started, Waves: []string{"dev"},
		Members: []rollout.Member{{Target: target, ID: target.Cluster("blue"), Mode: rollout.Enforce, Groups: 2}},
	}
}

func progress(id, cluster string) rollout.Progress {
	return rollout.Progress{
		Rollout: id, Cluster: rollout.ClusterPlan{Target: target, ID: target.Cluster(cluster), Version: "1.36", Steps: []rollout.Step{{Group: "batch"}}},
		Steps: []rollout.StepState{{Phase: rollout.Waiting}},
	}
}

// end completes the active rollout and says whether the bus has heard of it.
func end(t *testing.T, l *ledger.Ledger, id string, at time.Time, told bool) {
	t.Helper()
	_, err := l.ReviseRollout(t.Context(), id, func(r *rollout.Rollout) error {
		r.State, r.Ended = rollout.Completed, at
		if told {
			r.Told = rollout.Completed
		}
		return nil
	})
	ok(t, err)
}

// ids are those of the rollouts, the newest first.
func ids(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	all, err := l.Rollouts(t.Context())
	ok(t, err)
	var out []string
	for _, r := range all {
		out = append(out, r.ID+" "+string(r.State))
	}
	return strings.Join(out, ", ")
}

func rolloutLife(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	_, err := l.ActiveRollout(t.Context())
	fails(t, "the active one of none", err, ledger.ErrAbsent)
	_, err = l.Rollout(t.Context(), first)
	fails(t, "one that nobody started", err, ledger.ErrAbsent)
	r := running(first, clock.at)
	ok(t, l.StartRollout(t.Context(), r, []rollout.Progress{progress(first, "blue")}))
	ok(t, l.StartRollout(t.Context(), r, []rollout.Progress{progress(first, "blue")}))
	for what, read := range map[string]func() (rollout.Rollout, error){
		"active": func() (rollout.Rollout, error) { return l.ActiveRollout(t.Context()) },
		"by id":  func() (rollout.Rollout, error) { return l.Rollout(t.Context(), first) },
	} {
		got, err := read()
		ok(t, err)
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got %+v, want %+v", what, got, r)
		}
	}
	err = l.StartRollout(t.Context(), running(second, clock.at), []rollout.Progress{progress(second, "blue")})
	fails(t, "start another one", err, ledger.ErrConflict)
	if !strings.Contains(err.Error(), first+" is running") {
		t.Errorf("%q does not name the active one", err)
	}
	_, err = l.RolloutProgress(t.Context(), second, target.Cluster("blue"))
	fails(t, "progress of what was refused", err, ledger.ErrAbsent)
	_, err = l.ReviseRollout(t.Context(), second, func(*rollout.Rollout) error { t.Error("revised another one"); return nil })
	fails(t, "revise another one", err, ledger.ErrAbsent)

	clock.forward(time.Hour)
	end(t, l, first, clock.at, false)
	untold, err := l.ActiveRollout(t.Context())
	ok(t, err) // the bus has yet to hear of it
	same(t, "state", untold.State, rollout.Completed)
	end(t, l, first, clock.at, true)
	_, err = l.ActiveRollout(t.Context())
	fails(t, "the active one when it has ended", err, ledger.ErrAbsent)
	_, err = l.ReviseRollout(t.Context(), first, func(*rollout.Rollout) error { return nil })
	fails(t, "revise what has ended", err, ledger.ErrAbsent)
	same(t, "rollouts", ids(t, l), first+" completed")
	err = l.StartRollout(t.Context(), r, nil)
	fails(t, "start again what has ended", err, ledger.ErrConflict)

	clock.forward(24 * time.Hour)
	ok(t, l.StartRollout(t.Context(), running(second, clock.at), nil))
	same(t, "rollouts", ids(t, l), second+" running, "+first+" completed")
	clock.forward(400 * 24 * time.Hour)
	same(t, "rollouts after 400 days", ids(t, l), second+" running")
	_, err = l.RolloutProgress(t.Context(), first, target.Cluster("blue"))
	fails(t, "progress after 400 days", err, ledger.ErrAbsent)
}

func rolloutRevised(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	ok(t, l.StartRollout(t.Context(), running(first, clock.at), []rollout.Progress{progress(first, "green"), progress(first, "blue")}))
	version := func() int64 {
		t.Helper()
		r, err := s.Read(t.Context(), key("rollout", "active"))
		ok(t, err)
		return r.Version
	}
	same(t, "version", version(), 1)
	no := errors.New("no")
	_, err := l.ReviseRollout(t.Context(), first, func(r *rollout.Rollout) error { r.State = rollout.Aborted; return no })
	fails(t, "a change that fails", err, no)
	_, err = l.ReviseRollout(t.Context(), first, func(*rollout.Rollout) error { return nil })
	ok(t, err)
	same(t, "version after changes of nothing", version(), 1)
	paused, err := l.ReviseRollout(t.Context(), first, func(r *rollout.Rollout) error {
		r.State, r.Members[0].Done = rollout.Paused, 1
		return nil
	})
	ok(t, err)
	active, err := l.ActiveRollout(t.Context())
	ok(t, err)
	if !reflect.DeepEqual(active, paused) || active.State != rollout.Paused || active.Members[0].Done != 1 || version() != 2 {
		t.Errorf("version %d is %+v, told %+v", version(), active, paused)
	}

	blue := target.Cluster("blue")
	updating, err := l.ReviseProgress(t.Context(), first, blue, func(p *rollout.Progress) error {
		p.Steps[0].Phase = rollout.Updating
		return nil
	})
	ok(t, err)
	known, err := l.RolloutProgress(t.Context(), first, blue)
	ok(t, err)
	if !reflect.DeepEqual(known, updating) || known.Steps[0].Phase != rollout.Updating {
		t.Errorf("is %+v, told %+v", known, updating)
	}
	_, err = l.ReviseProgress(t.Context(), first, target.Cluster("red"), func(*rollout.Progress) error { return nil })
	fails(t, "progress of a cluster that is no member", err, ledger.ErrAbsent)
	ok(t, l.StartRollout(t.Context(), running(first, clock.at), []rollout.Progress{progress(first, "blue")}))
	all, err := l.AllProgress(t.Context(), first)
	ok(t, err)
	if want := []rollout.Progress{updating, progress(first, "green")}; !reflect.DeepEqual(all, want) {
		t.Errorf("all progress is %+v, want %+v", all, want)
	}
}

func rolloutsRace(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	var (
		race    sync.WaitGroup
		mu      sync.Mutex
		started []string
	)
	for n := range 6 {
		race.Go(func() {
			id := fmt.Sprintf("20250330-%04d-0123456789ab", n)
			err := l.StartRollout(t.Context(), running(id, clock.at), []rollout.Progress{progress(id, "blue")})
			switch {
			case err == nil:
				mu.Lock()
				started = append(started, id)
				mu.Unlock()
			case !errors.Is(err, ledger.ErrConflict):
				t.Error(err)
			}
		})
	}
	race.Wait()
	same(t, "rollouts that started", len(started), 1)
	same(t, "rollouts", ids(t, l), started[0]+" running")

	winner, revised := started[0], 0
	for range 8 { // a few of them lose every race and say so
		race.Go(func() {
			_, err := l.ReviseRollout(t.Context(), winner, func(r *rollout.Rollout) error { r.Members[0].Tries++; return nil })
			switch {
			case err == nil:
				mu.Lock()
				revised++
				mu.Unlock()
			case !errors.Is(err, ledger.ErrConflict):
				t.Error(err)
			}
		})
	}
	race.Wait()
	r, err := l.ActiveRollout(t.Context())
	ok(t, err)
	same(t, "changes that are in the record", r.Members[0].Tries, revised)
}

// largeFleet is what the largest plan makes of a header: it has to fit an item.
func largeFleet(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	r := running(first, clock.at)
	r.Members = nil
	for n := range 2000 {
		at := fleet.Target{Account: fmt.Sprintf("%012d", 111122220000+n/7), Region: "ap-southeast-1"}
		at.Role = "arn:aws:iam::" + at.Account + ":role/platform/eks-steward/steward-reader"
		r.Members = append(r.Members, rollout.Member{
			Target: at, ID: at.Cluster(fmt.Sprintf("%s-%04d", strings.Repeat("long-name-", 9), n)), Groups: 30, Done: n % 30,
			NotBefore: clock.at.Add(time.Duration(n) * time.Second), Waiting: fmt.Sprintf("only %d free addresses are left in the subnets of the group, and the surge may take 30", n%30),
		})
	}
	ok(t, l.StartRollout(t.Context(), r, nil))
	got, err := l.ActiveRollout(t.Context())
	ok(t, err)
	if !reflect.DeepEqual(got, r) {
		t.Error("a large rollout does not come back as it was")
	}
}

func knownTargets(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	here, there, gone := target, target, target
	there.Region, there.Role = "us-east-1", "arn:aws:iam::444455556666:role/reader"
	gone.Region = "us-east-1"
	only := func(some ...fleet.Target) []fleet.Target { return some }
	want := func(all, fresh, left []fleet.Target) {
		t.Helper()
		gotFresh, gotLeft, err := l.CompareTargets(t.Context(), all)
		ok(t, err)
		if !slices.Equal(gotFresh, fresh) || !slices.Equal(gotLeft, left) {
			t.Errorf("new are %v and left %v, want %v and %v", gotFresh, gotLeft, fresh, left)
		}
	}
	version := func() int64 {
		t.Helper()
		r, err := s.Read(t.Context(), key("target", "known"))
		ok(t, err)
		return r.Version
	}
	want(only(here, there), only(here, there), nil)
	for range 2 {
		ok(t, l.KnowTargets(t.Context(), only(here)))
		want(only(here, there), only(there), nil)
		same(t, "writes", version(), 1)
	}
	ok(t, l.KnowTargets(t.Context(), only(there)))
	ok(t, l.KnowTargets(t.Context(), only(there, here)))
	same(t, "writes", version(), 2)
	want(only(here, there), nil, nil)
	want(only(here), nil, only(gone))
	for range 2 {
		ok(t, l.ForgetTargets(t.Context(), only(gone)))
		want(only(here, there), only(there), nil)
		same(t, "writes", version(), 3)
	}
	want(nil, nil, only(here))
}

func amiReleases(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	release := func(name string) fleet.AMIRelease {
		return fleet.AMIRelease{AMIType: "AL2023_x86_64_STANDARD", Version: "1.36", Release: name, Published: clock.now()}
	}
	want := func(region string, want ...fleet.AMIRelease) {
		t.Helper()
		got, err := l.Releases(t.Context(), region)
		ok(t, err)
		if !slices.EqualFunc(got, want, fleet.AMIRelease.Equal) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	want("eu-west-1")
	ok(t, l.NoteReleases(t.Context(), "eu-west-1", nil))
	want("eu-west-1")
	older := release("1.36.2-20261101")
	ok(t, l.NoteReleases(t.Context(), "eu-west-1", []fleet.AMIRelease{older}))
	clock.forward(7 * 24 * time.Hour)
	newer := release("1.36.2-20261108")
	for range 2 {
		ok(t, l.NoteReleases(t.Context(), "eu-west-1", []fleet.AMIRelease{newer}))
		want("eu-west-1", older, newer)
	}
	want("us-east-1")
}

func usualDurations(t *testing.T, s ledger.Store) {
	const day = 24 * time.Hour
	l, clock := ledgerAt(s)
	blue := target.Cluster("blue")
	note := func(group string, took time.Duration) {
		t.Helper()
		ok(t, l.NoteDuration(t.Context(), blue, group, took))
	}
	want := func(want map[string]time.Duration) {
		t.Helper()
		got, err := l.UsualDurations(t.Context(), blue)
		ok(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	want(map[string]time.Duration{})
	note("batch", 20*time.Minute)
	note("web", time.Hour)
	note("web", 0)
	note("web", -time.Minute)
	want(map[string]time.Duration{"batch": 20 * time.Minute, "web": time.Hour})
	clock.forward(200 * day)
	note("batch", 40*time.Minute)
	want(map[string]time.Duration{"batch": 30 * time.Minute, "web": time.Hour})
	note("batch", 50*time.Minute)
	want(map[string]time.Duration{"batch": 40 * time.Minute, "web": time.Hour})
	other, err := l.UsualDurations(t.Context(), target.Cluster("green"))
	ok(t, err)
	same(t, "groups of another cluster", len(other), 0)
	clock.forward(165 * day)
	want(map[string]time.Duration{"batch": 40 * time.Minute})
	clock.forward(200 * day)
	want(map[string]time.Duration{})
	note("web", 2*time.Hour)
	want(map[string]time.Duration{"web": 2 * time.Hour})
}
