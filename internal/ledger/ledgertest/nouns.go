package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

var ledgerClauses = []clause{
	{"an incident goes from the outbox to the untold and is settled", incidentLife},
	{"58: an incident that nobody published is found by the next process", outboxSurvives},
	{"a settled incident is looked at again when it is time, or when its numbers moved", incidentLook},
	{"52: numbers that move while an incident is told are not settled with it", settledOnlyAsRead},
	{"a route is told the newest, and reminded once more", toldNewest},
	{"a route had its digest of the newest day", digestDays},
	{"an observation with the same numbers is not written", sameNumbersNotWritten},
	{"that an incident looks the same is written once in an hour, and is no reason to look at its message", sameNumbersHourly},
	{"a late pass does not resolve what a look after it found unchanged", lookOvertaken},
	{"32: racing observations lose no revision", observationsRace},
	{"open incidents are those of one target, of all checks", openIncidents},
	{"an incident that is over and settled expires after 90 days", incidentExpires},
	{"34: a lease that ended is taken over and its old holder cannot release it", leaseTakenOver},
	{"35: of two overlapping runs one holds the lease and the other is told who", leaseHeld},
	{"a follow-up is scheduled once, at the earlier time", followUpOnce},
	{"32: of many dispatchers one sends a follow-up", followUpSentOnce},
	{"a watch list is replaced, left alone or dropped", watchLists},
	{"a notice is replaced by its update, withdrawn, or forgotten a month after its end", notices},
	{"the accepted configuration comes back, small or large", configuration},
	{"a version of the configuration that another release wrote is replaced, and one's own is not written twice", configurationOfAnotherRelease},
	{"20: an unsettled intent is resumed with its token", intents},
	{"an approval is given once, with the right button", approvalOnce},
	{"an approval that expired is asked for anew", approvalExpires},
	{"57: an approval that is void is worth nothing", approvalVoid},
	{"32: of many clicks one gives the approval", approvalsRace},
	{"a plan is found by the beginning of its hash", plansByTheirBeginning},
	{"a key is known by the clusters that use it", keyUses},
	{"a rollout is active until the bus has heard of its end, and is remembered for 400 days", rolloutLife},
	{"a rollout and its progress are changed in place, or left alone", rolloutRevised},
	{"32: of many rollouts one starts, and no change of it is lost", rolloutsRace},
	{"a rollout of 2,000 clusters fits a record", largeFleet},
	{"how long an update takes is learned, and forgotten after a year", usualDurations},
	{"AMI releases are remembered region by region", amiReleases},
	{"a target is new until it was looked at, and when it comes back after it was forgotten", knownTargets},
}

func incidentLife(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	opened := observe(t, l, finding("blue", fleet.Fail, fleet.Warning), incident.WasOpened)
	same(t, "revision", opened.Revision, 1)
	id := opened.ID()
	queues(t, l, 1, 0)

	ok(t, l.Published(t.Context(), id, 1))
	queues(t, l, 0, 1)
	ok(t, l.Told(t.Context(), id, "slack", incident.Told{Revision: 1, State: incident.Open, Fingerprint: "f", At: start}))
	queues(t, l, 0, 1)
	ok(t, l.Settle(t.Context(), opened, time.Time{}))
	queues(t, l, 0, 0)

	clock.forward(time.Hour)
	observe(t, l, finding("blue", fleet.Fail, fleet.Critical), incident.WasChanged)
	queues(t, l, 1, 0)
	ok(t, l.Published(t.Context(), id, 1)) // late, about the revision before
	queues(t, l, 1, 0)
	resolved := observe(t, l, finding("blue", fleet.Pass, fleet.Info), incident.WasResolved)
	same(t, "revision", resolved.Revision, 3)
	ok(t, told(t.Context(), l, resolved))
	queues(t, l, 0, 0)
	ok(t, l.Told(t.Context(), id, "slack", incident.Told{Revision: 2, Fingerprint: "late"}))

	read, err := l.Incident(t.Context(), id)
	ok(t, err)
	same(t, "worst", read.Worst, fleet.Critical)
	same(t, "what slack heard last", read.Told["slack"].Revision, 3)
	unborn := read
	unborn.Revision = 4
	for what, err := range map[string]error{
		"publish": l.Published(t.Context(), id, 4),
		"tell":    l.Told(t.Context(), id, "sns", incident.Told{Revision: 4}),
		"settle":  l.Settle(t.Context(), unborn, time.Time{}),
	} {
		if err == nil {
			t.Errorf("%s a revision that does not exist: got no error", what)
		}
	}
	_, err = l.Incident(t.Context(), incident.ID(finding("green", fleet.Fail, fleet.Info)))
	fails(t, "an incident nobody opened", err, ledger.ErrAbsent)
}

func incidentLook(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	seen := observe(t, l, finding("blue", fleet.Fail, fleet.Warning), incident.WasOpened)
	id := seen.ID()
	ok(t, l.Published(t.Context(), id, 1))
	ok(t, l.Told(t.Context(), id, "slack/C1", incident.Told{Revision: 1, At: clock.now(), Receipt: "C1/1"}))
	ok(t, l.Settle(t.Context(), seen, clock.now().Add(24*time.Hour)))
	queues(t, l, 0, 0)
	clock.forward(24 * time.Hour)
	queues(t, l, 0, 1)
	ok(t, l.Settle(t.Context(), seen, time.Time{}))
	queues(t, l, 0, 0)

	ok(t, l.Told(t.Context(), id, "slack/C1", incident.Told{Revision: 1, At: clock.now(), Receipt: "C1/1"}))
	moved := finding("blue", fleet.Fail, fleet.Warning)
	moved.At, moved.Observed = clock.now(), "other numbers"
	observe(t, l, moved, incident.Refreshed)
	queues(t, l, 0, 0)
	clock.forward(time.Hour)
	queues(t, l, 0, 1)
}

func settledOnlyAsRead(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	f := finding("blue", fleet.Fail, fleet.Warning)
	f.At, f.Progress = clock.now(), &fleet.Progress{Done: 1, Total: 3}
	seen := observe(t, l, f, incident.WasOpened)
	ok(t, l.Published(t.Context(), seen.ID(), 1))
	ok(t, l.Told(t.Context(), seen.ID(), "slack/C1", incident.Told{Revision: 1, At: clock.now(), Receipt: "C1/1"}))
	clock.forward(time.Second)
	f.At, f.Progress = clock.now(), &fleet.Progress{Done: 2, Total: 3}
	observe(t, l, f, incident.Refreshed)
	ok(t, l.Settle(t.Context(), seen, time.Time{}))
	clock.forward(time.Minute)
	queues(t, l, 0, 1)

	f.Severity = fleet.Critical
	f.At = clock.now()
	changed := observe(t, l, f, incident.WasChanged)
	ok(t, l.Published(t.Context(), seen.ID(), changed.Revision))
	ok(t, l.Settle(t.Context(), seen, clock.now().Add(time.Hour)))
	queues(t, l, 0, 1)
	ok(t, l.Settle(t.Context(), changed, time.Time{}))
	queues(t, l, 0, 0)
	ok(t, l.Settle(t.Context(), seen, time.Time{})) // late, about the revision before
	queues(t, l, 0, 0)
}

func toldNewest(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	id := observe(t, l, finding("blue", fleet.Fail, fleet.Warning), incident.WasOpened).ID()
	first := incident.Told{Revision: 1, At: clock.now(), Hash: "first"}
	again := first
	again.Reminded = clock.now().Add(24 * time.Hour)
	fresh := again
	fresh.Updated, fresh.Hash = clock.now().Add(25*time.Hour), "fresh"
	for _, step := range []struct{ told, want incident.Told }{
		{first, first}, {again, again}, {fresh, fresh}, {again, fresh}, {first, fresh},
	} {
		ok(t, l.Told(t.Context(), id, "slack", step.told))
		read, err := l.Incident(t.Context(), id)
		ok(t, err)
		same(t, "what was told last", read.Told["slack"], step.want)
	}
}

func digestDays(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	day := func(want string) {
		t.Helper()
		got, err := l.DigestDay(t.Context(), "slack/C1")
		ok(t, err)
		same(t, "the day of the last digest", got, want)
	}
	day("")
	ok(t, l.NoteDigest(t.Context(), "slack/C1", "2026-11-20"))
	ok(t, l.NoteDigest(t.Context(), "slack/C1", "2026-11-19"))
	ok(t, l.NoteDigest(t.Context(), "slack/C2", "2026-11-21"))
	day("2026-11-20")
}

func queues(t *testing.T, l *ledger.Ledger, unpublished, untold int) {
	t.Helper()
	u, err := l.Unpublished(t.Context())
	ok(t, err)
	same(t, "unpublished incidents", len(u), unpublished)
	u, err = l.Untold(t.Context())
	ok(t, err)
	same(t, "untold incidents", len(u), untold)
}

func outboxSurvives(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	observe(t, l, finding("blue", fleet.Fail, fleet.Critical), incident.WasOpened)
	clock.forward(time.Minute)
	observe(t, l, finding("green", fleet.Fail, fleet.Critical), incident.WasOpened)
	// Here the function dies. The resync after it sees nothing new in the state.
	next := ledger.New(s, clock.now)
	observe(t, next, finding("blue", fleet.Fail, fleet.Critical), incident.Quiet)
	left, err := next.Unpublished(t.Context())
	ok(t, err)
	if got, want := clusters(left), []string{"blue", "green"}; !slices.Equal(got, want) {
		t.Errorf("unpublished: got %q, want %q", got, want)
	}
}

func sameNumbersNotWritten(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	f := finding("blue", fleet.Fail, fleet.Warning)
	f.Facts = []fleet.Fact{}
	opened := observe(t, l, f, incident.WasOpened)
	clock.forward(time.Minute)
	f.At = clock.at
	again := observe(t, l, f, incident.Quiet)
	same(t, "is the incident as it was opened", again.Changed.Equal(opened.Changed) && again.Finding.At.Equal(start), true)
	f.Observed = "7.2 GB"
	observe(t, l, f, incident.Refreshed)
	read, err := l.Incident(t.Context(), opened.ID())
	ok(t, err)
	same(t, "observed", read.Finding.Observed, "7.2 GB")
	same(t, "revision", read.Revision, 1)
	observe(t, l, finding("green", fleet.Pass, fleet.Info), incident.Quiet)
	same(t, "records", len(sorts(t, s.Range(t.Context(), "incident#111122223333/eu-west-1", ""))), 1)
}

func sameNumbersHourly(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	f := finding("blue", fleet.Fail, fleet.Warning)
	opened := observe(t, l, f, incident.WasOpened)
	ok(t, l.Published(t.Context(), opened.ID(), 1))
	ok(t, l.Told(t.Context(), opened.ID(), "slack/C1", incident.Told{Revision: 1, At: start, Receipt: "C1/1"}))
	ok(t, l.Settle(t.Context(), opened, time.Time{}))
	version := func() int64 {
		t.Helper()
		r, err := s.Read(t.Context(), key("incident#111122223333/eu-west-1", "blue/etcd-size/"))
		ok(t, err)
		return r.Version
	}
	settled := version()
	for range 35 { // every five minutes
		clock.forward(5 * time.Minute)
		f.At = clock.at
		_, _, err := l.Observe(t.Context(), f)
		ok(t, err)
	}
	same(t, "writes in 2 h 55 min", version()-settled, 2)
	read, err := l.Incident(t.Context(), opened.ID())
	ok(t, err)
	same(t, "recorded look", read.Finding.At.UTC(), start.Add(2*time.Hour))
	queues(t, l, 0, 0)
}

func lookOvertaken(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	at := func(f fleet.Finding, after time.Duration) fleet.Finding { f.At = start.Add(after); return f }
	fail, pass := finding("blue", fleet.Fail, fleet.Critical), finding("blue", fleet.Pass, fleet.Info)
	observe(t, l, fail, incident.WasOpened)
	clock.forward(10 * time.Minute)
	observe(t, l, at(fail, 10*time.Minute), incident.Quiet)
	clock.forward(time.Second)
	observe(t, l, at(pass, 5*time.Minute), incident.Quiet)
	clock.forward(5 * time.Minute)
	observe(t, l, at(pass, 15*time.Minute), incident.WasResolved)
}

func observationsRace(t *testing.T, s ledger.Store) {
	const observers, each = 6, 8
	l, _ := ledgerAt(s)
	var (
		race      sync.WaitGroup
		mu        sync.Mutex
		revisions []int
	)
	for range observers {
		race.Go(func() {
			for range each {
				f := finding("blue", []fleet.Outcome{fleet.Pass, fleet.Fail}[rand.IntN(2)], fleet.Warning)
				i, transition, err := l.Observe(t.Context(), f)
				switch {
				case err != nil && !errors.Is(err, ledger.ErrConflict):
					t.Error(err)
				case err == nil && transition.News():
					mu.Lock()
					revisions = append(revisions, i.Revision)
					mu.Unlock()
				}
			}
		})
	}
	race.Wait()
	slices.Sort(revisions)
	for n, revision := range revisions {
		same(t, "revisions told to their observers, in order", revision, n+1)
	}
	last, err := l.Incident(t.Context(), incident.ID(finding("blue", fleet.Fail, fleet.Warning)))
	ok(t, err)
	same(t, "last revision", last.Revision, len(revisions))
}

func openIncidents(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	elsewhere := finding("blue", fleet.Fail, fleet.Warning)
	elsewhere.Cluster.Region = "eu-west-10"
	whole := finding("", fleet.Unknown, fleet.Warning)
	whole.Check = "target-access"
	nodes := finding("blue", fleet.Fail, fleet.Warning)
	nodes.Check, nodes.Resource = "node-release", "nodegroup/größe/a"
	for _, f := range []fleet.Finding{finding("green", fleet.Fail, fleet.Info), finding("blue", fleet.Fail, fleet.Info), elsewhere, whole, nodes} {
		observe(t, l, f, incident.WasOpened)
	}
	observe(t, l, finding("green", fleet.Pass, fleet.Info), incident.WasResolved)
	open, err := l.OpenIncidents(t.Context(), target)
	ok(t, err)
	var got []string
	for _, i := range open {
		got = append(got, i.ID())
		read, err := l.Incident(t.Context(), i.ID())
		ok(t, err)
		if !reflect.DeepEqual(read, i) {
			t.Errorf("by id %+v, by target %+v", read, i)
		}
	}
	want := []string{
		"111122223333/eu-west-1//target-access/",
		"111122223333/eu-west-1/blue/etcd-size/",
		"111122223333/eu-west-1/blue/node-release/nodegroup/größe/a",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func incidentExpires(t *testing.T, s ledger.Store) {
	const quarter = 90 * 24 * time.Hour
	l, clock := ledgerAt(s)
	ok(t, told(t.Context(), l, observe(t, l, finding("open", fleet.Fail, fleet.Warning), incident.WasOpened)))
	observe(t, l, finding("untold", fleet.Fail, fleet.Warning), incident.WasOpened)
	observe(t, l, finding("untold", fleet.Pass, fleet.Info), incident.WasResolved)
	observe(t, l, finding("over", fleet.Fail, fleet.Warning), incident.WasOpened)
	over := observe(t, l, finding("over", fleet.Pass, fleet.Info), incident.WasResolved)
	ok(t, told(t.Context(), l, over))

	clock.forward(quarter - 2*time.Second) // expiry has whole seconds
	_, err := l.Incident(t.Context(), over.ID())
	ok(t, err)
	clock.forward(2 * time.Second)
	_, err = l.Incident(t.Context(), over.ID())
	fails(t, "the incident that is over", err, ledger.ErrAbsent)
	open, err := l.OpenIncidents(t.Context(), target)
	ok(t, err)
	same(t, "open incidents", strings.Join(clusters(open), " "), "open")
	left, err := l.Unpublished(t.Context())
	ok(t, err)
	same(t, "unpublished incidents", strings.Join(clusters(left), " "), "untold")

	again := observe(t, l, finding("over", fleet.Fail, fleet.Warning), incident.WasOpened)
	same(t, "revision of an incident opened anew", again.Revision, 1)
	clock.forward(quarter)
	_, err = l.Incident(t.Context(), over.ID())
	ok(t, err)
}

func leaseTakenOver(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	dead, err := l.Lease(t.Context(), "resync", "one", time.Minute)
	ok(t, err)
	clock.forward(time.Minute)
	second, err := l.Lease(t.Context(), "resync", "two", time.Minute)
	ok(t, err)
	ok(t, dead.Release(t.Context()))
	_, err = l.Lease(t.Context(), "resync", "three", time.Minute)
	fails(t, "lease after the dead holder released it", err, ledger.ErrHeld)

	// Records count their versions anew after a release: a later lease of the
	// same holder is another one all the same.
	ok(t, second.Release(t.Context()))
	_, err = l.Lease(t.Context(), "resync", "one", time.Minute)
	ok(t, err)
	ok(t, dead.Release(t.Context()))
	_, err = l.Lease(t.Context(), "resync", "three", time.Minute)
	fails(t, "lease after an old lease was released", err, ledger.ErrHeld)

	clock.forward(30 * 24 * time.Hour)
	_, err = l.Lease(t.Context(), "resync", "three", time.Minute)
	ok(t, err)
}

func leaseHeld(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	const runs = 8
	var (
		race   sync.WaitGroup
		mu     sync.Mutex
		held   *ledger.Lease
		losers []error
	)
	for n := range runs {
		race.Go(func() {
			lease, err := l.Lease(t.Context(), "resync", fmt.Sprintf("run-%d", n), time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				losers = append(losers, err)
				return
			}
			held = lease
		})
	}
	race.Wait()
	same(t, "runs without the lease", len(losers), runs-1)
	for _, err := range losers {
		fails(t, "a run without the lease", err, ledger.ErrHeld)
		if !strings.Contains(err.Error(), held.Holder+" has it until 2025-03-30T01:00:30Z") {
			t.Errorf("%q does not say who holds the lease and until when", err)
		}
	}
	_, err := l.Lease(t.Context(), "resync", held.Holder, time.Minute)
	fails(t, "the holder once more, as when its message comes twice", err, ledger.ErrHeld)
	_, err = l.Lease(t.Context(), "another", "run-9", time.Minute)
	ok(t, err)
	ok(t, held.Release(t.Context()))
	ok(t, held.Release(t.Context()))
	_, err = l.Lease(t.Context(), "resync", "run-9", time.Minute)
	ok(t, err)
}

func followUpOnce(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	f := ledger.FollowUp{
		ID: "update/blue/7", Function: "secretsencryption", Message: json.RawMessage(`{"update":"7"}`),
		Next: start.Add(10 * time.Minute), GiveUp: start.Add(time.Hour),
	}
	ok(t, l.Schedule(t.Context(), f))
	later, sooner := f, f
	later.Next, later.Message = f.Next.Add(time.Hour), json.RawMessage(`"late"`)
	sooner.Next = start.Add(5 * time.Minute)
	ok(t, l.Schedule(t.Context(), later))
	ok(t, l.Schedule(t.Context(), sooner))

	due(t, l, 0)
	clock.forward(5 * time.Minute)
	found := due(t, l, 1)
	if !reflect.DeepEqual(found[0], sooner) {
		t.Errorf("got %+v, want %+v", found[0], sooner)
	}
	ok(t, l.Postpone(t.Context(), found[0], start.Add(20*time.Minute)))
	due(t, l, 0)
	clock.forward(time.Hour)
	same(t, "attempts", due(t, l, 1)[0].Attempt, 1)
	ok(t, l.Finish(t.Context(), f.ID))
	ok(t, l.Finish(t.Context(), f.ID))
	due(t, l, 0)
	fails(t, "postpone what is finished", l.Postpone(t.Context(), found[0], start), ledger.ErrConflict)
}

func due(t *testing.T, l *ledger.Ledger, want int) []ledger.FollowUp {
	t.Helper()
	found, err := l.DueFollowUps(t.Context())
	ok(t, err)
	same(t, "due follow-ups", len(found), want)
	return found
}

func followUpSentOnce(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	f := ledger.FollowUp{ID: "a", Function: "notify", Message: json.RawMessage(`{}`), Next: start}
	ok(t, l.Schedule(t.Context(), f))
	var (
		race sync.WaitGroup
		mu   sync.Mutex
		sent int
	)
	for range 8 {
		race.Go(func() {
			err := l.Postpone(t.Context(), f, start.Add(time.Minute))
			if err == nil {
				mu.Lock()
				sent++
				mu.Unlock()
			} else if !errors.Is(err, ledger.ErrConflict) {
				t.Error(err)
			}
		})
	}
	race.Wait()
	same(t, "dispatchers that may send", sent, 1)
}

func watchLists(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	other := fleet.Target{Account: "444455556666", Region: "us-east-1", Role: "arn:aws:iam::444455556666:role/steward-reader"}
	set := func(target fleet.Target, clusters ...string) {
		t.Helper()
		ok(t, l.SetWatchList(t.Context(), ledger.WatchList{Target: target, Clusters: clusters}))
	}
	version := func() int64 {
		t.Helper()
		r, err := s.Read(t.Context(), key("watch", "111122223333/eu-west-1"))
		ok(t, err)
		return r.Version
	}
	set(other, "red")
	set(target, "green", "blue", "green")
	set(target, "blue", "green")
	same(t, "version of a list set twice", version(), 1)
	set(target, "blue")
	same(t, "version of a list that changed", version(), 2)
	lists, err := l.WatchLists(t.Context())
	ok(t, err)
	want := []ledger.WatchList{{Target: target, Clusters: []string{"blue"}}, {Target: other, Clusters: []string{"red"}}}
	if !reflect.DeepEqual(lists, want) {
		t.Errorf("got %+v, want %+v", lists, want)
	}
	set(target)
	set(target)
	lists, err = l.WatchLists(t.Context())
	ok(t, err)
	same(t, "lists left", len(lists), 1)
}

func notices(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	prod, dev := target.Cluster("prod"), target.Cluster("dev")
	lifecycle := fleet.Notice{
		ID: "arn:aws:health:eu-west-1::event/EKS/AWS_EKS_PLANNED_LIFECYCLE_EVENT/1", TypeCode: "AWS_EKS_PLANNED_LIFECYCLE_EVENT",
		Start: start.Add(60 * 24 * time.Hour), Text: "Version 1.34 reaches the end of standard support.",
	}
	other := fleet.Notice{ID: "arn:aws:health:eu-west-1::event/EKS/AWS_EKS_OPERATIONAL_ISSUE/2", TypeCode: "AWS_EKS_OPERATIONAL_ISSUE", Start: start}
	want := func(by map[string][]fleet.Notice) {
		t.Helper()
		got, err := l.Notices(t.Context(), target)
		ok(t, err)
		if !reflect.DeepEqual(got, by) {
			t.Errorf("got %+v, want %+v", got, by)
		}
	}
	want(map[string][]fleet.Notice{})
	ok(t, l.Announce(t.Context(), prod, lifecycle))
	ok(t, l.Announce(t.Context(), dev, other))
	ok(t, l.Announce(t.Context(), fleet.ClusterID{Account: target.Account, Region: "us-east-1", Name: "prod"}, other))
	want(map[string][]fleet.Notice{"prod": {lifecycle}, "dev": {other}})

	record, err := s.Read(t.Context(), key("notice#111122223333/eu-west-1", "prod/"+lifecycle.ID))
	ok(t, err)
	same(t, "expiry", record.Expires.UTC(), lifecycle.Start.Add(30*24*time.Hour).Truncate(time.Second))
	ok(t, l.Announce(t.Context(), prod, lifecycle))
	again, err := s.Read(t.Context(), record.Key)
	ok(t, err)
	same(t, "version of a notice that came twice", again.Version, 1)

	moved := lifecycle
	moved.Start = start.Add(90 * 24 * time.Hour)
	ok(t, l.Announce(t.Context(), prod, moved))
	want(map[string][]fleet.Notice{"prod": {moved}, "dev": {other}})
	clock.forward(31 * 24 * time.Hour)
	want(map[string][]fleet.Notice{"prod": {moved}})
	ok(t, l.Withdraw(t.Context(), prod, moved.ID))
	ok(t, l.Withdraw(t.Context(), prod, moved.ID))
	want(map[string][]fleet.Notice{})
}

func configuration(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	_, err := l.AcceptedConfig(t.Context())
	fails(t, "before any was accepted", err, ledger.ErrAbsent)
	for n, text := range []string{`{"a":1}`, fmt.Sprintf("%q", strings.Repeat("cluster naïve ", 100_000)), `{}`} {
		a := ledger.AcceptedConfig{Version: fmt.Sprintf("v%d", n), At: start.Add(time.Duration(n) * time.Hour), JSON: json.RawMessage(text)}
		ok(t, l.AcceptConfig(t.Context(), a))
		ok(t, l.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "old", At: start.Add(-time.Hour), JSON: json.RawMessage(`1`)}))
		got, err := l.AcceptedConfig(t.Context())
		ok(t, err)
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("version v%d of %d bytes came back as %s of %d bytes", n, len(a.JSON), got.Version, len(got.JSON))
		}
	}
}

func configurationOfAnotherRelease(t *testing.T, s ledger.Store) {
	l, _ := ledgerAt(s)
	accept := func(after time.Duration, text string) {
		t.Helper()
		ok(t, l.AcceptConfig(t.Context(), ledger.AcceptedConfig{Version: "v1", At: start.Add(after), JSON: json.RawMessage(text)}))
	}
	record := func() ledger.Record {
		t.Helper()
		r, err := s.Read(t.Context(), key("configuration", "accepted"))
		ok(t, err)
		return r
	}
	large := fmt.Sprintf("%q", strings.Repeat("cluster naïve ", 100_000))
	for n, text := range []string{`{"theirs":1}`, `{"ours":1}`, large, fmt.Sprintf("%q", large)} {
		accept(time.Duration(n)*time.Hour, text)
		accept(time.Duration(n)*time.Hour+time.Minute, text)
		accept(-time.Hour, `"of a run that was slow"`)
		same(t, "writes", record().Version, int64(n+1))
		got, err := l.AcceptedConfig(t.Context())
		ok(t, err)
		same(t, "the text in force", string(got.JSON), text)
	}
}

func intents(t *testing.T, s ledger.Store) {
	l, clock := ledgerAt(s)
	begin := func(after, want int, resumed bool) ledger.Intent {
		t.Helper()
		i, again, err := l.Begin(t.Context(), "plan", "blue", after)
		ok(t, err)
		same(t, "attempt", i.Attempt, want)
		same(t, "resumed", again, resumed)
		return i
	}
	_, err := l.Intent(t.Context(), "plan", "blue")
	fails(t, "an attempt that nobody made", err, ledger.ErrAbsent)
	first := begin(0, 1, false)
	clock.forward(time.Hour)
	resumed := begin(0, 1, true)
	if !reflect.DeepEqual(resumed, first) {
		t.Errorf("resumed %+v, want %+v", resumed, first)
	}
	ok(t, l.SettleIntent(t.Context(), first, "failed"))
	ok(t, l.SettleIntent(t.Context(), first, "another answer"))
	settled, err := l.Intent(t.Context(), "plan", "blue")
	ok(t, err)
	same(t, "outcome of the last attempt", settled.Outcome, "failed")
	if late := begin(0, 1, true); late.Outcome != "failed" { // somebody else made it, and ended it
		t.Errorf("who knows of no attempt is given %+v, want the one that failed", late)
	}
	second := begin(1, 2, false)
	ok(t, l.SettleIntent(t.Context(), first, "late"))
	begin(1, 2, true)
	begin(2, 2, true)
	other, _, err := l.Begin(t.Context(), "plan", "green", 0)
	ok(t, err)
	for _, token := range []string{first.Token, second.Token, other.Token} {
		same(t, "length of a token", len(token), 64)
	}
	same(t, "do tokens differ", first.Token != second.Token && first.Token != other.Token, true)
}
