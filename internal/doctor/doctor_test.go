package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var update = flag.Bool("update", false, "write the golden files")

const home, other = "111122223333", "444455556666"

// enter returns a Fleet in a simulated world, reached without a connection so
// that time can be a bubble's. The hub works in the first region given.
func enter(t *testing.T, regions ...sim.Region) (*awsfleet.Fleet, *sim.World) {
	t.Helper()
	member := sim.Account{ID: other, Regions: []sim.Region{{Name: "eu-west-1"}}, Roles: []sim.Role{{Name: "steward-reader"}}}
	w, err := sim.New(sim.Fleet{Home: home, Accounts: []sim.Account{{ID: home, Regions: regions}, member}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return awsfleet.New(aws.Config{
		Region: regions[0].Name, HTTPClient: inprocess.Client{Handler: w.Handler()},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}), w
}

// public is an endpoint that the world does not say more about.
const public = "https://server.invalid"

// region has two measured clusters of EKS, and one that EKS does not run.
func region(name string, more ...sim.Cluster) sim.Region {
	full := &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}
	return sim.Region{Name: name, Clusters: append([]sim.Cluster{
		{Name: "api", Version: "1.34", Etcd: full, Endpoint: public}, {Name: "web", Version: "1.34", Etcd: full, Endpoint: public}, {Name: "office", Kind: fleet.KindConnected},
	}, more...)}
}

// of returns the only examination of a subject.
func of(t *testing.T, r doctor.Report, subject string) doctor.Examination {
	t.Helper()
	var found []doctor.Examination
	for _, e := range r.Examinations {
		if e.Subject == subject {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d examinations of %s, want 1, in %+v", len(found), subject, r.Examinations)
	}
	return found[0]
}

// outcomes are those of what is not optional, by subject.
func outcomes(r doctor.Report) string {
	var all []string
	for _, e := range r.Examinations {
		if !e.Optional {
			all = append(all, e.Subject+" "+e.Outcome.String())
		}
	}
	return strings.Join(all, ", ")
}

const healthy = "credentials pass, role pass, region pass, eks:ListClusters pass, eks:DescribeClusterVersions pass, eks:DescribeCluster pass, cloudwatch:GetMetricData pass, metric pass"

func TestAHealthyRegionIsReady(t *testing.T) {
	f, w := enter(t, region("eu-west-1"))
	r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
	if r.Verdict != doctor.Ready || outcomes(r) != healthy || len(r.Policies) != 0 {
		t.Errorf("%s: %s, policies %v", r.Verdict, outcomes(r), r.Policies)
	}
	for _, e := range r.Examinations {
		if e.Optional && (e.Outcome != fleet.Unknown || !strings.HasPrefix(e.Seen, "not examined")) {
			t.Errorf("%s was not examined and is told as %s: %s", e.Subject, e.Outcome, e.Seen)
		}
	}
	for who, actions := range w.Actions() {
		for _, a := range actions {
			if !slices.Contains([]string{"sts:GetCallerIdentity", "eks:ListClusters", "eks:DescribeCluster", "eks:DescribeClusterVersions", "cloudwatch:GetMetricData"}, a) {
				t.Errorf("%s used %s, which the functions do not", who, a)
			}
		}
	}
}

// denied answers as IAM does.
func denied(action, why string) edge.Action {
	return edge.Answer(403, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/simulated is not authorized to perform: "+action+" on resource: * "+why)
}

const unallowed = "because no identity-based policy allows the action"

func TestFault_05_MissingActionsAreNamedWithThePolicyThatGrantsThem(t *testing.T) {
	actions := map[string]string{
		"ListClusters": "eks:ListClusters", "DescribeCluster": "eks:DescribeCluster",
		"DescribeClusterVersions": "eks:DescribeClusterVersions", "GetMetricData": "cloudwatch:GetMetricData",
	}
	for name, tt := range map[string]struct {
		in     string
		denied []string
	}{
		"one-action":       {"eu-west-1", []string{"GetMetricData"}},
		"clusters-by-arn":  {"eu-west-1", []string{"DescribeCluster"}},
		"everything":       {"eu-west-1", []string{"ListClusters", "DescribeCluster", "DescribeClusterVersions", "GetMetricData"}},
		"china":            {"cn-north-1", []string{"DescribeCluster", "GetMetricData"}},
		"everything-in-us": {"us-gov-west-1", []string{"ListClusters", "DescribeCluster", "DescribeClusterVersions", "GetMetricData"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, region(tt.in))
			for _, operation := range tt.denied {
				w.Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: denied(actions[operation], unallowed)})
			}
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{tt.in}}, time.Now())
			if r.Verdict != doctor.Mend {
				t.Errorf("verdict %s", r.Verdict)
			}
			for operation, action := range actions {
				want := fleet.Pass
				if slices.Contains(tt.denied, operation) {
					want = fleet.Fail
				}
				if e := of(t, r, action); e.Outcome != want || (want == fleet.Fail) != strings.Contains(e.Remedy, "allow "+action) {
					t.Errorf("%s is %s with the remedy %q, want %s", action, e.Outcome, e.Remedy, want)
				}
			}
			golden(t, name, r.Policies)
		})
	}
}

func golden(t *testing.T, name string, got any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs:\n%s\nwant\n%s", path, b.Bytes(), want)
	}
}

func TestFault_05_DenialsThatNoPermissionLiftsGetNoPolicy(t *testing.T) {
	for name, tt := range map[string]struct {
		operation, action, why string
		remedy                 string
	}{
		"an explicit deny":                   {"GetMetricData", "cloudwatch:GetMetricData", "with an explicit deny in an identity-based policy", "another permission does not help"},
		"a permissions boundary":             {"DescribeCluster", "eks:DescribeCluster", "because no permissions boundary allows the eks:DescribeCluster action", "another permission does not help"},
		"a service control policy on one":    {"DescribeClusterVersions", "eks:DescribeClusterVersions", "with an explicit deny in a service control policy", "service control policy"},
		"an action that the reader has not":  {"DescribeCluster", "kms:Decrypt", unallowed, "allow kms:Decrypt to"},
		"a policy of the session, by itself": {"GetMetricData", "cloudwatch:GetMetricData", "because no session policy allows the action", "another permission does not help"},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, region("eu-west-1"))
			w.Faults().Script(edge.Step{Operation: tt.operation, Times: edge.Always, Do: denied(tt.action, tt.why)})
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
			service := map[bool]string{true: "cloudwatch:", false: "eks:"}[tt.operation == "GetMetricData"]
			if e := of(t, r, service+tt.operation); e.Outcome != fleet.Fail || !strings.Contains(e.Remedy, tt.remedy) || strings.Contains(e.Remedy, "below") {
				t.Errorf("%s with the remedy %q, want %q", e.Outcome, e.Remedy, tt.remedy)
			}
			if r.Verdict != doctor.Mend || len(r.Policies) != 0 {
				t.Errorf("verdict %s, policies %v", r.Verdict, r.Policies)
			}
		})
	}
}

func TestFault_06_WhatIsBehindARole(t *testing.T) {
	reader := "arn:aws:iam::" + other + ":role/steward-reader"
	for name, tt := range map[string]struct {
		target  fleet.Target
		want    string
		verdict doctor.Verdict
		remedy  string
	}{
		"a role that lets us in":        {fleet.Target{Account: other, Region: "eu-west-1", Role: reader}, strings.Replace(healthy, "metric pass", "metric not-applicable", 1), doctor.Ready, ""},
		"a role that does not":          {fleet.Target{Account: other, Region: "eu-west-1", Role: reader + "-of-nobody"}, "credentials pass, role unknown", doctor.Unclear, "lets in only the function"},
		"a role of another account":     {fleet.Target{Account: "777788889999", Region: "eu-west-1", Role: reader}, "credentials pass, role fail", doctor.Mend, "name a role of account 777788889999"},
		"own credentials of another":    {fleet.Target{Account: other, Region: "eu-west-1"}, "credentials pass, role fail", doctor.Mend, "name a role of account " + other},
		"own credentials, own account":  {fleet.Target{Account: home, Region: "eu-west-1"}, healthy, doctor.Ready, ""},
		"a region without any clusters": {fleet.Target{Account: home, Region: "sa-east-1"}, strings.Replace(healthy, "metric pass", "metric not-applicable", 1), doctor.Ready, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := enter(t, region("eu-west-1"))
			r := doctor.Examine(t.Context(), f, doctor.Order{Targets: []fleet.Target{tt.target}}, time.Now())
			if outcomes(r) != tt.want || r.Verdict != tt.verdict {
				t.Errorf("%s: %s; want %s: %s", r.Verdict, outcomes(r), tt.verdict, tt.want)
			}
			if e := of(t, r, "role"); !strings.Contains(e.Remedy, tt.remedy) || (tt.remedy == "") != (e.Remedy == "") {
				t.Errorf("the remedy is %q, want %q", e.Remedy, tt.remedy)
			}
		})
	}
}

func TestFault_06_APolicyIsForTheRoleThatReads(t *testing.T) {
	f, w := enter(t, region("eu-west-1"))
	w.Faults().Script(edge.Step{Account: other, Operation: "DescribeCluster", Times: edge.Always, Do: denied("eks:DescribeCluster", unallowed)})
	role := "arn:aws:iam::" + other + ":role/steward-reader"
	var targets []fleet.Target
	for _, name := range []string{"us-east-1", "eu-west-1"} {
		targets = append(targets, fleet.Target{Account: other, Region: name, Role: role})
	}
	r := doctor.Examine(t.Context(), f, doctor.Order{Targets: append(targets, fleet.Target{Account: home, Region: "eu-west-1"})}, time.Now())
	if len(r.Policies) != 1 || r.Policies[0].Principal != role {
		t.Fatalf("policies %+v", r.Policies)
	}
	golden(t, "two-regions", r.Policies)
}

func TestFault_07_ARegionThatRefusesIsToldAsSuch(t *testing.T) {
	for name, refuse := range map[string]func(*edge.Faults){
		"not enabled":            func(f *edge.Faults) { f.DisableRegion(home, "me-south-1") },
		"service control policy": func(f *edge.Faults) { f.DenyByPolicy(home, "me-south-1") },
	} {
		t.Run(name, func(t *testing.T) {
			f, w := enter(t, region("eu-west-1"), region("me-south-1"))
			refuse(w.Faults())
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"me-south-1"}}, time.Now())
			e := of(t, r, "region")
			if e.Outcome != fleet.Fail || !strings.Contains(e.Seen, name) || r.Verdict != doctor.Mend {
				t.Errorf("%s: %s, %q", r.Verdict, e.Outcome, e.Seen)
			}
			if got := outcomes(r); got != "credentials pass, role pass, region fail" || len(r.Policies) != 0 {
				t.Errorf("%s, policies %v", got, r.Policies)
			}
			if r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"me-south-1", "eu-west-1"}}, time.Now()); !strings.HasSuffix(outcomes(r), "metric pass") {
				t.Errorf("the other region was not examined: %s", outcomes(r))
			}
		})
	}
}

func TestAnOutageIsUnknownAndNeverReady(t *testing.T) {
	for operation, want := range map[string]string{
		"ListClusters":            "region unknown, eks:ListClusters unknown, eks:DescribeClusterVersions pass, eks:DescribeCluster pass, cloudwatch:GetMetricData pass",
		"DescribeCluster":         "region pass, eks:ListClusters pass, eks:DescribeClusterVersions pass, eks:DescribeCluster unknown, cloudwatch:GetMetricData pass, metric pass",
		"DescribeClusterVersions": strings.Replace(strings.TrimPrefix(healthy, "credentials pass, role pass, "), "Versions pass", "Versions unknown", 1),
		"GetMetricData":           "region pass, eks:ListClusters pass, eks:DescribeClusterVersions pass, eks:DescribeCluster pass, cloudwatch:GetMetricData unknown",
	} {
		t.Run(operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := enter(t, region("eu-west-1"))
				w.Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: edge.Answer(503, "ServiceUnavailable", "down")})
				r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
				if r.Verdict != doctor.Unclear {
					t.Errorf("verdict %s", r.Verdict)
				}
				got := strings.TrimPrefix(outcomes(r), "credentials pass, role pass, ")
				if operation == "DescribeCluster" { // the connected cluster may have been one of EKS
					want = strings.Replace(want, "metric pass", "metric pass, metric unknown", 1)
				}
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		})
	}
}

func TestADenialIsToldBeforeAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := enter(t, region("eu-west-1"))
		w.Faults().Script(
			edge.Step{Operation: "DescribeCluster", Cluster: "api", Times: edge.Always, Do: edge.Answer(503, "ServiceUnavailable", "down")},
			edge.Step{Operation: "DescribeCluster", Cluster: "office", Times: edge.Always, Do: denied("eks:DescribeCluster", unallowed)},
		)
		r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
		if e := of(t, r, "eks:DescribeCluster"); e.Outcome != fleet.Fail || !slices.Equal(e.Clusters, []string{"api", "office"}) || len(r.Policies) != 1 {
			t.Errorf("%+v, policies %v", e, r.Policies)
		}
	})
}

func TestFault_02_AClusterThatIsGoneIsNoFault(t *testing.T) {
	f, w := enter(t, region("eu-west-1"))
	w.Faults().Script(edge.Step{Operation: "DescribeCluster", Cluster: "web", Do: edge.Answer(404, "ResourceNotFoundException", "No cluster found for name: web.")})
	r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
	if e := of(t, r, "metric"); r.Verdict != doctor.Ready || outcomes(r) != healthy || !slices.Equal(e.Clusters, []string{"api"}) {
		t.Errorf("%s: %s, metric of %q", r.Verdict, outcomes(r), e.Clusters)
	}
}

func TestWithoutCredentialsNothingIsKnown(t *testing.T) {
	f, w := enter(t, region("eu-west-1"))
	w.Faults().Script(edge.Step{Operation: "GetCallerIdentity", Times: edge.Always, Do: edge.Answer(403, "ExpiredToken", "The security token included in the request is expired")})
	r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
	if e := of(t, r, "credentials"); e.Outcome != fleet.Unknown || e.Remedy == "" || r.Verdict != doctor.Unclear || len(r.Examinations) != 1 {
		t.Errorf("%s: %+v", r.Verdict, r.Examinations)
	}
}

func TestFault_46_ClustersWithoutDatapointsAreNamed(t *testing.T) {
	half := &sim.Etcd{Curve: sim.Curve{SizeGB: 1}, Gap: &sim.Gap{From: -2 * time.Hour}, Partial: true}
	f, _ := enter(t, region("eu-west-1",
		sim.Cluster{Name: "old", Version: "1.27"}, sim.Cluster{Name: "ancient", Version: "1.26"}, sim.Cluster{Name: "half", Etcd: half},
		sim.Cluster{Name: "new", Status: "CREATING"}, sim.Cluster{Name: "factory", Kind: fleet.KindOutpost}))
	r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}}, time.Now())
	got := map[fleet.Outcome][]string{}
	for _, e := range r.Examinations {
		if e.Subject == "metric" {
			got[e.Outcome] = e.Clusters
		}
	}
	want := map[fleet.Outcome][]string{fleet.Pass: {"api", "web"}, fleet.Fail: {"ancient", "old"}, fleet.Unknown: {"half"}}
	if fmt.Sprint(got) != fmt.Sprint(want) || r.Verdict != doctor.Mend {
		t.Errorf("%s: %v, want %v", r.Verdict, got, want)
	}
}

type secret struct {
	value string
	err   error
}

func (s secret) Value(context.Context) (string, error) { return s.value, s.err }

func TestTheSlackSecretIsHeldAgainstItsFormAndNeverShown(t *testing.T) {
	denied := fmt.Errorf("read secret steward: %w", &fleet.Trouble{Kind: fleet.Denied, Action: "secretsmanager:GetSecretValue", Err: errors.New("no")})
	gone := fmt.Errorf("read secret steward: %w", &fleet.Trouble{Kind: fleet.Gone, Action: "secretsmanager:GetSecretValue", Err: errors.New("no such secret")})
	for name, tt := range map[string]struct {
		secret secret
		want   fleet.Outcome
	}{
		"an incoming webhook":          {secret{value: "https://hooks.slack.com/services/T0CANARY/B0CANARY/xCANARY"}, fleet.Pass},
		"one of Slack for governments": {secret{value: "https://hooks.slack-gov.com/services/T0CANARY/B0CANARY/xCANARY"}, fleet.Pass},
		"JSON with the address":        {secret{value: `{"url":"https://hooks.slack.com/services/T0CANARY/B0CANARY/xCANARY"}`}, fleet.Fail},
		"plain http":                   {secret{value: "http://hooks.slack.com/services/T0CANARY/B0CANARY/xCANARY"}, fleet.Fail},
		"a code less":                  {secret{value: "https://hooks.slack.com/services/T0CANARY/xCANARY"}, fleet.Fail},
		"a host that looks alike":      {secret{value: "https://hooks.slack.com.example.com/services/T0CANARY/B0CANARY/xCANARY"}, fleet.Fail},
		"a user in front of the host":  {secret{value: "https://CANARY@hooks.slack.com/services/T0/B0/x"}, fleet.Fail},
		"the token of a bot":           {secret{value: "xoxb-1-2-CANARY"}, fleet.Pass},
		"a token with more beside it":  {secret{value: "xoxb-1-2-CANARY\n"}, fleet.Fail},
		"the token of a user":          {secret{value: "xoxp-CANARY"}, fleet.Fail},
		"the token of an app":          {secret{value: "xapp-CANARY"}, fleet.Fail},
		"no address at all":            {secret{value: "https://CANARY\x7f"}, fleet.Fail},
		"no text":                      {secret{err: errors.New("read secret steward: it holds no text")}, fleet.Fail},
		"no secret":                    {secret{err: gone}, fleet.Fail},
		"a secret that others read":    {secret{err: denied}, fleet.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := enter(t, region("eu-west-1"))
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Secret: tt.secret, SecretName: "steward"}, time.Now())
			e := of(t, r, "Slack secret")
			if e.Outcome != tt.want || e.Optional || (e.Remedy == "") != (tt.want == fleet.Pass) {
				t.Errorf("%+v, want %s", e, tt.want)
			}
			if strings.HasPrefix(tt.secret.value, "x") && !strings.Contains(e.Seen, "token") {
				t.Errorf("%+v: it is a token", e)
			}
			if all := fmt.Sprintf("%+v", r); strings.Contains(all, "CANARY") {
				t.Errorf("the secret is shown: %s", all)
			}
		})
	}
}

type topics struct {
	confirmed, pending int
	err                error
}

// Subscriptions knows the topics that these tests name.
func (s topics) Subscriptions(_ context.Context, arn string) (confirmed, pending int, err error) {
	if !strings.HasSuffix(arn, ":findings") && !strings.HasSuffix(arn, ":machines") {
		return 0, 0, fmt.Errorf("asked about topic %q", arn)
	}
	return s.confirmed, s.pending, s.err
}

func TestATopicNeedsSomebodyWhoListens(t *testing.T) {
	for name, tt := range map[string]struct {
		topics topics
		want   fleet.Outcome
		says   string
	}{
		"somebody":      {topics{confirmed: 1, pending: 2}, fleet.Pass, "1 subscription confirmed, 2 pending"},
		"nobody yet":    {topics{pending: 2}, fleet.Fail, "no confirmed subscription, 2 pending"},
		"no topic":      {topics{err: &fleet.Trouble{Kind: fleet.Gone, Err: errors.New("none")}}, fleet.Fail, "no such topic"},
		"not ours":      {topics{err: &fleet.Trouble{Kind: fleet.Denied, Err: errors.New("not you")}}, fleet.Unknown, "not you"},
		"a bare answer": {topics{err: errors.New("SNS did not say")}, fleet.Unknown, "did not say"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := enter(t, region("eu-west-1"))
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Topics: tt.topics, Topic: "arn:aws:sns:eu-west-1:111122223333:findings"}, time.Now())
			if e := of(t, r, "SNS topic"); e.Outcome != tt.want || !strings.Contains(e.Seen, tt.says) || e.Optional {
				t.Errorf("%+v, want %s and %q", e, tt.want, tt.says)
			}
		})
	}
}

func TestTheTopicForMachinesHasToBeThereAndNeedsNobody(t *testing.T) {
	for name, tt := range map[string]struct {
		topics topics
		want   fleet.Outcome
		says   string
	}{
		"a program":  {topics{confirmed: 2}, fleet.Pass, "2 subscriptions confirmed"},
		"no program": {topics{pending: 1}, fleet.Pass, "no program listens"},
		"no topic":   {topics{err: &fleet.Trouble{Kind: fleet.Gone, Err: errors.New("none")}}, fleet.Fail, "no such topic"},
		"not ours":   {topics{err: &fleet.Trouble{Kind: fleet.Denied, Err: errors.New("not you")}}, fleet.Unknown, "not you"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := enter(t, region("eu-west-1"))
			r := doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{"eu-west-1"}, Topics: tt.topics, Machines: "arn:aws:sns:eu-west-1:111122223333:machines"}, time.Now())
			e := of(t, r, "SNS topic for machines")
			if e.Outcome != tt.want || !strings.Contains(e.Seen, tt.says) || !strings.Contains(e.Tried, ":machines") || (e.Remedy == "") != (tt.want == fleet.Pass) {
				t.Errorf("%+v, want %s and %q", e, tt.want, tt.says)
			}
			if e := of(t, r, "SNS topic"); !e.Optional {
				t.Errorf("%+v: no topic for people was named", e)
			}
		})
	}
}

func TestTheVerdictFollowsTheWorstThatIsNeeded(t *testing.T) {
	pass, fail, unknown := doctor.Examination{Outcome: fleet.Pass}, doctor.Examination{Outcome: fleet.Fail}, doctor.Examination{}
	none := doctor.Examination{Outcome: fleet.NotApplicable}
	spare := func(e doctor.Examination) doctor.Examination { e.Optional = true; return e }
	for name, tt := range map[string]struct {
		examinations []doctor.Examination
		want         doctor.Verdict
	}{
		"nothing examined":                     {nil, doctor.Unclear},
		"all passes":                           {[]doctor.Examination{pass, none}, doctor.Ready},
		"one fails":                            {[]doctor.Examination{pass, fail}, doctor.Mend},
		"one is unknown":                       {[]doctor.Examination{unknown, pass}, doctor.Unclear},
		"a fault outranks the unknown after":   {[]doctor.Examination{fail, unknown}, doctor.Mend},
		"a fault outranks the unknown before":  {[]doctor.Examination{unknown, fail}, doctor.Mend},
		"what is optional decides nothing":     {[]doctor.Examination{spare(fail), pass, spare(unknown)}, doctor.Ready},
		"only what is optional: nothing known": {[]doctor.Examination{spare(pass)}, doctor.Unclear},
	} {
		t.Run(name, func(t *testing.T) {
			if got := doctor.Conclude(tt.examinations).Verdict; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
