package handler_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/functions/nodegrouprollout/handler"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/worker"
)

func TestFindingsOfAMorningMakeOneRolloutThatIsCarriedOut(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue", "green"), old("prod", "blue"))
	for _, name := range []string{"dev", "prod", "dev"} {
		b.handle(t, b.find(t, name))
		b.later(t, 5*time.Minute)
	}
	b.none(t)
	b.wantCalls(t, 0)
	b.later(t, 20*time.Minute)
	r := b.active(t)
	if len(r.Members) != 2 || r.By != "" {
		t.Errorf("the rollout is %+v", r)
	}
	b.later(t, 4*time.Hour)
	b.none(t)
	b.wantCalls(t, 3)
	b.wantHeard(t, b.bus.moves, "opened running", "resolved completed")
	want := map[string]int{"started": 1, "group-begun": 3, "group-completed": 3, "completed": 1}
	for _, m := range b.bus.rollouts {
		word, _, _ := strings.Cut(m, " ")
		want[word]--
	}
	for word, n := range want {
		if n != 0 {
			t.Errorf("the bus heard %q: %d too few of %s", b.bus.rollouts, n, word)
		}
	}
	b.later(t, 10*time.Minute)
	if due, err := b.records.DueFollowUps(t.Context()); err != nil || len(due) > 0 {
		t.Errorf("follow-ups are left: %+v, %v", due, err)
	}
	if slices.Sort(b.checked); !slices.Equal(slices.Compact(b.checked), []string{"dev", "prod"}) {
		t.Errorf("clustercheck was sent to %q, want to see that no nodes of dev and prod are old any more", b.checked)
	}
}

func TestAPlanGoesToTheNewestReleaseThatIsOldEnough(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	young := sim.Image{Version: "1.34", Release: "1.34.2-20261118", Published: -24 * time.Hour}
	if err := b.world.Publish(account, region, young); err != nil {
		t.Fatal(err)
	}
	b.handle(t, b.plan())
	b.none(t)
	var seen []fleet.AMIRelease
	for release, age := range map[string]int{"1.34.2-20261001": 30, "1.34.2-20261110": 8, "1.34.2-20261119": 5} {
		seen = append(seen, fleet.AMIRelease{AMIType: "AL2023_x86_64_STANDARD", Version: "1.34", Release: release, Published: b.now.AddDate(0, 0, -age)})
	}
	slices.SortFunc(seen, func(a, b fleet.AMIRelease) int { return a.Published.Compare(b.Published) })
	for i := range seen { // as clustercheck has seen them, one after the other
		if err := b.records.NoteReleases(t.Context(), region, seen[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	b.handle(t, b.plan())
	p, err := b.records.RolloutProgress(t.Context(), b.active(t).ID, target.Cluster("dev"))
	if err != nil || p.Cluster.Steps[0].To.Release != "1.34.2-20261110" {
		t.Errorf("the plan is %+v, %v; want nodes of 1.34.2-20261110: AWS has gone back behind the one after it", p.Cluster.Steps, err)
	}
}

func TestInReportNothingIsStartedAndNothingIsSaid(t *testing.T) {
	for name, edit := range map[string]func(*testing.T, *bench){
		"by the file":       func(t *testing.T, b *bench) { b.now = b.now.Add(time.Second); b.configure(t, func(*config.File) {}) },
		"by the deployment": func(_ *testing.T, b *bench) { b.MaxMode = config.Report },
		"by the tag of the cluster": func(t *testing.T, b *bench) {
			c := old("tagged", "blue")
			c.Tags["eks-steward/nodegroup-rollout"] = config.Report
			b.world.Remove(target.Cluster("dev"))
			if err := b.world.Add(account, region, c); err != nil {
				t.Fatal(err)
			}
			b.find(t, "tagged")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config.Enforce, old("dev", "blue"))
			edit(t, b)
			b.handle(t, b.plan())
			b.none(t)
			b.wantCalls(t, 0)
			b.wantHeard(t, b.bus.moves)
		})
	}
}

func TestInApproveNothingBeginsUntilAPersonAllowsThePlan(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"))
	b.handle(t, b.plan())
	b.later(t, time.Hour)
	b.wantCalls(t, 0)
	r := b.active(t)
	ask := b.incident(t, r).Finding.Approval
	if ask == nil || ask.Plan != r.Plan || !strings.Contains(ask.Text, "dev") {
		t.Fatalf("asked for %+v", ask)
	}
	b.wantHeard(t, b.bus.moves, "opened running", "opened running:asks")

	b.handle(t, b.approve(t, r))
	b.wantCalls(t, 1)
	b.later(t, 2*time.Hour)
	b.none(t)
	b.wantHeard(t, b.bus.moves, "opened running", "opened running:asks", "changed running", "resolved completed")
	if a, err := b.records.Approval(t.Context(), r.Plan); err != nil || a.State != ledger.Voided {
		t.Errorf("after the end the approval is %+v, %v", a, err)
	}
}

func TestAnApprovalThatNobodyBroughtIsFound(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"))
	b.handle(t, b.plan())
	b.later(t, 5*time.Minute)
	b.approve(t, b.active(t))
	b.later(t, 10*time.Minute)
	b.wantCalls(t, 1)
}

func TestAnApprovalCountsOnlyByTheLedger(t *testing.T) {
	for name, tt := range map[string]struct {
		given bool // to the plan of the rollout
		edit  func(*testing.T, *bench, *events.PlanApproved)
	}{
		"nobody has given it":          {false, func(*testing.T, *bench, *events.PlanApproved) {}},
		"nobody was asked for it":      {true, func(_ *testing.T, _ *bench, e *events.PlanApproved) { e.Plan = strings.Repeat("0a", 32) }},
		"it is for another capability": {true, func(_ *testing.T, _ *bench, e *events.PlanApproved) { e.Capability = "secrets-encryption" }},
		"it was given and is void": {true, func(t *testing.T, b *bench, e *events.PlanApproved) {
			if err := b.records.Void(t.Context(), e.Plan, "changed"); err != nil {
				t.Fatal(err)
			}
		}},
		"it was given eight days ago": {true, func(_ *testing.T, b *bench, _ *events.PlanApproved) { b.now = b.now.AddDate(0, 0, 8) }},
		"it was given to another plan": {false, func(t *testing.T, b *bench, e *events.PlanApproved) {
			e.Plan = strings.Repeat("0b", 32)
			_, err := b.records.AskApproval(t.Context(), ledger.Approval{Plan: e.Plan, Capability: rollout.Check, Cluster: hub})
			if err == nil {
				_, err = b.records.Grant(t.Context(), e.Plan, "", "mallory", events.ViaCommandLine)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, config.Approve, old("dev", "blue"))
			b.handle(t, b.plan())
			r := b.active(t)
			e := &events.PlanApproved{Header: b.head("approved"), Plan: r.Plan, Capability: rollout.Check, Cluster: hub, By: "mallory", Via: events.ViaSlack}
			if tt.given {
				b.approve(t, r)
			}
			tt.edit(t, b, e)
			if said := b.handle(t, e); said["skipped"] == nil {
				t.Errorf("it counted: %v", said)
			}
			b.wantCalls(t, 0)
			if !b.active(t).Approved.IsZero() {
				t.Error("the rollout is approved")
			}
		})
	}
}

func TestAPlanThatNobodyApprovedIsAskedForAnewAfterAWeek(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"))
	b.handle(t, b.plan())
	r := b.active(t)
	first := b.incident(t, r).Finding.Approval
	b.now = first.Expires
	b.handle(t, b.tick())
	if again := b.incident(t, r).Finding.Approval; again == nil || again.Nonce == first.Nonce || again.Text != first.Text || !again.Expires.After(b.now) {
		t.Errorf("asked for %+v after %+v", again, first)
	}
	b.handle(t, b.approve(t, r))
	b.wantCalls(t, 1)
}

func TestANewerPlanTakesThePlaceOfOneInWhichNothingHasBegun(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"))
	b.handle(t, b.plan())
	first := b.active(t)
	b.handle(t, b.plan())
	if again := b.active(t); again.ID != first.ID {
		t.Fatalf("the same plan made another rollout: %s after %s", again.ID, first.ID)
	}
	if err := b.world.Add(account, region, old("lab", "blue")); err != nil {
		t.Fatal(err)
	}
	b.find(t, "lab")
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.plan())
	second := b.active(t)
	if second.Plan == first.Plan || len(second.Members) != 2 {
		t.Fatalf("the rollout is %+v", second)
	}
	if a, err := b.records.Approval(t.Context(), first.Plan); err != nil || a.State != ledger.Voided {
		t.Errorf("the approval of the first plan is %+v, %v", a, err)
	}
	b.wantHeard(t, b.bus.moves, "opened running", "opened running:asks", "resolved aborted", "opened running", "opened running:asks")

	b.handle(t, b.approve(t, second))
	if err := b.world.Add(account, region, old("late", "blue")); err != nil {
		t.Fatal(err)
	}
	b.find(t, "late")
	if said := b.handle(t, b.plan()); said["skipped"] == nil || b.active(t).ID != second.ID {
		t.Errorf("a rollout that has begun was replaced: %v", said)
	}
}

func TestAPlanOfNothingEndsARolloutInWhichNothingHasBegun(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"))
	b.handle(t, b.plan())
	b.active(t)
	b.world.Remove(target.Cluster("dev"))
	b.now = b.now.Add(10 * time.Minute) // what was read of the region is shared for a while
	b.handle(t, b.plan())
	b.none(t)
	b.wantHeard(t, b.bus.moves, "opened running", "opened running:asks", "resolved aborted")
}

func TestFault_05_AClusterThatIsMissingForAMomentDoesNotCostAnApproval(t *testing.T) {
	b := newBench(t, config.Approve, old("dev", "blue"), old("lab", "blue"))
	b.handle(t, b.plan())
	r := b.active(t)
	b.now = b.now.Add(10 * time.Minute)
	b.world.Faults().Script(edge.Step{Operation: "DescribeNodegroup", Do: edge.Answer(http.StatusInternalServerError, "ServerException", "no")})
	if said := b.handle(t, b.plan()); said["unread"] != int64(1) || b.active(t).ID != r.ID {
		t.Errorf("the rollout is %+v: %v", b.active(t), said)
	}
}

func TestOnlyOldNodesLeadToAPlan(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	if err := b.world.Add(account, region, old("full", "blue")); err != nil {
		t.Fatal(err)
	}
	full := fleet.Finding{Check: "etcd-size", Cluster: target.Cluster("full"), Outcome: fleet.Fail, Severity: fleet.Warning, Cause: "full", Title: "full", At: b.now}
	if _, _, err := b.records.Observe(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if said := b.handle(t, b.plan()); said["clusters"] != int64(1) || len(b.active(t).Members) != 1 {
		t.Errorf("the rollout is %+v: %v", b.active(t), said)
	}
}

func TestFault_35_OneRunAtATimeTakesARolloutOn(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	lease, err := b.records.Lease(t.Context(), handler.Function, "another run", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b.handle(t, b.plan())
	if said := b.handle(t, b.tick()); said["skipped"] != "another run takes the rollout on" {
		t.Errorf("it said %v", said)
	}
	b.wantCalls(t, 0)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if said := b.handle(t, b.tick()); said["rollout_state"] != "running" || said["rollout_busy"] != int64(1) || said["rollout_groups"] != int64(1) {
		t.Errorf("it said %v", said)
	}
	b.wantCalls(t, 1)
}

func TestAStateThatTheBusCouldNotHearIsToldAgain(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	b.handle(t, b.plan())
	r := b.active(t)
	b.bus.err = errors.New("no bus")
	if _, err := b.Handle(t.Context(), b.command(events.VerbPause)); err == nil {
		t.Fatal("the bus did not hear, and nobody was told")
	}
	if inc := b.incident(t, r); inc.Finding.Cause != "paused" {
		t.Errorf("people were told of %q", inc.Finding.Cause)
	}
	b.bus.err = nil
	b.later(t, 5*time.Minute)
	if got := b.active(t); got.Told != rollout.Paused {
		t.Errorf("the rollout is %s and told as %s", got.State, got.Told)
	}
}

func TestAFullEtcdKeepsAGroupFromBeginning(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	full := fleet.Finding{Check: "etcd-size", Cluster: target.Cluster("dev"), Outcome: fleet.Fail, Severity: fleet.Critical, Cause: "critical", Title: "full", At: b.now}
	if _, _, err := b.records.Observe(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	b.handle(t, b.plan())
	b.wantCalls(t, 0)
	if why := b.active(t).Members[0].Waiting; !strings.Contains(why, "etcd") {
		t.Errorf("it waits for %q", why)
	}
	full.Severity = fleet.Warning
	if _, _, err := b.records.Observe(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	b.later(t, 10*time.Minute)
	b.wantCalls(t, 1)
}

func TestTheKillSwitchStopsEveryWrite(t *testing.T) {
	b := newBench(t, config.Enforce, old("dev", "blue"))
	b.kill.on = true
	b.handle(t, b.plan())
	if said := b.handle(t, b.tick()); said["rollout_waits"] != "The kill switch is on." {
		t.Errorf("it said %v", said)
	}
	b.wantCalls(t, 0)
}

func TestWhatItHasNoUseForGoesToTheDeadLetters(t *testing.T) {
	b := newBench(t, config.Enforce)
	for _, e := range []events.Event{
		&events.Tick{Header: b.head("t"), Cadence: events.Hourly}, &events.TargetScan{Header: b.head("s")}, &events.EKSCall{Header: b.head("c")},
	} {
		if _, err := b.Handle(t.Context(), e); !worker.IsPermanent(err) {
			t.Errorf("%T: %v", e, err)
		}
	}
	moved := b.find(t, "dev")
	moved.Finding.Check = "encryption-state"
	if said := b.handle(t, moved); said["skipped"] == nil {
		t.Errorf("another check's finding makes a plan: %v", said)
	}
}
