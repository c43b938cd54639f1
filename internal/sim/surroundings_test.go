package sim_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	tagtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

const (
	disabledKey   = "11111111-2222-4333-8444-555555555555"
	leavingKey    = "22222222-3333-4444-8555-666666666666"
	everywhereKey = "mrk-33333333333333333333333333333333"
	signingKey    = "44444444-5555-4666-8777-888888888888"
	keyARN        = "arn:aws:kms:eu-west-1:111122223333:key/"
)

// edgeLoop makes every page of an operation name itself as the next.
func edgeLoop(operation string) edge.Step {
	return edge.Step{Operation: operation, Times: edge.Always, Do: edge.RepeatToken()}
}

func TestSubnetsTellTheirFreeAddresses(t *testing.T) {
	c := small(t).ec2("eu-west-1")
	out, err := c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0bbbbbbbbbbbbbbbb", "subnet-0aaaaaaaaaaaaaaaa"}})
	if err != nil || len(out.Subnets) != 2 {
		t.Fatalf("subnets are %+v, %v", out, err)
	}
	a := out.Subnets[0]
	if *a.SubnetId != "subnet-0aaaaaaaaaaaaaaaa" || *a.AvailableIpAddressCount != 3 || *a.AvailabilityZone != "eu-west-1a" || *a.VpcId != "vpc-0aaaaaaaaaaaaaaaa" {
		t.Errorf("the first subnet is %+v", a)
	}
	_, err = c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-0aaaaaaaaaaaaaaaa", "subnet-0ccccccccccccccccc"}})
	if api := wantCode(t, err, "InvalidSubnetID.NotFound"); !strings.Contains(api.ErrorMessage(), "subnet-0ccccccccccccccccc") {
		t.Errorf("message is %q", api.ErrorMessage())
	}
}

func TestSubnetsArePaged(t *testing.T) {
	f := crowd(1)
	for i := range 12 {
		f.Accounts[0].Regions[0].Clusters[0].Subnets = append(f.Accounts[0].Regions[0].Clusters[0].Subnets, sim.Subnet{ID: "subnet-" + string(rune('a'+i))})
	}
	c := start(t, f).ec2("eu-west-1")
	var ids []string
	pages := 0
	p := ec2.NewDescribeSubnetsPaginator(c, &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(5)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, n := range page.Subnets {
			ids = append(ids, *n.SubnetId)
		}
	}
	if pages != 3 || len(slices.Compact(ids)) != 12 {
		t.Errorf("%d pages hold %v", pages, ids)
	}
	_, err := c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{MaxResults: aws.Int32(4)})
	wantCode(t, err, "InvalidParameterValue")
	_, err = c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{NextToken: aws.String("x")})
	wantCode(t, err, "InvalidNextToken")
}

func TestKeysTellWhyTheyWillNotDo(t *testing.T) {
	r := small(t)
	c := r.kms("eu-west-1")
	describe := func(key string) *kmstypes.KeyMetadata {
		t.Helper()
		out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata
	}
	for _, name := range []string{disabledKey, keyARN + disabledKey, "alias/secrets", "arn:aws:kms:eu-west-1:111122223333:alias/secrets"} {
		if k := describe(name); k.KeyState != kmstypes.KeyStateDisabled || k.Enabled || *k.Arn != keyARN+disabledKey {
			t.Errorf("%s is %+v", name, k)
		}
	}
	if k := describe(leavingKey); k.KeyState != kmstypes.KeyStatePendingDeletion || !k.DeletionDate.Equal(noon.Add(240*time.Hour)) {
		t.Errorf("the leaving key is %+v", k)
	}
	if k := describe(signingKey); k.KeySpec != kmstypes.KeySpecRsa2048 || k.KeyUsage != kmstypes.KeyUsageTypeSignVerify {
		t.Errorf("the asymmetric key is %+v", k)
	}
	if k := describe("alias/everywhere"); !*k.MultiRegion || k.MultiRegionConfiguration.MultiRegionKeyType != kmstypes.MultiRegionKeyTypePrimary || *k.MultiRegionConfiguration.ReplicaKeys[0].Region != "us-east-1" {
		t.Errorf("the multi-Region key is %+v", k)
	}
	r.now = noon.Add(240 * time.Hour)
	_, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(leavingKey)})
	wantCode(t, err, "NotFoundException")
}

func TestKeysThatCannotBeNamedAreRefused(t *testing.T) {
	c := small(t).kms("eu-west-1")
	for name, row := range map[string]struct{ key, code string }{
		"nobody's key":             {"99999999-0000-4000-8000-000000000000", "NotFoundException"},
		"nobody's alias":           {"alias/nobody", "NotFoundException"},
		"a key of another account": {"arn:aws:kms:eu-west-1:444455556666:key/" + disabledKey, "AccessDeniedException"},
		"a key of another region":  {"arn:aws:kms:us-east-1:111122223333:key/" + disabledKey, "NotFoundException"},
		"another partition's key":  {"arn:aws-cn:kms:eu-west-1:111122223333:key/" + disabledKey, "InvalidArnException"},
		"something else's ARN":     {"arn:aws:s3:::bucket", "InvalidArnException"},
	} {
		_, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &row.key})
		var api interface{ ErrorCode() string }
		if !errors.As(err, &api) || api.ErrorCode() != row.code {
			t.Errorf("%s: %v, want %s", name, err, row.code)
		}
	}
	_, err := c.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: aws.String("alias/secrets")})
	wantCode(t, err, "NotFoundException") // only DescribeKey takes aliases
}

func TestRotationAliasesAndTagsOfAKey(t *testing.T) {
	c := small(t).kms("eu-west-1")
	rotates := func(key string) bool {
		out, err := c.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &key})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyRotationEnabled
	}
	if !rotates(disabledKey) || rotates(everywhereKey) || rotates(leavingKey) {
		t.Error("rotation is not that of the file, off while deletion is pending")
	}
	_, err := c.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: aws.String(signingKey)})
	wantCode(t, err, "UnsupportedOperationException")

	aliases := func(key *string) []string {
		var names []string
		p := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{KeyId: key, Limit: aws.Int32(1)})
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Aliases {
				names = append(names, *a.AliasName)
			}
		}
		return names
	}
	if got := aliases(aws.String(keyARN + disabledKey)); !slices.Equal(got, []string{"alias/payments", "alias/secrets"}) {
		t.Errorf("aliases of the key are %v", got)
	}
	if got := aliases(nil); !slices.Equal(got, []string{"alias/everywhere", "alias/payments", "alias/secrets"}) {
		t.Errorf("aliases are %v", got)
	}
	tags, err := c.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: aws.String(disabledKey)})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagKey != "team" || *tags.Tags[0].TagValue != "payments" {
		t.Errorf("tags are %+v, %v", tags, err)
	}
}

func TestAKeyIsLostAndSaved(t *testing.T) {
	r := small(t)
	c := r.kms("eu-west-1")
	key := aws.String(disabledKey)
	state := func(want kmstypes.KeyState) {
		t.Helper()
		out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key})
		if err != nil || out.KeyMetadata.KeyState != want || (out.KeyMetadata.DeletionDate != nil) != (want == kmstypes.KeyStatePendingDeletion) {
			t.Errorf("key is %+v, %v; want %s", out, err, want)
		}
	}
	enable := func() error {
		_, err := c.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: key})
		return err
	}
	if err := enable(); err != nil {
		t.Error(err)
	}
	state(kmstypes.KeyStateEnabled)
	if _, err := c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key}); err != nil {
		t.Error(err)
	}
	state(kmstypes.KeyStateDisabled)
	_, err := c.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: key})
	wantCode(t, err, "KMSInvalidStateException")
	out, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(7)})
	if err != nil || !out.DeletionDate.Equal(noon.Add(7*24*time.Hour)) {
		t.Errorf("scheduled: %+v, %v", out, err)
	}
	state(kmstypes.KeyStatePendingDeletion)
	wantCode(t, enable(), "KMSInvalidStateException")
	if _, err := c.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: key}); err != nil {
		t.Error(err)
	}
	state(kmstypes.KeyStateDisabled)
	r.now = noon.Add(365 * 24 * time.Hour)
	state(kmstypes.KeyStateDisabled)
	for _, days := range []int32{6, 31} {
		_, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: &days})
		wantCode(t, err, "ValidationException")
	}
}

func TestAMultiRegionPrimaryWaitsForItsReplicasWithoutADate(t *testing.T) {
	c := small(t).kms("eu-west-1")
	key := aws.String(everywhereKey)
	scheduled, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: key})
	if err != nil || scheduled.KeyState != kmstypes.KeyStatePendingReplicaDeletion || scheduled.DeletionDate != nil {
		t.Errorf("scheduled: %+v, %v", scheduled, err)
	}
	out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: key})
	if k := out.KeyMetadata; err != nil || k.KeyState != kmstypes.KeyStatePendingReplicaDeletion || k.DeletionDate != nil || *k.PendingDeletionWindowInDays != 30 {
		t.Errorf("key is %+v, %v", out, err)
	}
}

func TestLeftoversAreFoundByTheirTags(t *testing.T) {
	c := small(t).tagging("eu-west-1")
	for _, row := range []struct {
		name  string
		tags  []tagtypes.TagFilter
		types []string
		want  string // ends of ARNs
	}{
		{"everything", nil, nil, "vol-0aaaaaaaaaaaaaaaa vol-0bbbbbbbbbbbbbbbb 0123456789abcdef"},
		{"a key with any value", []tagtypes.TagFilter{{Key: aws.String("kubernetes.io/cluster/retired")}}, nil, "vol-0aaaaaaaaaaaaaaaa vol-0bbbbbbbbbbbbbbbb"},
		{"a key with one of the values", []tagtypes.TagFilter{{Key: aws.String("kubernetes.io/cluster/retired"), Values: []string{"owned", "x"}}}, nil, "vol-0aaaaaaaaaaaaaaaa"},
		{"all of the keys", []tagtypes.TagFilter{{Key: aws.String("kubernetes.io/cluster/retired")}, {Key: aws.String("elbv2.k8s.aws/cluster")}}, nil, ""},
		{"by service", nil, []string{"elasticloadbalancing"}, "0123456789abcdef"},
		{"by type", nil, []string{"ec2:volume", "ec2:instance"}, "vol-0aaaaaaaaaaaaaaaa vol-0bbbbbbbbbbbbbbbb"},
		{"by a type that has kinds", nil, []string{"elasticloadbalancing:loadbalancer"}, "0123456789abcdef"},
		{"by another type", nil, []string{"ec2:snapshot"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			p := resourcegroupstaggingapi.NewGetResourcesPaginator(c, &resourcegroupstaggingapi.GetResourcesInput{
				TagFilters: row.tags, ResourceTypeFilters: row.types, ResourcesPerPage: aws.Int32(1),
			})
			for p.HasMorePages() {
				page, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page.ResourceTagMappingList {
					got = append(got, (*m.ResourceARN)[strings.LastIndex(*m.ResourceARN, "/")+1:])
				}
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("got %v, want %s", got, row.want)
			}
		})
	}
	_, err := c.GetResources(t.Context(), &resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(101)})
	wantCode(t, err, "InvalidParameterException")
	_, err = c.GetResources(t.Context(), &resourcegroupstaggingapi.GetResourcesInput{PaginationToken: aws.String("x")})
	wantCode(t, err, "PaginationTokenExpiredException")
}

func TestQuotasAreAWSsUnlessTheFileSaysOtherwise(t *testing.T) {
	r := small(t)
	values := func(region string) map[string]float64 {
		all := map[string]float64{}
		p := servicequotas.NewListServiceQuotasPaginator(r.quotas(region), &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("eks"), MaxResults: aws.Int32(2)})
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range page.Quotas {
				all[*q.QuotaCode] = *q.Value
			}
		}
		return all
	}
	if got := values("eu-north-1"); got["L-1194D53C"] != 100 || got["L-6D54EA21"] != 30 || got["L-BD136A63"] != 450 {
		t.Errorf("quotas are %v", got)
	}
	if got := values("eu-west-1"); got["L-1194D53C"] != 100 || got["L-6D54EA21"] != 60 {
		t.Errorf("quotas are %v, want 60 nodegroups in a cluster", got)
	}
	get := func(service, code string) (*servicequotas.GetServiceQuotaOutput, error) {
		return r.quotas("eu-west-1").GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	}
	if out, err := get("eks", "L-6D54EA21"); err != nil || *out.Quota.Value != 60 || *out.Quota.QuotaName != "Managed node groups per cluster" {
		t.Errorf("quota is %+v, %v", out, err)
	}
	for service, code := range map[string]string{"eks": "L-00000000", "lambda": "L-1194D53C"} {
		_, err := get(service, code)
		wantCode(t, err, "NoSuchResourceException")
	}
}

func TestFault_04_TokensOfTheNeighboursRepeat(t *testing.T) {
	r := small(t)
	r.Faults().Script(edgeLoop("ListAliases"), edgeLoop("GetResources"))
	aliases, resources := &kms.ListAliasesInput{Limit: aws.Int32(1)}, &resourcegroupstaggingapi.GetResourcesInput{ResourcesPerPage: aws.Int32(1)}
	for i := range 3 {
		a, errA := r.kms("eu-west-1").ListAliases(t.Context(), aliases)
		b, errB := r.tagging("eu-west-1").GetResources(t.Context(), resources)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if i > 0 && (*a.NextMarker != *aliases.Marker || *b.PaginationToken != *resources.PaginationToken) {
			t.Errorf("call %d moves on", i+1)
		}
		aliases.Marker, resources.PaginationToken = a.NextMarker, b.PaginationToken
	}
}

func TestFault_05_DeniedActionsOfTheNeighboursAreNamed(t *testing.T) {
	r := small(t)
	r.Faults().DenyByPolicy("", "eu-west-1")
	_, err := r.kms("eu-west-1").DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(keyARN + disabledKey)})
	if api := wantCode(t, err, "AccessDeniedException"); !strings.Contains(api.ErrorMessage(), "kms:DescribeKey on resource: "+keyARN+disabledKey) {
		t.Errorf("message is %q", api.ErrorMessage())
	}
	want := []string{"kms:DescribeKey"}
	if got := r.Actions()["arn:aws:iam::111122223333:user/simulated"]; !slices.Equal(got, want) {
		t.Errorf("actions are %v, want %v", got, want)
	}
}
