package incident_test

import (
	"slices"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

var t0 = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func saw(o fleet.Outcome, s fleet.Severity, cause string) fleet.Finding {
	return fleet.Finding{
		Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"},
		Outcome: o, Severity: s, Cause: cause,
	}
}

func TestALastingFactIsKeptUntilTheIncidentIsOver(t *testing.T) {
	with := func(f fleet.Finding, facts ...fleet.Fact) fleet.Finding { f.Facts = facts; return f }
	fail, unseen, pass := saw(fleet.Fail, fleet.Critical, "disabled"), saw(fleet.Unknown, fleet.Warning, "unread"), saw(fleet.Pass, fleet.Info, "")
	size := func(s string) fleet.Fact { return fleet.Fact{Label: "Size", Value: s} }
	by := func(who string) fleet.Fact { return fleet.Fact{Label: "Caller", Value: who, Lasting: true} }
	var inc *incident.Incident
	for i, step := range []struct {
		why  string
		saw  fleet.Finding
		want []fleet.Fact
	}{
		{"opened by a call", with(fail, size("1"), by("alice")), []fleet.Fact{size("1"), by("alice")}},
		{"a later look knows only the size", with(fail, size("2")), []fleet.Fact{size("2"), by("alice")}},
		{"nor does one that sees nothing", unseen, []fleet.Fact{by("alice")}},
		{"somebody else called", with(fail, by("bob")), []fleet.Fact{by("bob")}},
		{"it is over", pass, nil},
		{"another trouble has another cause", with(fail, size("3")), []fleet.Fact{size("3")}},
	} {
		next, _ := incident.Next(inc, step.saw, t0.Add(time.Duration(i)*time.Minute))
		if !slices.Equal(next.Finding.Facts, step.want) {
			t.Errorf("%s: the facts are %v, want %v", step.why, next.Finding.Facts, step.want)
		}
		inc = &next
	}
}

func TestNext(t *testing.T) {
	type step struct {
		saw      fleet.Finding
		turn     incident.Transition
		state    incident.State
		severity fleet.Severity
		revision int
	}
	pass := saw(fleet.Pass, fleet.Info, "")
	warn, crit := saw(fleet.Fail, fleet.Warning, "filling"), saw(fleet.Fail, fleet.Critical, "filling")
	unseen := saw(fleet.Unknown, fleet.Warning, "no-datapoint")
	for name, steps := range map[string][]step{
		"a pass opens nothing": {{pass, incident.Quiet, "", fleet.Info, 0}},
		"a cluster's whole trouble is three moves": {
			{warn, incident.WasOpened, incident.Open, fleet.Warning, 1},
			{warn, incident.Refreshed, incident.Open, fleet.Warning, 1},
			{crit, incident.WasChanged, incident.Open, fleet.Critical, 2},
			{crit, incident.Refreshed, incident.Open, fleet.Critical, 2},
			{pass, incident.WasResolved, incident.Resolved, fleet.Info, 3},
			{pass, incident.Quiet, incident.Resolved, fleet.Info, 3},
		},
		"what cannot be read any more stays open and as severe": {
			{crit, incident.WasOpened, incident.Open, fleet.Critical, 1},
			{unseen, incident.WasChanged, incident.Open, fleet.Critical, 2},
			{unseen, incident.Refreshed, incident.Open, fleet.Critical, 2},
			{crit, incident.WasChanged, incident.Open, fleet.Critical, 3},
		},
		"unknown alone opens, as unknown is never fine": {
			{unseen, incident.WasOpened, incident.Open, fleet.Warning, 1},
			{pass, incident.WasResolved, incident.Resolved, fleet.Info, 2},
		},
		"FAULT 62 a deleted cluster resolves": {
			{warn, incident.WasOpened, incident.Open, fleet.Warning, 1},
			{saw(fleet.NotApplicable, fleet.Info, "deleted"), incident.WasResolved, incident.Resolved, fleet.Info, 2},
		},
		"trouble that comes back opens again": {
			{warn, incident.WasOpened, incident.Open, fleet.Warning, 1},
			{pass, incident.WasResolved, incident.Resolved, fleet.Info, 2},
			{crit, incident.WasOpened, incident.Open, fleet.Critical, 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var inc *incident.Incident
			for i, s := range steps {
				now := t0.Add(time.Duration(i) * time.Minute)
				next, turn := incident.Next(inc, s.saw, now)
				if turn != s.turn || next.State != s.state || next.Finding.Severity != s.severity || next.Revision != s.revision {
					t.Fatalf("step %d: got %q, %s, %s, revision %d; want %q, %s, %s, revision %d",
						i, turn, next.State, next.Finding.Severity, next.Revision, s.turn, s.state, s.severity, s.revision)
				}
				if turn.News() && (next.LastMove() != turn || !next.Changed.Equal(now)) {
					t.Errorf("step %d: last move is %q at %s, want %q at %s", i, next.LastMove(), next.Changed, turn, now)
				}
				if turn != incident.Quiet {
					inc = &next
				}
			}
		})
	}
}

func TestAResolvedIncidentRemembersItsWorst(t *testing.T) {
	var inc *incident.Incident
	for _, f := range []fleet.Finding{saw(fleet.Fail, fleet.Critical, ""), saw(fleet.Fail, fleet.Warning, ""), saw(fleet.Pass, fleet.Info, "")} {
		next, _ := incident.Next(inc, f, t0)
		inc = &next
	}
	if inc.Worst != fleet.Critical {
		t.Errorf("worst = %s, want critical", inc.Worst)
	}
	again, _ := incident.Next(inc, saw(fleet.Fail, fleet.Warning, ""), t0)
	if again.Worst != fleet.Warning {
		t.Errorf("worst after opening again = %s, want that of the new life", again.Worst)
	}
}

func TestNumbersAreNoNews(t *testing.T) {
	a := saw(fleet.Fail, fleet.Warning, "filling")
	a.Observed = "5.6 GB"
	b := a
	b.Observed = "5.7 GB"
	inc, _ := incident.Next(nil, a, t0)
	next, turn := incident.Next(&inc, b, t0)
	if turn != incident.Refreshed || next.Finding.Observed != "5.7 GB" {
		t.Errorf("got %q with %q, want refreshed with the new number", turn, next.Finding.Observed)
	}
}

func TestAnObservationOlderThanTheKnownOneChangesNothing(t *testing.T) {
	newer, older := saw(fleet.Fail, fleet.Critical, "filling"), saw(fleet.Pass, fleet.Info, "")
	newer.At, older.At = t0.Add(time.Minute), t0
	inc, _ := incident.Next(nil, newer, t0)
	if next, turn := incident.Next(&inc, older, t0.Add(2*time.Minute)); turn != incident.Quiet || next.State != incident.Open {
		t.Errorf("got %q and %s, want the newer observation to stand", turn, next.State)
	}
}

func TestAPassResolvesUnlessALaterLookMayHaveFailedUnrecorded(t *testing.T) {
	fail, pass, unseen := saw(fleet.Fail, fleet.Warning, "filling"), saw(fleet.Pass, fleet.Info, ""), saw(fleet.Unknown, fleet.Warning, "unread")
	worse := saw(fleet.Fail, fleet.Critical, "filling")
	for name, c := range map[string]struct {
		first, saw fleet.Finding
		read, took time.Duration // since the incident was opened; until it is recorded
		want       incident.Transition
	}{
		"a run that nothing held up":                      {fail, pass, 5 * time.Minute, 2 * time.Minute, incident.WasResolved},
		"a run that was held up":                          {fail, pass, 5 * time.Minute, 2*time.Minute + time.Second, incident.Quiet},
		"one that was held up, of what could not be read": {unseen, pass, 5 * time.Minute, 15 * time.Minute, incident.Quiet},
		"one that read just before the hour is over":      {fail, pass, time.Hour - time.Second, 15 * time.Minute, incident.Quiet},
		"one that read later than any unrecorded look":    {fail, pass, time.Hour, 15 * time.Minute, incident.WasResolved},
		"one that opened the incident itself":             {fail, pass, 0, 15 * time.Minute, incident.WasResolved},
		"one that found it worse, which cannot wait":      {fail, worse, 5 * time.Minute, 15 * time.Minute, incident.WasChanged},
	} {
		t.Run(name, func(t *testing.T) {
			c.first.At, c.saw.At = t0, t0.Add(c.read)
			inc, _ := incident.Next(nil, c.first, t0)
			if _, turn := incident.Next(&inc, c.saw, c.saw.At.Add(c.took)); turn != c.want {
				t.Errorf("got %q, want %q", turn, c.want)
			}
		})
	}
}

func TestALookThatFindsTheSameIsRecordedOnceInAnHour(t *testing.T) {
	f := saw(fleet.Fail, fleet.Warning, "filling")
	f.At = t0
	inc, _ := incident.Next(nil, f, t0)
	for after, want := range map[time.Duration]incident.Transition{
		-time.Minute: incident.Quiet, 0: incident.Quiet, time.Hour - time.Second: incident.Quiet, time.Hour: incident.Refreshed,
	} {
		at := t0
		if want == incident.Refreshed {
			at = t0.Add(after)
		}
		if next, turn := inc.Again(t0.Add(after)); turn != want || !next.Finding.At.Equal(at) {
			t.Errorf("after %s: %q with a look of %s, want %q and %s", after, turn, next.Finding.At, want, at)
		}
	}
}

func TestNewNumbersAreLookedAtWhenTheMessageMayChange(t *testing.T) {
	posted := incident.Told{At: t0, Receipt: "C1/1"}
	changed := posted
	changed.Updated = t0.Add(10 * time.Minute)
	for name, c := range map[string]struct {
		told map[string]incident.Told
		look time.Time
		ours bool
		want time.Time
	}{
		"an hour after the message":                    {told: map[string]incident.Told{"slack/C1": posted}, want: t0.Add(time.Hour)},
		"an hour after its last change":                {told: map[string]incident.Told{"slack/C1": changed}, want: t0.Add(70 * time.Minute)},
		"at the earliest of several":                   {told: map[string]incident.Told{"slack/C1": changed, "slack/C2": posted}, want: t0.Add(time.Hour)},
		"a minute after it, when it is our own work":   {told: map[string]incident.Told{"slack/C1": posted}, ours: true, want: t0.Add(time.Minute)},
		"never, when no message can be changed":        {told: map[string]incident.Told{"slack": {At: t0}}},
		"as was planned, when that is earlier":         {told: map[string]incident.Told{"slack/C1": posted}, look: t0.Add(time.Minute), want: t0.Add(time.Minute)},
		"earlier than was planned, when that is later": {told: map[string]incident.Told{"slack/C1": posted}, look: t0.Add(24 * time.Hour), want: t0.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			f := saw(fleet.Fail, fleet.Warning, "filling")
			if c.ours {
				f.Progress = &fleet.Progress{Total: 3}
			}
			inc, _ := incident.Next(nil, f, t0)
			inc.Told, inc.Look = c.told, c.look
			f.Observed = "5.7 GB"
			next, turn := incident.Next(&inc, f, t0.Add(5*time.Second))
			if turn != incident.Refreshed || !next.Look.Equal(c.want) {
				t.Errorf("%s: to be looked at %s, want %s", turn, next.Look, c.want)
			}
		})
	}
}
