package doctor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// servers has access entries as EKS tells them, and API servers that fail in the
// way that is written down for their cluster.
type servers struct {
	*awsfleet.Fleet
	fail map[string]kubeapi.Kind
}

func (s servers) Storage(_ context.Context, _ fleet.Target, c fleet.Cluster, _ time.Time) (size, inUse fleet.Series, err error) {
	if kind, ok := s.fail[c.ID.Name]; ok {
		err = &fleet.Trouble{Kind: fleet.Failed, Action: "get /metrics", Err: &kubeapi.Unreachable{Kind: kind, Cluster: c.ID}}
	}
	return size, inUse, err
}

func member(name string) fleet.Target {
	return fleet.Target{Account: other, Region: name, Role: "arn:aws:iam::" + other + ":role/steward-reader"}
}

// examineServers examines the clusters of the member's region, which must be
// ready however its API servers fare.
func examineServers(t *testing.T, target fleet.Target, f *awsfleet.Fleet, fail map[string]kubeapi.Kind) doctor.Report {
	t.Helper()
	r := doctor.Examine(t.Context(), f, doctor.Order{Targets: []fleet.Target{target}, Servers: servers{f, fail}}, time.Now())
	if r.Verdict != doctor.Ready {
		t.Errorf("verdict %s: only the fallback needs API servers", r.Verdict)
	}
	return r
}

func TestFault_43_WhyAnAPIServerCannotBeReadIsToldApart(t *testing.T) {
	f, w := enter(t, region("eu-west-1"))
	for _, name := range []string{"api", "web"} {
		if err := w.Add(other, "eu-west-1", sim.Cluster{Name: name, Version: "1.34", Endpoint: public, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	own := fleet.Target{Account: home, Region: "eu-west-1"}
	for _, tt := range []struct {
		kind         kubeapi.Kind
		asRole, asMe fleet.Outcome
	}{
		{"", fleet.Pass, fleet.Pass},
		{kubeapi.Unauthorized, fleet.Fail, fleet.Unknown}, // my own access says nothing of the role's
		{kubeapi.Forbidden, fleet.Fail, fleet.Unknown},
		{kubeapi.WrongCA, fleet.Fail, fleet.Fail},
		{kubeapi.Refused, fleet.Fail, fleet.Fail},
		{kubeapi.Unresolved, fleet.Fail, fleet.Fail},
		{kubeapi.Private, fleet.NotApplicable, fleet.NotApplicable},
		{kubeapi.TimedOut, fleet.Unknown, fleet.Unknown},
		{kubeapi.Throttled, fleet.Unknown, fleet.Unknown},
		{kubeapi.ServerFailed, fleet.Unknown, fleet.Unknown},
		{kubeapi.Broken, fleet.Unknown, fleet.Unknown},
		{"new", fleet.Unknown, fleet.Unknown},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			var fail map[string]kubeapi.Kind
			if tt.kind != "" {
				fail = map[string]kubeapi.Kind{"api": tt.kind, "web": tt.kind}
			}
			for target, want := range map[fleet.Target]fleet.Outcome{member("eu-west-1"): tt.asRole, own: tt.asMe} {
				e := of(t, examineServers(t, target, f, fail), "API servers") // one, though two clusters show it
				if e.Outcome != want || !e.Optional || !slices.Equal(e.Clusters, []string{"api", "web"}) {
					t.Errorf("%s: %+v, want %s", target, e, want)
				}
			}
		})
	}
}

// read is a cluster as it is written down.
type read struct {
	snapshot fleet.Snapshot
	pods     fleet.Part[[]fleet.Pod]
}

func (r read) Cluster(context.Context, fleet.Target, string) (fleet.Snapshot, fleet.Part[[]fleet.Pod], map[string][]error) {
	return r.snapshot, r.pods, nil
}

func TestFault_43_WhatAnAPIServerKeepsToItselfIsTold(t *testing.T) {
	now := time.Now()
	id := member("eu-west-1").Cluster("api")
	refused := func(path string) error {
		return (&kubeapi.Unreachable{Kind: kubeapi.Forbidden, Cluster: id, Path: path}).Trouble()
	}
	for name, tt := range map[string]struct {
		role   bool
		public bool
		nodes  error
		backup error
		pods   error
		want   []string
	}{
		"all can be read":               {true, true, nil, nil, nil, []string{"pass: read nodes, kube-proxy, backups of Velero, pods with their budgets of cluster api"}},
		"one rule is missing":           {true, true, nil, refused("/apis/velero.io"), nil, []string{"pass: read nodes, kube-proxy, pods with their budgets of", "fail: read backups of Velero of"}},
		"two rules are missing":         {true, true, refused("/api/v1/nodes"), refused("/apis/velero.io"), nil, []string{"fail: read nodes, backups of Velero of", "pass: read kube-proxy, pods with their budgets of"}},
		"only a rollout would miss it":  {true, true, nil, nil, refused("/api/v1/pods"), []string{"pass: read nodes, kube-proxy, backups of Velero of", "fail: read pods with their budgets of"}},
		"my own rights say nothing":     {false, true, refused("/api/v1/nodes"), nil, nil, []string{"unknown: read nodes of", "pass: read kube-proxy, backups of Velero, pods with their budgets of"}},
		"a server that nobody may call": {true, false, refused("/api/v1/nodes"), nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, region("eu-west-1"))
			target := fleet.Target{Account: home, Region: "eu-west-1"}
			if tt.role {
				target = member("eu-west-1")
				if err := w.Add(other, "eu-west-1", sim.Cluster{Name: "api", Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}); err != nil {
					t.Fatal(err)
				}
			}
			s := fleet.Snapshot{
				ID:        id,
				Cluster:   fleet.Read(fleet.Cluster{ID: id, Server: fleet.APIServer{Public: tt.public}}, nil, now),
				Nodes:     fleet.Read([]fleet.Node(nil), tt.nodes, now),
				KubeProxy: fleet.Read(fleet.KubeProxy{}, nil, now),
				Backups:   fleet.Read([]fleet.Backup(nil), tt.backup, now),
			}
			r := doctor.Examine(t.Context(), f, doctor.Order{Targets: []fleet.Target{target}, Rehearsal: read{s, fleet.Read([]fleet.Pod(nil), tt.pods, now)}}, now)
			var got []string
			for _, e := range r.Examinations {
				if e.Subject == "Kubernetes objects" {
					got = append(got, e.Outcome.String()+": "+e.Tried)
				}
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) || r.Verdict != doctor.Ready {
				t.Errorf("%s: told %q, want %q", r.Verdict, got, tt.want)
			}
		})
	}
}

func TestFault_42_APIServersAreGroupedByWhatTheyShow(t *testing.T) {
	full := &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}
	f, _ := enter(t, region("eu-west-1", sim.Cluster{Name: "inside", Etcd: full}, sim.Cluster{Name: "zoo", Etcd: full, Endpoint: public}))
	r := examineServers(t, fleet.Target{Account: home, Region: "eu-west-1"}, f, map[string]kubeapi.Kind{"api": kubeapi.Refused, "inside": kubeapi.Refused, "zoo": kubeapi.Refused})
	var got []string
	for _, e := range r.Examinations {
		if e.Subject == "API servers" {
			got = append(got, fmt.Sprintf("%s of %s", e.Outcome, strings.Join(e.Clusters, " ")))
		}
	}
	if want := []string{"fail of api zoo", "pass of web", "not-applicable of inside"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFault_46_AClusterWithoutDatapointsMayBeAskedItself(t *testing.T) {
	old := sim.Cluster{Name: "old", Version: "1.27", Endpoint: public}
	f, w := enter(t, region("eu-west-1", old))
	if err := w.Add(other, "eu-west-1", old); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		target  fleet.Target
		servers doctor.Servers
		want    doctor.Verdict
	}{
		"it lets the role in":        {member("eu-west-1"), servers{f, nil}, doctor.Ready},
		"it does not":                {member("eu-west-1"), servers{f, map[string]kubeapi.Kind{"old": kubeapi.Forbidden}}, doctor.Mend},
		"nobody asked it":            {member("eu-west-1"), nil, doctor.Mend},
		"it lets me in, no function": {fleet.Target{Account: home, Region: "eu-west-1"}, servers{f, nil}, doctor.Mend},
	} {
		t.Run(name, func(t *testing.T) {
			r := doctor.Examine(t.Context(), f, doctor.Order{Targets: []fleet.Target{tt.target}, Servers: tt.servers}, time.Now())
			if r.Verdict != tt.want {
				t.Errorf("%s: %+v; want %s", r.Verdict, r.Examinations, tt.want)
			}
		})
	}
}

func TestTheAccessEntryIsThatOfWhoReads(t *testing.T) {
	const group = kubeapi.Group
	reader := member("eu-west-1")
	web := reader.Cluster("web")
	for name, tt := range map[string]struct {
		principal string // of the entry; empty for none
		groups    []string
		fault     edge.Action
		broken    string // operation that the fault is of
		want      fleet.Outcome
		remedy    string
	}{
		"with the group":          {principal: reader.Role, groups: []string{"others", group}, want: fleet.Pass},
		"without the group":       {principal: reader.Role, groups: []string{"others"}, want: fleet.Fail, remedy: "update-access-entry --region eu-west-1 --cluster-name web --principal-arn " + reader.Role + " --kubernetes-groups others " + group},
		"none":                    {want: fleet.Fail, remedy: "create-access-entry --type STANDARD --region eu-west-1 --cluster-name web --principal-arn " + reader.Role},
		"of another role only":    {principal: reader.Role + "-2", groups: []string{group}, want: fleet.Fail, remedy: "create-access-entry"},
		"may not be listed":       {fault: denied("eks:ListAccessEntries", unallowed), broken: "ListAccessEntries", want: fleet.Unknown, remedy: "only this examination needs eks:ListAccessEntries"},
		"may not be described":    {principal: reader.Role, fault: denied("eks:DescribeAccessEntry", unallowed), broken: "DescribeAccessEntry", want: fleet.Unknown, remedy: "the reason why an API server refuses the role needs eks:DescribeAccessEntry"},
		"not known in this mode":  {fault: edge.Answer(400, "InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"), broken: "ListAccessEntries", want: fleet.Unknown, remedy: "authentication mode"},
		"gone before it was read": {principal: reader.Role, fault: edge.Answer(404, "ResourceNotFoundException", "no"), broken: "DescribeAccessEntry", want: fleet.Unknown, remedy: "examine again"},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, region("eu-west-1"))
			if err := w.Add(other, "eu-west-1", sim.Cluster{Name: "web", Version: "1.34", Endpoint: public, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}); err != nil {
				t.Fatal(err)
			}
			if tt.principal != "" {
				if err := w.Admit(web, tt.principal, tt.groups...); err != nil {
					t.Fatal(err)
				}
			}
			if tt.broken != "" {
				w.Faults().Script(edge.Step{Operation: tt.broken, Times: edge.Always, Do: tt.fault})
			}
			r := examineServers(t, reader, f, nil)
			e := of(t, r, "access entries")
			if e.Outcome != tt.want || !strings.Contains(e.Remedy, tt.remedy) || !slices.Equal(e.Clusters, []string{"web"}) {
				t.Errorf("%s with the remedy %q; want %s and %q", e.Outcome, e.Remedy, tt.want, tt.remedy)
			}
			if len(r.Policies) != 0 {
				t.Errorf("the functions do not need %v", r.Policies)
			}
		})
	}
}

func TestWithMyOwnCredentialsTheEntryOfTheReaderCounts(t *testing.T) {
	f, w := enter(t, region("cn-north-1"))
	id := fleet.ClusterID{Account: home, Region: "cn-north-1", Name: "api"}
	if err := w.Admit(id, "arn:aws-cn:iam::"+home+":role/steward-reader", kubeapi.Group); err != nil {
		t.Fatal(err)
	}
	id.Name = "web"
	if err := w.Admit(id, "arn:aws-cn:iam::"+home+":user/simulated", kubeapi.Group); err != nil {
		t.Fatal(err)
	}
	r := examineServers(t, fleet.Target{Account: home, Region: "cn-north-1"}, f, nil)
	var got []string
	for _, e := range r.Examinations {
		if e.Subject == "access entries" {
			got = append(got, fmt.Sprintf("%s of %s", e.Outcome, strings.Join(e.Clusters, " ")))
		}
	}
	if want := []string{"pass of api", "fail of web"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// who answers as somebody else's credentials would.
type who struct {
	doctor.Source
	arn string
}

func (w who) IdentityIn(context.Context, fleet.Target) (account, arn string, err error) {
	return home, w.arn, nil
}

func TestAPolicyIsAttachedToTheRoleBehindASession(t *testing.T) {
	for caller, attach := range map[string]string{
		"arn:aws:sts::111122223333:assumed-role/ops/ada":    "arn:aws:iam::111122223333:role/ops",
		"arn:aws-cn:sts::111122223333:assumed-role/ops/ada": "arn:aws-cn:iam::111122223333:role/ops",
		"arn:aws:iam::111122223333:user/team/ada":           "arn:aws:iam::111122223333:user/team/ada",
		"nonsense": "nonsense",
	} {
		t.Run(caller, func(t *testing.T) {
			f, w := enter(t, region("eu-west-1"))
			w.Faults().Script(edge.Step{Operation: "DescribeClusterVersions", Times: edge.Always, Do: denied("eks:DescribeClusterVersions", unallowed)})
			r := doctor.Examine(t.Context(), who{f, caller}, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
			if len(r.Policies) != 1 || r.Policies[0].Principal != attach {
				t.Errorf("attach to %+v, want %s", r.Policies, attach)
			}
		})
	}
}
