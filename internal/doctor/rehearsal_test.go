package doctor_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet/rehearsal"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

// stage rehearses in a simulated world.
func stage(w *sim.World, region string) *rehearsal.Stage {
	return rehearsal.New(aws.Config{
		Region: region, HTTPClient: inprocess.Client{Handler: w.Handler()},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}, time.Now, snapshot.WithoutServers)
}

const (
	ownKey    = "arn:aws:kms:eu-west-1:" + home + ":key/00000000-0000-4000-8000-000000000001"
	volumeKey = "arn:aws:kms:eu-west-1:" + home + ":key/00000000-0000-4000-8000-000000000002"
)

// rich has something of everything that clustercheck reads.
func rich() sim.Region {
	r := region("eu-west-1", sim.Cluster{
		Name: "rich", Version: "1.33", KeyARN: ownKey, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}},
		Subnets:    []sim.Subnet{{ID: "subnet-00000000000000001", FreeIPs: 250}},
		Nodegroups: []sim.Nodegroup{{Name: "green", Nodes: 3}, {Name: "blue", Nodes: 1, LaunchTemplate: &sim.TemplateVersion{ID: "lt-0123456789abcdef0"}}},
		Addons:     []sim.Addon{{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2"}},
		Insights:   []sim.Insight{{Name: "Deprecated APIs", Status: "ERROR"}},
	})
	r.Keys = []sim.Key{{ID: ownKey}, {ID: volumeKey}}
	r.Volumes = &sim.VolumeDefaults{Encrypted: true, Key: volumeKey}
	r.LaunchTemplates = []sim.LaunchTemplate{{ID: "lt-0123456789abcdef0"}}
	return r
}

// rehearse examines the own account's region.
func rehearse(t *testing.T, r sim.Region, breaks ...edge.Step) (doctor.Report, *sim.World) {
	t.Helper()
	f, w := enter(t, r)
	w.Faults().Script(breaks...)
	return doctor.Examine(t.Context(), f, doctor.Order{Regions: []string{r.Name}, Rehearsal: stage(w, r.Name)}, time.Now()), w
}

// told is what a report says of several actions at once.
func told(r doctor.Report, outcome fleet.Outcome) string {
	var all []string
	for _, e := range r.Examinations {
		if e.Subject == "clustercheck" && e.Outcome == outcome {
			all = append(all, e.Seen)
		}
	}
	return strings.Join(all, "; ")
}

const (
	always = "eks:DescribeAddonVersions, eks:ListNodegroups"
	ofKey  = "kms:DescribeKey, kms:GetKeyRotationStatus, kms:ListAliases, kms:ListResourceTags"
	// What is asked of the nodes that a nodegroup could have.
	ofRenewal = "ec2:DescribeLaunchTemplateVersions, ec2:DescribeLaunchTemplates, ec2:DescribeInstanceTypes, ssm:GetParameter"
	// What is asked of volumes: of the region, and of the key of nodes.
	ofVolumes   = "ec2:GetEbsEncryptionByDefault, ec2:GetEbsDefaultKmsKeyId"
	ofVolumeKey = "kms:ListGrants, kms:GetKeyPolicy"
)

func TestOneClusterOfATargetIsReadWhole(t *testing.T) {
	r, w := rehearse(t, rich())
	if r.Verdict != doctor.Ready {
		t.Errorf("verdict %s of %+v", r.Verdict, r.Examinations)
	}
	want := "allowed: eks:DescribeAddonVersions, eks:ListNodegroups, eks:DescribeNodegroup, eks:ListAddons, eks:DescribeAddon, eks:ListInsights, eks:DescribeInsight, ec2:DescribeSubnets, " + ofRenewal + ", ssm:GetCalendarState, cloudwatch:DescribeAlarms, servicequotas:GetServiceQuota, " + ofVolumes + ", " + ofKey + ", " + ofVolumeKey + ", tag:GetResources"
	if got := told(r, fleet.Pass); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := told(r, fleet.NotApplicable); got != "not tried: eks:ListUpdates, eks:DescribeUpdate, because cluster rich, the only one that was looked at, is not being changed; not tried: servicequotas:GetAWSDefaultServiceQuota, because cluster rich, the only one that was looked at, has no quota of which only AWS's default is known" {
		t.Errorf("told %q of what was not tried", got)
	}
	if calls := w.Calls(); calls.Of("ListNodegroups").Total() != 1 || calls.Of("ListInsights").Total() != 1 {
		t.Errorf("more than one cluster was read whole: %v", calls)
	}
}

func TestWhatCannotBeTriedIsNotClaimedToPass(t *testing.T) {
	for name, tt := range map[string]struct {
		region  sim.Region
		breaks  []edge.Step
		verdict doctor.Verdict
		outcome fleet.Outcome
		want    []string
	}{
		"a cluster that has nothing": {region("eu-west-1"), nil, doctor.Ready, fleet.NotApplicable, []string{
			"not tried: eks:DescribeNodegroup, because cluster api, the only one that was looked at, has no managed nodegroup",
			"not tried: eks:DescribeAddon, because cluster api, the only one that was looked at, has no add-on",
			"not tried: eks:DescribeInsight, because cluster api, the only one that was looked at, has no insight",
			"not tried: " + ofKey + ", because cluster api, the only one that was looked at, has no customer key that exists",
		}},
		"a region without clusters": {sim.Region{Name: "eu-west-1"}, nil, doctor.Ready, fleet.NotApplicable, []string{
			"not tried: " + always, ofKey + ", " + ofVolumeKey + ", because no cluster of EKS is active here",
		}},
		"only a cluster that EKS does not run": {sim.Region{Name: "eu-west-1", Clusters: []sim.Cluster{{Name: "office", Kind: fleet.KindConnected}}}, nil, doctor.Ready, fleet.NotApplicable, []string{
			"not tried: " + always, "because no cluster of EKS is active here",
		}},
		"what comes after a denial": {rich(), []edge.Step{{Operation: "ListNodegroups", Times: edge.Always, Do: denied("eks:ListNodegroups", unallowed)}}, doctor.Mend, fleet.Unknown, []string{
			"not tried: eks:DescribeNodegroup, " + ofRenewal + ", " + ofVolumeKey + ", because eks:ListNodegroups failed before",
		}},
		"a cluster that nobody may describe": {rich(), []edge.Step{{Operation: "DescribeCluster", Times: edge.Always, Do: denied("eks:DescribeCluster", unallowed)}}, doctor.Mend, fleet.Unknown, []string{
			"not tried: eks:DescribeAddonVersions, eks:ListUpdates, eks:DescribeUpdate, ec2:DescribeSubnets, " + ofKey + ", because eks:DescribeCluster failed before",
		}},
		"clusters that nobody may list": {rich(), []edge.Step{{Operation: "ListClusters", Times: edge.Always, Do: denied("eks:ListClusters", unallowed)}}, doctor.Mend, fleet.Unknown, []string{
			"not tried: " + always, "because no cluster is known that could be looked at",
		}},
		"a cluster that is deleted between": {rich(), []edge.Step{
			{Operation: "DescribeCluster", Cluster: "rich", Nth: 2, Times: edge.Always, Do: edge.Answer(404, "ResourceNotFoundException", "No cluster found for name: rich.")},
		}, doctor.Unclear, fleet.Unknown, []string{"not tried: " + always, "because no cluster is known that could be looked at"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := rehearse(t, tt.region, tt.breaks...)
			got := told(r, tt.outcome)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("told %q, want %q", got, want)
				}
			}
			if r.Verdict != tt.verdict {
				t.Errorf("verdict %s, want %s: %+v", r.Verdict, tt.verdict, r.Examinations)
			}
		})
	}
}

func TestFault_05_EachActionOfClustercheckThatIsMissingIsNamed(t *testing.T) {
	operations := map[string][]string{
		"eks": {"DescribeAddonVersions", "ListNodegroups", "DescribeNodegroup", "ListAddons", "DescribeAddon", "ListInsights", "DescribeInsight"},
		"ec2": {"DescribeSubnets", "DescribeLaunchTemplateVersions", "DescribeLaunchTemplates", "DescribeInstanceTypes", "GetEbsEncryptionByDefault", "GetEbsDefaultKmsKeyId"},
		"kms": {"DescribeKey", "GetKeyRotationStatus", "ListAliases", "ListResourceTags", "ListGrants", "GetKeyPolicy"},
		"tag": {"GetResources"},
		"ssm": {"GetParameter", "GetCalendarState"},

		"servicequotas": {"GetServiceQuota"},

		"cloudwatch": {"DescribeAlarms"},
	}
	for prefix, names := range operations {
		for _, operation := range names {
			action := prefix + ":" + operation
			t.Run(action, func(t *testing.T) {
				r, _ := rehearse(t, rich(), edge.Step{Operation: operation, Times: edge.Always, Do: denied(action, unallowed)})
				e := of(t, r, action)
				if e.Outcome != fleet.Fail || e.Optional || !strings.Contains(e.Remedy, "allow "+action+" to") || !slices.Equal(e.Clusters, []string{"rich"}) || r.Verdict != doctor.Mend {
					t.Errorf("%s: %+v", r.Verdict, e)
				}
				if strings.Contains(told(r, fleet.Pass), action+",") {
					t.Errorf("%s is said to be allowed, too", action)
				}
				if len(r.Policies) != 1 || !slices.Equal(r.Policies[0].Document.Statement[0].Action, []string{action}) {
					t.Errorf("policies %+v", r.Policies)
				}
			})
		}
	}
}

// All that a first visit can find without a single permission.
func TestFault_05_SomebodyWithoutAnyPermissionGetsAPolicy(t *testing.T) {
	var none []edge.Step
	for _, service := range []string{"eks", "monitoring", "ec2", "kms", "tagging", "ssm", "servicequotas"} {
		none = append(none, edge.Step{Service: service, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "You are not allowed to do that.")})
	}
	r, _ := rehearse(t, rich(), none...)
	golden(t, "no-permission", r.Policies)
}

func TestSeveralMissingActionsOfOnePartAreAllNamed(t *testing.T) {
	var breaks []edge.Step
	for _, operation := range []string{"GetKeyRotationStatus", "ListAliases", "ListResourceTags", "DescribeNodegroup"} {
		breaks = append(breaks, edge.Step{Operation: operation, Times: edge.Always, Do: edge.Answer(http.StatusForbidden, "AccessDeniedException", "You are not allowed to do that.")})
	}
	r, _ := rehearse(t, rich(), breaks...)
	golden(t, "parts", r.Policies)
}

func TestAKeyOfAnotherAccountDecidesNothing(t *testing.T) {
	foreign := strings.Replace(ownKey, home, other, 1)
	r, _ := rehearse(t, region("eu-west-1", sim.Cluster{Name: "aaa", KeyARN: foreign, Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}))
	if e := of(t, r, "kms:DescribeKey"); e.Outcome != fleet.Fail || !e.Optional || !strings.Contains(e.Remedy, "account "+other) {
		t.Errorf("%+v", e)
	}
	if got := told(r, fleet.Unknown); !strings.Contains(got, "kms:DescribeKey failed before") {
		t.Errorf("told %q of what comes after", got)
	}
	if r.Verdict != doctor.Ready || len(r.Policies) != 0 {
		t.Errorf("verdict %s, policies %v", r.Verdict, r.Policies)
	}
}

func TestTheKeysOwnPolicyIsNamedWhereItRefuses(t *testing.T) {
	r, _ := rehearse(t, rich(), edge.Step{Operation: "DescribeKey", Times: edge.Always, Do: denied("kms:DescribeKey", "because no resource-based policy allows the kms:DescribeKey action")})
	if e := of(t, r, "kms:DescribeKey"); e.Outcome != fleet.Fail || !strings.Contains(e.Remedy, "own policy") || len(r.Policies) != 0 {
		t.Errorf("%+v, policies %v", e, r.Policies)
	}
}

func TestOneDenialAmongSeveralAnswersIsADenial(t *testing.T) {
	r, _ := rehearse(t, rich(), edge.Step{Operation: "DescribeNodegroup", Nth: 2, Do: denied("eks:DescribeNodegroup", unallowed)})
	if e := of(t, r, "eks:DescribeNodegroup"); e.Outcome != fleet.Fail || len(r.Policies) != 1 {
		t.Errorf("%+v, policies %v", e, r.Policies)
	}
}

func TestAClusterThatMayNotBeDescribedIsReadAllTheSame(t *testing.T) {
	only := rich()
	only.Clusters = only.Clusters[3:]
	r, _ := rehearse(t, only, edge.Step{Operation: "DescribeCluster", Times: edge.Always, Do: denied("eks:DescribeCluster", unallowed)})
	if got := told(r, fleet.Pass); !strings.Contains(got, "eks:DescribeNodegroup") {
		t.Errorf("told %q", got)
	}
}

func TestAnOutageOfOneActionIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := rehearse(t, rich(), edge.Step{Operation: "ListAddons", Times: edge.Always, Do: edge.Answer(503, "ServiceUnavailable", "down")})
		if e := of(t, r, "eks:ListAddons"); e.Outcome != fleet.Unknown || r.Verdict != doctor.Unclear || len(r.Policies) != 0 {
			t.Errorf("%s: %+v", r.Verdict, e)
		}
	})
}

func TestAClusterThatIsBeingChangedShowsItsActionsToo(t *testing.T) {
	r := region("eu-west-1")
	r.Clusters[0].Status = "UPDATING"
	report, w := rehearse(t, r)
	if got := told(report, fleet.Pass); !strings.Contains(got, "eks:ListUpdates") {
		t.Errorf("told %q, actions %v", got, w.Actions())
	}
}

// What a role is given, and what this package asks about, are written in two
// places.
func TestEveryActionOfTheReaderIsExamined(t *testing.T) {
	b, err := os.ReadFile("../../infra/testdata/roles.golden")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\nReader steward-reader\n")
	if !ok {
		t.Fatal("the file has no role steward-reader: was it renamed?")
	}
	section, _, _ = strings.Cut(section, "\n\n")
	r, _ := rehearse(t, rich())
	all := fmt.Sprintf("%+v", r.Examinations)
	for line := range strings.Lines(section) {
		action := strings.Fields(line)[0]
		if strings.Contains(action, ":") && action != "eks:DescribeAccessEntry" && !strings.Contains(all, action) { // that is for --api-servers
			t.Errorf("%s is not examined", action)
		}
	}
}
