package events_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

var (
	clusterNames = rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z_-]{0,99}`)
	accounts     = rapid.StringMatching(`[0-9]{12}`)
	regions      = rapid.SampledFrom([]string{"eu-west-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1"})
	cadences     = rapid.SampledFrom([]events.Cadence{events.Hourly, events.FiveMinutes, events.Daily})
	ids          = rapid.StringMatching(`[ -~]{1,200}`)
	texts        = rapid.StringN(0, 80, -1)
	instants     = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(1.4e9, 4e9).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")).UTC()
	})
	heads = rapid.Custom(func(t *rapid.T) events.Header {
		return events.Header{ID: ids.Draw(t, "id"), Account: accounts.Draw(t, "account"), Region: regions.Draw(t, "region"), Time: instants.Draw(t, "time")}
	})
	severities = rapid.SampledFrom([]fleet.Severity{fleet.Info, fleet.Warning, fleet.Critical})
)

var ticks = rapid.Custom(func(t *rapid.T) events.Event {
	return &events.Tick{Header: heads.Draw(t, "head"), Cadence: cadences.Draw(t, "cadence")}
})

var pending = rapid.Custom(func(t *rapid.T) events.Event {
	return &events.PendingNotices{Header: heads.Draw(t, "head")}
})

var scans = rapid.Custom(func(t *rapid.T) events.Event {
	h := heads.Draw(t, "head")
	role := rapid.SampledFrom([]string{"", "arn:aws:iam::" + h.Account + ":role/steward-reader", "arn:aws-cn:iam::" + h.Account + ":role/path/x"})
	e := &events.TargetScan{
		Header: h, Cadence: cadences.Draw(t, "cadence"),
		Target: fleet.Target{Account: h.Account, Region: h.Region, Role: role.Draw(t, "role")},
	}
	if n := rapid.IntRange(0, 5).Draw(t, "clusters"); n > 0 {
		e.Clusters = rapid.SliceOfN(clusterNames, n, n).Draw(t, "names")
	}
	if len(e.Clusters) == 1 && rapid.Bool().Draw(t, "follows") {
		e.Update = "3141b835-8103-423a-8e68-12c2521ffa4d"
	}
	return e
})

var approvals = rapid.Custom(func(t *rapid.T) events.Event {
	h := heads.Draw(t, "head")
	return &events.PlanApproved{
		Header: h, Plan: rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "plan"), Capability: rapid.SampledFrom([]string{"secrets-encryption", "nodegroup-rollout"}).Draw(t, "capability"),
		Cluster: fleet.ClusterID{Account: h.Account, Region: h.Region, Name: clusterNames.Draw(t, "cluster")},
		By:      rapid.StringMatching(`[!-~]{1,80}`).Draw(t, "by"), Via: rapid.SampledFrom([]string{events.ViaSlack, events.ViaCommandLine}).Draw(t, "via"),
	}
})

var moves = rapid.Custom(func(t *rapid.T) events.Event {
	h := heads.Draw(t, "head")
	f := fleet.Finding{
		Check:   "etcd-size",
		Cluster: fleet.ClusterID{Account: h.Account, Region: h.Region, Name: clusterNames.Draw(t, "cluster")},
		Outcome: rapid.SampledFrom([]fleet.Outcome{fleet.Unknown, fleet.Pass, fleet.Fail, fleet.NotApplicable}).Draw(t, "outcome"), Severity: severities.Draw(t, "severity"),
		Title: texts.Draw(t, "title"), Reason: texts.Draw(t, "reason"), Remedy: texts.Draw(t, "remedy"), At: instants.Draw(t, "at"),
	}
	if n := rapid.IntRange(0, 3).Draw(t, "facts"); n > 0 {
		f.Facts = make([]fleet.Fact, n)
		for i := range f.Facts {
			f.Facts[i] = fleet.Fact{Label: texts.Draw(t, "label"), Value: texts.Draw(t, "value")}
		}
	}
	return &events.IncidentMoved{
		Header: h, SchemaVersion: events.SchemaVersion, Incident: f.Cluster.String() + "/etcd-size/",
		Transition: rapid.SampledFrom([]string{"opened", "changed", "resolved"}).Draw(t, "transition"),
		Revision:   rapid.IntRange(1, 1e6).Draw(t, "revision"), Severity: f.Severity, Finding: f,
	}
})

func TestDecodeIsTheInverseOfMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.OneOf(ticks, scans, moves, pending, approvals, plans, commands, rolloutMoves).Draw(t, "event")
		raw, err := events.Message(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := events.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("sent %+v\n got %+v\n raw %s", e, back, raw)
		}
	})
}

// announced is an event of our bus.
type announced interface {
	events.Event
	Entry() (events.Entry, error)
}

// onBus is what the bus makes of an entry: an id of its own, its own account and
// region, and a time in whole seconds.
func onBus(t interface {
	Helper()
	Fatal(args ...any)
}, entry events.Entry, id string,
) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"version": "0", "id": id, "detail-type": entry.DetailType, "source": entry.Source,
		"account": "999900001111", "region": "eu-central-1", "time": entry.Time.UTC().Truncate(time.Second),
		"resources": entry.Resources, "detail": json.RawMessage(entry.Detail),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeIsTheInverseOfEntryThroughTheBus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.OneOf(moves, rolloutMoves).Draw(t, "event").(announced)
		switch e := e.(type) {
		case *events.IncidentMoved:
			e.Time = e.Time.Truncate(time.Second)
		case *events.RolloutMoved:
			e.Time = e.Time.Truncate(time.Second)
			if e.Group == "" {
				e.Account, e.Region = "999900001111", "eu-central-1" // as the bus says
			}
		}
		entry, err := e.Entry()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(entry.Source) + len(entry.DetailType) + len(entry.Detail) + len(strings.Join(entry.Resources, "")) + 14; n >= 256<<10 {
			t.Fatalf("PutEvents takes less than 256 KB, the entry has %d bytes", n)
		}
		back, err := events.Decode(onBus(t, entry, "b1"))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, events.Event(e)) {
			t.Fatalf("sent %+v\n got %+v", e, back)
		}
	})
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func head(id string) events.Header {
	return events.Header{ID: id, Account: "111122223333", Region: "eu-west-1", Time: noon}
}

func moved() *events.IncidentMoved {
	return &events.IncidentMoved{
		Header: head("111122223333/eu-west-1/prod/etcd-size/#1"), Incident: "111122223333/eu-west-1/prod/etcd-size/",
		Transition: "opened", Revision: 1, Severity: fleet.Critical,
		Finding: fleet.Finding{Check: "etcd-size", Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"}, Outcome: fleet.Fail, At: noon},
	}
}

func TestMessageRefusesWhatDecodeWould(t *testing.T) {
	scan := func(edit func(*events.TargetScan)) events.Event {
		s := &events.TargetScan{Header: head("s"), Cadence: events.Hourly, Target: fleet.Target{Account: "111122223333", Region: "eu-west-1"}}
		edit(s)
		return s
	}
	move := func(edit func(*events.IncidentMoved)) events.Event {
		m := moved()
		edit(m)
		return m
	}
	approved := func(edit func(*events.PlanApproved)) events.Event {
		p := &events.PlanApproved{
			Header: head("p"), Plan: strings.Repeat("0a", 32), Capability: "secrets-encryption", By: "alice", Via: events.ViaSlack,
			Cluster: fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "prod"},
		}
		edit(p)
		return p
	}
	for _, tt := range []struct {
		name  string
		event events.Event
		want  string
	}{
		{"an approval of no plan", approved(func(p *events.PlanApproved) { p.Plan = "0a0a0a0a0a0a" }), `encode "Plan Approved": detail.plan is "0a0a0a0a0a0a"`},
		{"an approval for nothing", approved(func(p *events.PlanApproved) { p.Capability = "" }), `encode "Plan Approved": detail.capability is ""`},
		{"an approval for no account", approved(func(p *events.PlanApproved) { p.Cluster.Account = "" }), `encode "Plan Approved": detail.cluster.account is ""`},
		{"an approval for no region", approved(func(p *events.PlanApproved) { p.Cluster.Region = "moon" }), `encode "Plan Approved": detail.cluster.region is "moon"`},
		{"an approval for no cluster", approved(func(p *events.PlanApproved) { p.Cluster.Name = "" }), `encode "Plan Approved": detail.cluster.cluster is ""`},
		{"an approval of nobody", approved(func(p *events.PlanApproved) { p.By = "" }), `encode "Plan Approved": detail.by is ""`},
		{"an approval of somebody with a line of his own", approved(func(p *events.PlanApproved) { p.By = "a\nb" }), `encode "Plan Approved": detail.by is "a\nb"`},
		{"an approval by rumour", approved(func(p *events.PlanApproved) { p.Via = "rumour" }), `encode "Plan Approved": detail.via is "rumour"`},
		{"what AWS sends is not ours to send", &events.EKSCall{Header: head("x")}, "*events.EKSCall is not ours to send"},
		{"a tick without an id", &events.Tick{Cadence: events.Hourly, Header: events.Header{Time: noon}}, `encode "Tick": id is ""`},
		{"a tick without a time", &events.Tick{Cadence: events.Hourly, Header: events.Header{ID: "t"}}, `encode "Tick": time is "0001-01-01T00:00:00Z"`},
		{"a tick of no schedule", &events.Tick{Header: head("t")}, `encode "Tick": detail.cadence is ""`},
		{"a scan of no account", scan(func(s *events.TargetScan) { s.Target.Account = "" }), `encode "Scan Target": detail.target.account is ""`},
		{"a scan of no region", scan(func(s *events.TargetScan) { s.Target.Region = "moon" }), `encode "Scan Target": detail.target.region is "moon"`},
		{"a scan with a role elsewhere", scan(func(s *events.TargetScan) { s.Target.Role = "arn:aws:iam::444455556666:role/r" }), `encode "Scan Target": detail.target.role is`},
		{"a scan of too many clusters", scan(func(s *events.TargetScan) { s.Clusters = make([]string, 100_000) }), `encode "Scan Target": event has`},
		{"a scan of an update that is none", scan(func(s *events.TargetScan) { s.Clusters, s.Update = []string{"prod"}, "update-1" }), `encode "Scan Target": detail.update is "update-1"`},
		{"a scan of an update of nobody", scan(func(s *events.TargetScan) { s.Update = "3141b835-8103-423a-8e68-12c2521ffa4d" }), `encode "Scan Target": detail.update is about one of 0 clusters`},
		{"a move to nowhere", move(func(m *events.IncidentMoved) { m.Transition = "refreshed" }), `encode "": detail-type is ""`},
		{"a move of no incident", move(func(m *events.IncidentMoved) { m.Incident = "" }), `encode "Finding Opened": detail.incident is ""`},
		{"a move without a revision", move(func(m *events.IncidentMoved) { m.Revision = 0 }), `encode "Finding Opened": detail.revision is 0`},
		{"a severity that does not exist", move(func(m *events.IncidentMoved) { m.Severity = 7 }), `encode "Finding Opened": detail cannot be read`},
		{"a finding of more than 256 KB", move(func(m *events.IncidentMoved) { m.Finding.Reason = strings.Repeat("x", 260<<10) }), `encode "Finding Opened": event has`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := events.Message(tt.event)
			if raw != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s...", err, tt.want)
			}
			if m, ok := tt.event.(announced); ok {
				if _, err := m.Entry(); err == nil {
					t.Error("Entry takes what Message refuses")
				}
			}
		})
	}
}

func TestMessageWritesTheSchemaVersionForTheCaller(t *testing.T) {
	raw, err := events.Message(moved())
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.Decode(raw)
	if err != nil || e.(*events.IncidentMoved).SchemaVersion != events.SchemaVersion {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestTickInputDecodesAsTheTickOfItsBeat(t *testing.T) {
	beat := func(c events.Cadence, at, execution string) events.Event {
		input := events.TickInput(c)
		for _, used := range []string{"<aws.scheduler.scheduled-time>", "<aws.scheduler.execution-id>"} {
			if !strings.Contains(input, used) {
				t.Fatalf("%s is not in %s", used, input)
			}
		}
		e, err := events.Decode([]byte(strings.NewReplacer("<aws.scheduler.scheduled-time>", at, "<aws.scheduler.execution-id>", execution).Replace(input)))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, c := range []events.Cadence{events.Hourly, events.FiveMinutes, events.Daily} {
		want := &events.Tick{Header: events.Header{ID: "tick/" + string(c) + "/2026-11-20T12:00:00Z", Time: noon}, Cadence: c}
		if got := beat(c, "2026-11-20T12:00:00Z", "d32c5kddcf5bb8c3"); !reflect.DeepEqual(got, events.Event(want)) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	first, again := beat(events.Hourly, "2026-11-20T12:00:00Z", "a"), beat(events.Hourly, "2026-11-20T12:00:00Z", "b")
	if first.Head().ID != again.Head().ID {
		t.Errorf("a beat that is sent twice has two ids: %s, %s", first.Head().ID, again.Head().ID)
	}
}
