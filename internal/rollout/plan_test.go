package rollout_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

var evening = time.Date(2026, 11, 21, 19, 30, 0, 0, time.UTC)

var (
	europe  = fleet.Target{Account: "111122223333", Region: "eu-west-1", Role: "arn:aws:iam::111122223333:role/steward-reader"}
	america = fleet.Target{Account: "444455556666", Region: "us-east-1", Role: "arn:aws:iam::444455556666:role/steward-reader"}
	waves   = rollout.Waves{Tag: "env", Order: []string{"dev", "stage", "prod"}, Others: rollout.OthersLast, MaxClusters: 2, MaxGroups: 1}
)

// images are the newest ones on the day of the tests, old enough to be trusted.
var images = fleet.Read([]fleet.AMIRelease{
	{AMIType: "AL2023_x86_64_STANDARD", Version: "1.36", Release: "1.36.2-20261101", Published: evening.AddDate(0, 0, -20)},
	{AMIType: "AL2023_x86_64_STANDARD", Version: "1.35", Release: "1.35.6-20261101", Published: evening.AddDate(0, 0, -20)},
}, nil, evening)

// old is a group whose nodes are one version behind.
func old(name string, nodes int, tags ...string) fleet.Nodegroup {
	g := fleet.Nodegroup{
		Name: name, ARN: "arn:aws:eks:eu-west-1:111122223333:nodegroup/c/" + name + "/1", Status: "ACTIVE", Version: "1.35", Release: "1.35.4-20260801",
		AMIType: "AL2023_x86_64_STANDARD", Nodes: nodes, Most: nodes + 5, Surge: fleet.Surge{Nodes: 1}, Subnets: []string{"subnet-a", "subnet-b"},
		Tags: map[string]string{nodefreshness.OptIn: nodefreshness.Allowed},
	}
	for i := 0; i < len(tags); i += 2 {
		g.Tags[tags[i]] = tags[i+1]
	}
	return g
}

func candidate(t fleet.Target, name, env string, groups ...fleet.Nodegroup) rollout.Candidate {
	for i := range groups {
		groups[i].ARN = "arn:aws:eks:" + t.Region + ":" + t.Account + ":nodegroup/" + name + "/" + groups[i].Name + "/1"
	}
	return rollout.Candidate{
		Target: t, ID: t.Cluster(name),
		Cluster: fleet.Read(fleet.Cluster{
			ID: t.Cluster(name), ARN: "arn:aws:eks:" + t.Region + ":" + t.Account + ":cluster/" + name, Status: "ACTIVE", Version: "1.36",
			Kind: fleet.KindEKS, Tags: map[string]string{"env": env},
		}, nil, evening),
		Groups: fleet.Read(groups, nil, evening), Images: images, Heads: fleet.Read([]fleet.TemplateHead(nil), nil, evening),
		Policy: rollout.Policy{Mode: rollout.Enforce, Freshness: nodefreshness.Rules{Template: nodefreshness.Ignore}, NodeTime: 4 * time.Minute},
	}
}

func sample() []rollout.Candidate {
	orders := candidate(europe, "orders", "prod",
		old("web", 12), old("db", 3, nodefreshness.Order, nodefreshness.OrderCritical), old("batch", 12), old("probe", 40, nodefreshness.Order, nodefreshness.OrderCanary))
	orders.Policy.Mode = rollout.Approve
	orders.Usual = map[string]time.Duration{"web": 2 * time.Hour}
	lab := candidate(america, "lab", "dev", old("main", 2), old("own", 1))
	lab.Groups.Value[1].AMIType = fleet.CustomAMI
	watched := candidate(europe, "watched", "dev", old("main", 1))
	watched.Policy.Mode = rollout.Report
	auto := candidate(europe, "auto", "prod", old("main", 1))
	auto.Cluster.Value.AutoMode = true
	return []rollout.Candidate{
		orders, auto, watched, lab, candidate(europe, "lab", "dev", old("main", 7)), candidate(europe, "stray", "sandbox", old("main", 1)),
		candidate(europe, "karpenter", "prod"),
	}
}

// outline is a plan in one line: what is done in which order.
func outline(p rollout.Plan) string {
	var words []string
	for _, w := range p.Waves {
		words = append(words, w.Name+":")
		for _, c := range w.Clusters {
			for _, s := range c.Steps {
				words = append(words, c.ID.Name+"/"+s.Group)
			}
		}
	}
	return strings.Join(words, " ")
}

func TestAPlanHasAnOrder(t *testing.T) {
	plan := rollout.Make(sample(), waves, evening)
	want := "dev: lab/main lab/main watched/main prod: orders/probe orders/batch orders/web orders/db others: stray/main"
	if got := outline(plan); got != want {
		t.Errorf("the plan is\n%s, want\n%s", got, want)
	}
	if got := plan.Waves[0].Clusters[0].ID.Account; got != europe.Account {
		t.Errorf("of two clusters of a name that of account %s comes first", got)
	}
	backwards := sample()
	slices.Reverse(backwards)
	for _, c := range backwards {
		slices.Reverse(c.Groups.Value)
	}
	if again := rollout.Make(backwards, waves, evening); again.Hash() != plan.Hash() {
		t.Errorf("the order of what was read changes the plan: %s", outline(again))
	}
}

func TestAPlanIsPrintedAndPutInWords(t *testing.T) {
	plan := rollout.Make(sample(), waves, evening)
	var page strings.Builder
	if err := rollout.Print(&page, plan); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "plan.txt", page.String())
	golden.Check(t, "plan-text.txt", plan.Text()+"\n")

	page.Reset()
	if err := rollout.Print(&page, rollout.Plan{}); err != nil || page.String() != "No nodegroup is to be rolled.\n" {
		t.Errorf("an empty plan is printed as %q, %v", page.String(), err)
	}
	broken := errors.New("broken pipe")
	if err := rollout.Print(failing{broken}, plan); !errors.Is(err, broken) {
		t.Errorf("the error of the writer is lost: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWhatIsLeftAloneSaysWhy(t *testing.T) {
	trouble := func(kind fleet.TroubleKind) error {
		return &fleet.Trouble{Kind: kind, Action: "eks:ListNodegroups", Err: errors.New("no")}
	}
	for _, c := range []struct {
		name   string
		change func(*rollout.Candidate)
		want   string // "" when it is rolled
	}{
		{"a cluster with a group that is behind is rolled", func(*rollout.Candidate) {}, ""},
		{"FAULT 2 a cluster that was deleted", func(c *rollout.Candidate) { c.Cluster.Trouble = fleet.TroubleOf(trouble(fleet.Gone)) }, "deleted"},
		{"a cluster that could not be read", func(c *rollout.Candidate) { c.Cluster.Trouble = fleet.TroubleOf(trouble(fleet.Denied)) }, "could not be read"},
		{"a cluster that nobody read", func(c *rollout.Candidate) { c.Cluster.At = time.Time{} }, "not asked for"},
		{"groups of which only some could be read", func(c *rollout.Candidate) { c.Groups.Trouble = fleet.TroubleOf(trouble(fleet.Throttled)) }, "nodegroups could not be read"},
		{"a cluster without groups", func(c *rollout.Candidate) { c.Groups.Value = nil }, "no managed nodegroups"},
		{"FAULT 13 a connected cluster", func(c *rollout.Candidate) { c.Cluster.Value.Kind = fleet.KindConnected }, "EKS does not run"},
		{"FAULT 13 a cluster on an Outpost", func(c *rollout.Candidate) { c.Cluster.Value.Kind = fleet.KindOutpost }, "EKS does not run"},
		{"a cluster that is being changed", func(c *rollout.Candidate) { c.Cluster.Value.Status = "UPDATING" }, "UPDATING"},
		{"FAULT 9 a cluster with a status that is new", func(c *rollout.Candidate) { c.Cluster.Value.Status = "RESTING" }, "RESTING"},
		{"FAULT 10 a cluster without a version", func(c *rollout.Candidate) { c.Cluster.Value.Version = "" }, "not known"},
		{"a cluster in Auto Mode", func(c *rollout.Candidate) { c.Cluster.Value.AutoMode = true }, "Auto Mode"},
		{"a group that is being changed", func(c *rollout.Candidate) { c.Groups.Value[0].Status = "UPDATING" }, "UPDATING"},
		{"FAULT 9 a group with a status that is new", func(c *rollout.Candidate) { c.Groups.Value[0].Status = "RESTING" }, "RESTING"},
		{"FAULT 10 a group without a status", func(c *rollout.Candidate) { c.Groups.Value[0].Status = "" }, "nothing"},
		{"FAULT 16 a group with an AMI of its own", func(c *rollout.Candidate) { c.Groups.Value[0].AMIType = fleet.CustomAMI }, ""},
		{"FAULT 19 a group that is ahead of its control plane", func(c *rollout.Candidate) { c.Groups.Value[0].Version = "1.37" }, ""},
		{"a group of which nobody knows whether it is fresh", func(c *rollout.Candidate) {
			c.Groups.Value[0].Version, c.Images = "1.36", fleet.Part[[]fleet.AMIRelease]{}
		}, "not known"},
		{"a group without the tag", func(c *rollout.Candidate) { clear(c.Groups.Value[0].Tags) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := candidate(europe, "orders", "dev", old("web", 3))
			before := rollout.Make([]rollout.Candidate{one}, waves, evening)
			c.change(&one)
			plan := rollout.Make([]rollout.Candidate{one}, waves, evening)
			if c.name == "a cluster with a group that is behind is rolled" {
				if outline(plan) != "dev: orders/web" || len(plan.Left) > 0 {
					t.Errorf("the plan is %+v", plan)
				}
				return
			}
			if len(plan.Waves) > 0 || len(plan.Left) != 1 || plan.Left[0].Why == "" || !strings.Contains(plan.Left[0].Why, c.want) {
				t.Errorf("the plan is %+v", plan)
			}
			if plan.Hash() == before.Hash() {
				t.Error("the hash is the same")
			}
		})
	}
}

func TestWavesAreNamedByATag(t *testing.T) {
	never := waves
	never.Others = rollout.OthersNever
	untagged := candidate(europe, "c", "", old("web", 1))
	untagged.Cluster.Value.Tags = nil
	for _, c := range []struct {
		name  string
		waves rollout.Waves
		one   rollout.Candidate
		want  string
	}{
		{"a value that is in the order", waves, candidate(europe, "c", "stage", old("web", 1)), "stage: c/web"},
		{"FAULT 9 a value that is not in the order", waves, candidate(europe, "c", "Prod", old("web", 1)), "others: c/web"},
		{"FAULT 10 no tags at all", waves, untagged, "others: c/web"},
		{"no wave where others are left alone", never, untagged, ""},
		{"no order at all", rollout.Waves{Others: rollout.OthersLast}, untagged, "others: c/web"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := rollout.Make([]rollout.Candidate{c.one}, c.waves, evening)
			if got := outline(plan); got != c.want || (got == "") != (len(plan.Left) == 1) {
				t.Errorf("the plan is %+v", plan)
			}
		})
	}
}

func TestTheExpectedTimeIsTheUsualOneOrComesFromTheNodes(t *testing.T) {
	for _, c := range []struct {
		name  string
		usual time.Duration
		nodes int
		surge fleet.Surge
		want  time.Duration
	}{
		{"it was seen before", time.Hour, 10, fleet.Surge{Nodes: 1}, time.Hour},
		{"one node after the other", 0, 10, fleet.Surge{Nodes: 1}, 45 * time.Minute},
		{"several at a time, and a rest", 0, 10, fleet.Surge{Nodes: 3}, 21 * time.Minute},
		{"a share of them at a time", 0, 10, fleet.Surge{Percent: 50}, 13 * time.Minute},
		{"FAULT 10 no surge that is known", 0, 2, fleet.Surge{}, 13 * time.Minute},
		{"no nodes", 0, 0, fleet.Surge{Nodes: 1}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := candidate(europe, "orders", "dev", old("web", c.nodes))
			one.Groups.Value[0].Surge, one.Usual = c.surge, map[string]time.Duration{"web": c.usual}
			if got := rollout.Make([]rollout.Candidate{one}, waves, evening).Waves[0].Clusters[0].Steps[0].Expected; got != c.want {
				t.Errorf("expected %v, want %v", got, c.want)
			}
		})
	}
}

func TestTheHashIsThatOfWhatIsDone(t *testing.T) {
	plan := func(change func(*rollout.Candidate)) string {
		one := candidate(europe, "orders", "dev", old("api", 2), old("web", 3))
		change(&one)
		return rollout.Make([]rollout.Candidate{one, candidate(america, "lab", "prod", old("main", 1))}, waves, evening).Hash()
	}
	base := plan(func(*rollout.Candidate) {})
	for name, change := range map[string]func(*rollout.Candidate){
		"a node more":          func(c *rollout.Candidate) { c.Groups.Value[1].Nodes++ },
		"another time":         func(c *rollout.Candidate) { c.Policy.NodeTime = time.Hour },
		"one more reason":      func(c *rollout.Candidate) { c.Forced = []string{"web"} },
		"another issue of EKS": func(c *rollout.Candidate) { c.Groups.Value[1].Health = []fleet.Issue{{Code: "x"}} },
	} {
		if plan(change) != base {
			t.Errorf("%s makes another plan", name)
		}
	}
	seen := map[string]string{base: "none"}
	for name, change := range map[string]func(*rollout.Candidate){
		"another cluster of the name": func(c *rollout.Candidate) { c.Cluster.Value.ARN += "2" },
		"another group of the name":   func(c *rollout.Candidate) { c.Groups.Value[1].ARN += "2" },
		"another mode":                func(c *rollout.Candidate) { c.Policy.Mode = rollout.Approve },
		"another wave":                func(c *rollout.Candidate) { c.Cluster.Value.Tags["env"] = "stage" },
		"the same wave":               func(c *rollout.Candidate) { c.Cluster.Value.Tags["env"] = "prod" },
		"another order":               func(c *rollout.Candidate) { c.Groups.Value[1].Nodes = 1 },
		"another release before":      func(c *rollout.Candidate) { c.Groups.Value[1].Release = "1.35.4-20260701" },
		"a group less":                func(c *rollout.Candidate) { c.Groups.Value = c.Groups.Value[:1] },
		"another control plane":       func(c *rollout.Candidate) { c.Cluster.Value.Version = "1.37" },
	} {
		hash := plan(change)
		if other, same := seen[hash]; same {
			t.Errorf("%s makes the same plan as %s", name, other)
		}
		seen[hash] = name
	}
	if p := rollout.Make(sample(), waves, evening); len(p.Hash()) != 64 || p.Short() != p.Hash()[:12] {
		t.Errorf("the hash is %q, in short %q", p.Hash(), p.Short())
	}
}

func TestWhatIsBegunIsWhatMayBeWritten(t *testing.T) {
	plan := rollout.Make(sample(), waves, evening)
	r, all := rollout.Begin(plan, "alice", evening)
	if !plan.Writes() || r.ID != "20261121-1930-"+plan.Short() || r.Plan != plan.Hash() || r.State != rollout.Running || r.By != "alice" || !r.Started.Equal(evening) {
		t.Errorf("the rollout is %+v", r)
	}
	var members []string
	for i, m := range r.Members {
		members = append(members, fmt.Sprintf("%s:%s/%s:%d/%d", r.Waves[m.Wave], m.Target.Region, m.ID.Name, m.Groups, m.Nodes))
		p := all[i]
		if p.Rollout != r.ID || p.Cluster.ID != m.ID || len(p.Steps) != m.Groups || len(p.Cluster.Steps) != m.Groups || m.Over() {
			t.Errorf("the progress of %+v is %+v", m, p)
		}
		for _, st := range p.Steps {
			if st.Phase != rollout.Waiting {
				t.Errorf("a step begins as %+v", st)
			}
		}
	}
	if got, want := strings.Join(members, " "), "dev:eu-west-1/lab:1/7 dev:us-east-1/lab:1/2 prod:eu-west-1/orders:4/67 others:eu-west-1/stray:1/1"; got != want {
		t.Errorf("the members are\n%s, want\n%s", got, want)
	}
	all[2].Steps[0].Phase = rollout.Done
	if all[2].Steps[1].Phase != rollout.Waiting {
		t.Error("steps share their state")
	}
}

func TestAPlanOfReportsBeginsNothing(t *testing.T) {
	watched := candidate(europe, "watched", "dev", old("web", 1))
	for _, mode := range []rollout.Mode{rollout.Report, "", "everything"} {
		watched.Policy.Mode = mode
		plan := rollout.Make([]rollout.Candidate{watched}, waves, evening)
		r, all := rollout.Begin(plan, "", evening)
		if plan.Writes() || len(r.Members)+len(r.Waves)+len(all) > 0 || len(plan.Waves) != 1 {
			t.Errorf("mode %q: %+v", mode, r)
		}
	}
}

func TestARolloutFitsOneRecordOfTheLedger(t *testing.T) {
	far := fleet.Target{Account: "111122223333", Region: "ap-southeast-1", Role: "arn:aws:iam::111122223333:role/" + strings.Repeat("r", 64)}
	var many []rollout.Candidate
	drawn := rand.New(rand.NewPCG(1, 2)) // names that gzip cannot shorten, the same in each run
	for range 2100 {
		name := hex.EncodeToString(binary.BigEndian.AppendUint64(nil, drawn.Uint64()))
		c := candidate(far, fmt.Sprintf("%s-%s", strings.Repeat("n", 80), name), "prod", old("web", 450))
		c.Policy.Mode = rollout.Approve
		many = append(many, c)
	}
	plan := rollout.Make(append(many, candidate(europe, "zebra", "dev", old("web", 1))), waves, evening)
	r, _ := rollout.Begin(plan, "alice", evening)
	if len(r.Members) != 2000 || r.Members[0].ID.Name != "zebra" || len(plan.Left) != 101 || !plan.Left[0].Stale || !strings.Contains(plan.Left[0].Why, "next rollout") {
		t.Fatalf("%d members, %d left", len(r.Members), len(plan.Left))
	}
	for i := range r.Members {
		m := &r.Members[i]
		m.Busy, m.Failed, m.Tries = 1, 1, 100
		m.PutOff(fmt.Sprintf("A pod of %s holds it up. ", m.ID)+strings.Repeat("w", 300), evening)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(r), z.Close()); err != nil {
		t.Fatal(err)
	}
	if size := base64.StdEncoding.EncodedLen(b.Len()); size >= 390<<10 {
		t.Errorf("a rollout has %d bytes", size)
	}
}

func TestTheHashIsOfWhatIsCarriedOut(t *testing.T) {
	plan := rollout.Make(sample(), waves, evening)
	without := rollout.Make(slices.DeleteFunc(sample(), func(c rollout.Candidate) bool { return c.ID.Name == "watched" }), waves, evening)
	if plan.Hash() != without.Hash() {
		t.Error("a cluster of the mode report is part of the hash: its changes would void an approval")
	}
	r, all := rollout.Begin(plan, "alice", evening)
	slices.Reverse(all)
	if again := rollout.Planned(r, all); again.Hash() != plan.Hash() || again.Text() != plan.Text() {
		t.Errorf("the plan of the rollout is\n%s, want\n%s", again.Text(), plan.Text())
	}
}
