package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/eks-steward/eks-steward/internal/sim"
)

// around is a region with what nodes depend on.
func around(t *testing.T) *rig {
	t.Helper()
	return start(t, sim.Fleet{Home: home, Accounts: []sim.Account{{ID: home, Regions: []sim.Region{{
		Name:            "eu-west-1",
		Images:          []sim.Image{{Version: "1.36", Release: "1.36.2-20261101", Published: -240 * time.Hour}, {AMIType: "BOTTLEROCKET_ARM_64", Version: "1.36", Release: "1.50.0-ea1b2c3d"}},
		Calendars:       map[string]bool{"changes": true, "holidays": false},
		Alarms:          []sim.Alarm{{Name: "latency"}, {Name: "errors", State: "ALARM", Reason: "too many"}, {Name: "lag", State: "INSUFFICIENT_DATA"}},
		VCPUs:           map[string]int{"Standard/OnDemand": 40},
		Quotas:          map[string]float64{"L-1216C47A": 64},
		LaunchTemplates: []sim.LaunchTemplate{{ID: "lt-a", Version: 1, Default: true, InstanceType: "m7g.large"}, {ID: "lt-a", Version: 2}, {ID: "lt-b", Version: 7}},
	}}}}})
}

func TestAWSNamesTheNewestImages(t *testing.T) {
	r := around(t)
	const standard = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/release_version"
	parameter := func(name string) *ssmtypes.Parameter {
		t.Helper()
		out, err := r.ssm("eu-west-1").GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Parameter
	}
	if p := parameter(standard); *p.Value != "1.36.2-20261101" || !p.LastModifiedDate.Equal(noon.Add(-240*time.Hour)) || *p.ARN != "arn:aws:ssm:eu-west-1::parameter"+standard {
		t.Errorf("the image is %s of %s, %s", *p.Value, p.LastModifiedDate, *p.ARN)
	}
	if p := parameter("/aws/service/bottlerocket/aws-k8s-1.36/arm64/latest/image_version"); *p.Value != "1.50.0-ea1b2c3d" {
		t.Errorf("Bottlerocket is %s", *p.Value)
	}
	if err := r.Publish(home, "eu-west-1", sim.Image{Version: "1.36", Release: "1.36.3-20261119"}); err != nil {
		t.Fatal(err)
	}
	if p := parameter(standard); *p.Value != "1.36.3-20261119" || !p.LastModifiedDate.Equal(noon) {
		t.Errorf("a newer image is %s of %s", *p.Value, p.LastModifiedDate)
	}
	if err := r.Publish(home, "eu-west-1", sim.Image{AMIType: "CUSTOM", Version: "1.36", Release: "1"}); err == nil || !strings.Contains(err.Error(), "AL2023_ARM_64_STANDARD") {
		t.Errorf("an image of nobody's is published: %v", err)
	}
}

func TestACalendarIsOpenWhenAllAre(t *testing.T) {
	r := around(t)
	for _, row := range []struct {
		name  string
		asked []string
		want  ssmtypes.CalendarState
	}{
		{"open", []string{"changes"}, ssmtypes.CalendarStateOpen},
		{"closed", []string{"holidays"}, ssmtypes.CalendarStateClosed},
		{"by its ARN", []string{"arn:aws:ssm:eu-west-1:111122223333:document/holidays"}, ssmtypes.CalendarStateClosed},
		{"one of two is closed", []string{"changes", "holidays"}, ssmtypes.CalendarStateClosed},
	} {
		out, err := r.ssm("eu-west-1").GetCalendarState(t.Context(), &ssm.GetCalendarStateInput{CalendarNames: row.asked})
		if err != nil || out.State != row.want {
			t.Errorf("%s: %+v, %v", row.name, out, err)
		}
	}
	r.SetCalendar(home, "eu-west-1", "changes", false)
	if out, err := r.ssm("eu-west-1").GetCalendarState(t.Context(), &ssm.GetCalendarStateInput{CalendarNames: []string{"changes"}}); err != nil || out.State != ssmtypes.CalendarStateClosed {
		t.Errorf("when it is closed: %+v, %v", out, err)
	}
	for _, name := range []string{"nobody", "arn:aws:ssm:eu-west-1:444455556666:document/changes"} {
		_, err := r.ssm("eu-west-1").GetCalendarState(t.Context(), &ssm.GetCalendarStateInput{CalendarNames: []string{name}})
		wantCode(t, err, "InvalidDocument")
	}
}

func TestLaunchTemplatesTellTheirHeads(t *testing.T) {
	r := around(t)
	c := r.ec2("eu-west-1")
	heads := func(ids ...string) map[string][2]int64 {
		t.Helper()
		out, err := c.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: ids})
		if err != nil {
			t.Fatal(err)
		}
		all := map[string][2]int64{}
		for _, h := range out.LaunchTemplates {
			all[*h.LaunchTemplateId] = [2]int64{*h.DefaultVersionNumber, *h.LatestVersionNumber}
		}
		return all
	}
	if got := heads("lt-b", "lt-a"); len(got) != 2 || got["lt-a"] != [2]int64{1, 2} || got["lt-b"] != [2]int64{7, 7} {
		t.Errorf("heads are %v", got)
	}
	r.SetTemplate(home, "eu-west-1", sim.LaunchTemplate{ID: "lt-a", Version: 3, Default: true})
	r.SetTemplate(home, "eu-west-1", sim.LaunchTemplate{ID: "lt-a", Version: 4})
	if got := heads(); len(got) != 3 || got["lt-a"] != [2]int64{3, 4} {
		t.Errorf("after two more versions, heads are %v", got)
	}
	out, err := c.DescribeLaunchTemplateVersions(t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: aws.String("lt-a"), Versions: []string{"$Default", "$Latest", "1"}})
	if err != nil || len(out.LaunchTemplateVersions) != 3 {
		t.Fatalf("versions are %+v, %v", out, err)
	}
	for i, want := range []int64{3, 4, 1} {
		if v := out.LaunchTemplateVersions[i]; *v.VersionNumber != want || *v.DefaultVersion != (want == 3) {
			t.Errorf("version %d is %+v", want, v)
		}
	}
	if data := out.LaunchTemplateVersions[2].LaunchTemplateData; data.InstanceType != ec2types.InstanceTypeM7gLarge {
		t.Errorf("its instances are %s", data.InstanceType)
	}
	_, err = c.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{"lt-a", "lt-c"}})
	wantCode(t, err, "InvalidLaunchTemplateId.NotFound")
}

func TestLaunchTemplatesArePaged(t *testing.T) {
	c := around(t).ec2("eu-west-1")
	var ids []string
	p := ec2.NewDescribeLaunchTemplatesPaginator(c, &ec2.DescribeLaunchTemplatesInput{MaxResults: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.LaunchTemplates {
			ids = append(ids, *h.LaunchTemplateId)
		}
	}
	if !slices.Equal(ids, []string{"lt-00000000000000000", "lt-a", "lt-b"}) {
		t.Errorf("templates are %q", ids)
	}
}

func TestInstanceTypesTellTheirVCPUs(t *testing.T) {
	c := around(t).ec2("eu-west-1")
	out, err := c.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{"t3.medium", "r6i.24xlarge"}})
	if err != nil || len(out.InstanceTypes) != 2 {
		t.Fatalf("types are %+v, %v", out, err)
	}
	for _, got := range out.InstanceTypes {
		if want := map[ec2types.InstanceType]int32{"t3.medium": 2, "r6i.24xlarge": 96}[got.InstanceType]; *got.VCpuInfo.DefaultVCpus != want {
			t.Errorf("%s has %d", got.InstanceType, *got.VCpuInfo.DefaultVCpus)
		}
	}
	_, err = c.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{"t3.medium", "x9.huge"}})
	wantCode(t, err, "InvalidInstanceType")
}

func TestAlarmsTellTheirState(t *testing.T) {
	r := around(t)
	c := r.cloudwatch("eu-west-1")
	states := func(in *cloudwatch.DescribeAlarmsInput) map[string]cwtypes.StateValue {
		t.Helper()
		all := map[string]cwtypes.StateValue{}
		p := cloudwatch.NewDescribeAlarmsPaginator(c, in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.MetricAlarms {
				all[*a.AlarmName] = a.StateValue
			}
		}
		return all
	}
	if got := states(&cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(1)}); len(got) != 3 || got["latency"] != "OK" || got["errors"] != "ALARM" || got["lag"] != "INSUFFICIENT_DATA" {
		t.Errorf("states are %v", got)
	}
	if got := states(&cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"errors", "nobody"}}); len(got) != 1 || got["errors"] != "ALARM" {
		t.Errorf("states of two names are %v", got)
	}
	r.SetAlarm(home, "eu-west-1", sim.Alarm{Name: "errors"})
	if got := states(&cloudwatch.DescribeAlarmsInput{StateValue: cwtypes.StateValueAlarm}); len(got) != 0 {
		t.Errorf("when it is quiet, alarms are %v", got)
	}
	if got := states(&cloudwatch.DescribeAlarmsInput{AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeCompositeAlarm}}); len(got) != 0 {
		t.Errorf("composite alarms are %v", got)
	}
	_, err := c.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{NextToken: aws.String("x")})
	wantCode(t, err, "InvalidNextToken")
}

// vcpus asks about the last hour of vCPUs in use.
func (r *rig) vcpus(t *testing.T, class string, more ...cwtypes.Dimension) []float64 {
	t.Helper()
	return r.usage(t, "AWS/Usage", class, more...)
}

func (r *rig) usage(t *testing.T, namespace, class string, more ...cwtypes.Dimension) []float64 {
	t.Helper()
	dims := more
	for name, value := range map[string]string{"Service": "EC2", "Resource": "vCPU", "Type": "Resource", "Class": class} {
		dims = append(dims, cwtypes.Dimension{Name: &name, Value: &value})
	}
	in := lastHour("", "nobody")
	in.MetricDataQueries[0].MetricStat.Metric = &cwtypes.Metric{Namespace: &namespace, MetricName: aws.String("ResourceCount"), Dimensions: dims}
	return mustAsk(t, r.cloudwatch("eu-west-1"), in)["q0"].Values
}

func TestVCPUsInUseAreCountedAgainstTheirQuota(t *testing.T) {
	r := around(t)
	if got := r.vcpus(t, "Standard/OnDemand"); len(got) != 12 || got[11] != 40 {
		t.Errorf("in use are %v", got)
	}
	if got := r.vcpus(t, "G/OnDemand"); len(got) != 0 {
		t.Errorf("of another class are %v", got)
	}
	if got := r.vcpus(t, "Standard/OnDemand", cwtypes.Dimension{Name: aws.String("More"), Value: aws.String("x")}); len(got) != 0 {
		t.Errorf("of other dimensions are %v", got)
	}
	if got := r.usage(t, "AWS/EC2", "Standard/OnDemand"); len(got) != 0 {
		t.Errorf("of another namespace are %v", got)
	}
	r.SetVCPUs(home, "eu-west-1", "Standard/OnDemand", 60)
	if got := r.vcpus(t, "Standard/OnDemand"); got[11] != 60 {
		t.Errorf("then in use are %v", got)
	}
	q, err := r.quotas("eu-west-1").GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("ec2"), QuotaCode: aws.String("L-1216C47A")})
	if err != nil || *q.Quota.Value != 64 || q.Quota.UsageMetric.MetricDimensions["Class"] != "Standard/OnDemand" {
		t.Errorf("the quota is %+v, %v", q, err)
	}
	_, err = r.quotas("eu-west-1").GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String("eks"), QuotaCode: aws.String("L-1216C47A")})
	wantCode(t, err, "NoSuchResourceException")
}

func TestASubnetCanRunOutOfAddresses(t *testing.T) {
	r := small(t)
	if !r.SetFreeIPs(home, "eu-west-1", "subnet-0aaaaaaaaaaaaaaaa", 0) || r.SetFreeIPs(home, "eu-west-1", "subnet-nobody", 1) {
		t.Error("the wrong subnets are there")
	}
	out, err := r.ec2("eu-west-1").DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0aaaaaaaaaaaaaaaa"}})
	if err != nil || *out.Subnets[0].AvailableIpAddressCount != 0 {
		t.Errorf("the subnet is %+v, %v", out, err)
	}
}
