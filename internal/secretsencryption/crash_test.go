package secretsencryption_test

import (
	"iter"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

// killed ends a worker in the middle of a step, as Lambda does: nothing that it
// would still do is done.
type killed struct{}

// A worker carries out the plan of the world, one step for each resume.
type worker struct {
	resume func() (struct{}, bool)
	kill   func()
	pause  func(struct{}) bool
	out    secretsencryption.Outcome
	err    error
}

func start(t *testing.T, w *world, d secretsencryption.Deps, approved time.Time) *worker {
	k := &worker{}
	o, now := order(w), w.now
	o.Approved = approved
	k.resume, k.kill = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != (killed{}) {
				panic(r)
			}
		}()
		k.pause = yield
		k.out, k.err = secretsencryption.Associate(t.Context(), d, target, o, now)
	})
	return k
}

// step runs a worker up to its next pause, or kills it there.
func (k *worker) step(w *world, kill bool) (running bool) {
	w.pause = func() {
		if !k.pause(struct{}{}) {
			w.pause = func() {} // deferred calls run on while it dies
			panic(killed{})
		}
	}
	if kill {
		k.kill()
		return false
	}
	_, running = k.resume()
	return running
}

// storm lets workers begin, run, cross each other and die at any step, in an
// order that is drawn. Time passes between them only: a worker does not outlive
// its deadline. It says how many steps one made while another was under way.
func storm(r *rapid.T, t *testing.T, w *world, d secretsencryption.Deps, see func(*worker)) (crossed int) {
	var alive []*worker
	defer func() {
		for _, k := range alive {
			k.step(w, true)
		}
		w.pause = func() {}
	}()
	for range rapid.IntRange(5, 60).Draw(r, "actions") {
		switch action := rapid.IntRange(0, 19).Draw(r, "action"); {
		case action == 0 && len(alive) == 0:
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 15).Draw(r, "minutes")) * time.Minute)
		case len(alive) == 0 || action <= 3 && len(alive) < 3:
			alive = append(alive, start(t, w, d, time.Time{}))
		default:
			if len(alive) > 1 {
				crossed++
			}
			i := rapid.IntRange(0, len(alive)-1).Draw(r, "worker")
			if !alive[i].step(w, action == 4) {
				see(alive[i])
				alive = slices.Delete(alive, i, i+1)
			}
		}
		w.now = w.now.Add(50 * time.Millisecond)
	}
	return crossed
}

// The number of orders of events that each property is held against: rapid draws
// 100 batches.
const perBatch = 10

func TestFault_20_ACrashAtAnyStepLeadsToExactlyOneAssociation(t *testing.T) {
	crashes, crossed := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		for range perBatch {
			w := newWorld()
			d, _ := deps(w)
			w.ends = rapid.SampledFrom([]string{"Successful", "Failed", "Cancelled"}).Draw(r, "end")
			w.forgets = rapid.Bool().Draw(r, "forgets") // then looking back has to do
			w.lax = !w.forgets
			crossed += storm(r, t, w, d, func(k *worker) {
				if k.out.Result == "" && k.err == nil {
					crashes++
				}
			})
			last := quiet(t, w, d)
			want := map[bool]secretsencryption.Result{true: secretsencryption.AlreadyDone, false: secretsencryption.Failed}[w.ends == "Successful"]
			if len(w.updates) != 1 || last.Result != want {
				r.Fatalf("%d associations and at last %+v, want one and %s; steps: %q", len(w.updates), last, want, w.seen)
			}
		}
	})
	if crashes == 0 || crossed == 0 {
		t.Errorf("%d crashes and %d steps of runs that crossed: the storm shows nothing", crashes, crossed)
	}
}

// cross has one run do all of its work between the reads and the intent of
// another.
func cross(t *testing.T, w *world, d secretsencryption.Deps) (fast, slow *worker) {
	t.Helper()
	slow = start(t, w, d, time.Time{})
	for !slices.Contains(w.seen, "key") {
		slow.step(w, false)
	}
	fast = start(t, w, d, time.Time{})
	for fast.step(w, false) {
		continue
	}
	for slow.step(w, false) {
		continue
	}
	w.pause = func() {}
	return fast, slow
}

func TestFault_22_OfTwoRunsTheSecondAdoptsWhatTheFirstBegan(t *testing.T) {
	w := newWorld()
	w.forgets, w.lax = true, true // nothing of EKS would stop the second
	d, _ := deps(w)
	fast, slow := cross(t, w, d)
	if w.calls != 1 || fast.out.Result != secretsencryption.Associating || slow.out != fast.out {
		t.Errorf("%d calls, %+v and %+v; want one call and one update for both", w.calls, fast.out, slow.out)
	}
}

// An attempt that another run made and ended between our look back and our own
// intent must not be followed by a second one.
func TestFault_32_ARunThatIsOvertakenMakesNoCall(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	w.answer = refusal(fleet.Refused, "eks:AssociateEncryptionConfig", "InvalidRequestException: no")
	fast, slow := cross(t, w, d)
	if w.calls != 1 || fast.out.Result != secretsencryption.Refused || slow.out.Cause != secretsencryption.Busy {
		t.Errorf("%d calls, %+v and %+v; want one call, refused, and the other run blocked as busy", w.calls, fast.out, slow.out)
	}
	w.answer = nil
	if last := quiet(t, w, d); last.Result != secretsencryption.Refused || w.calls != 1 {
		t.Errorf("at last %+v after %d calls, want no second one", last, w.calls)
	}
}

func TestFault_20_ACrashAtEachStepInTurn(t *testing.T) {
	steps := 0
	for at := 1; ; at++ {
		w := newWorld()
		w.lax = true // so that only what we know stops a second one
		d, _ := deps(w)
		k := start(t, w, d, time.Time{})
		running := true
		for i := 0; i < at && running; i++ {
			running = k.step(w, false)
		}
		if !running {
			break // it came to its end before it could be killed
		}
		k.step(w, true)
		w.pause = func() {}
		steps++
		if last := quiet(t, w, d); len(w.updates) != 1 || last.Result != secretsencryption.AlreadyDone {
			t.Errorf("killed at pause %d: %d associations and at last %+v; steps: %q", at, len(w.updates), last, w.seen)
		}
	}
	if steps != 14 { // before and after each of seven
		t.Errorf("the run was killed at %d places, want 14", steps)
	}
}

func TestFault_20_AnAnswerThatWasLostIsNoSecondCall(t *testing.T) {
	w := newWorld()
	d, _ := deps(w)
	w.lost = true
	if out, err := secretsencryption.Associate(t.Context(), d, target, order(w), w.now); err == nil {
		t.Errorf("%+v, want an error: nobody knows what EKS did", out)
	}
	w.lost = false
	if out := look(t, w, d, time.Time{}); out.Update != "update-1" || w.calls != 1 {
		t.Errorf("%+v after %d calls, want the update of the one call", out, w.calls)
	}
}

// quiet looks until there is nothing more to do, and then some.
func quiet(t *testing.T, w *world, d secretsencryption.Deps) (last secretsencryption.Outcome) {
	t.Helper()
	for range 10 {
		last = look(t, w, d, time.Time{})
		w.now = w.now.Add(duration)
	}
	return last
}

func TestFault_63_ARefusalNeverBecomesAnAssociation(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		for range perBatch {
			w := newWorld()
			d, _ := deps(w)
			w.answer = refusal(fleet.Refused, "eks:AssociateEncryptionConfig", "InvalidRequestException: no")
			storm(r, t, w, d, func(*worker) {})
			look(t, w, d, time.Time{}) // whoever died may have left its intent behind
			calls := w.calls
			if last := quiet(t, w, d); w.calls != calls || last.Result != secretsencryption.Refused && last.Result != secretsencryption.Failed {
				r.Fatalf("%d calls more once all is told, at last %+v; steps: %q", w.calls-calls, last, w.seen)
			}
		}
	})
}
