package sim_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const reader = "arn:aws:iam::444455556666:role/steward-reader"

func assume(role, externalID string) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("eks-steward")}
	if externalID != "" {
		in.ExternalId = &externalID
	}
	return in
}

// as signs with the session of a role.
func (r *rig) as(t *testing.T, region string, in *sts.AssumeRoleInput) aws.Config {
	t.Helper()
	out, err := r.sts(region).AssumeRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	cfg := r.config(region)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := out.Credentials
		return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}, nil
	})
	return cfg
}

func TestASessionSeesTheAccountOfItsRole(t *testing.T) {
	r := small(t)
	cfg := r.as(t, "us-east-1", assume(reader, "example-external-id"))
	names, _, err := list(t.Context(), eks.NewFromConfig(cfg), eks.ListClustersInput{})
	if err != nil || !slices.Equal(names, []string{"payments"}) {
		t.Errorf("clusters are %v, %v; want payments of the member account", names, err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != member || *who.Arn != "arn:aws:sts::444455556666:assumed-role/steward-reader/eks-steward" {
		t.Errorf("caller is %+v, %v", who, err)
	}
}

func TestSessionsLastByTheMachinesClock(t *testing.T) {
	before := time.Now()
	in := assume(reader, "example-external-id")
	in.DurationSeconds = aws.Int32(900)
	out, err := small(t).sts("us-east-1").AssumeRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if end := *out.Credentials.Expiration; end.Before(before.Add(899*time.Second)) || end.After(time.Now().Add(901*time.Second)) {
		t.Errorf("session ends at %s, want about 900 s after %s", end, before)
	}
}

func TestFault_06_AssumeRoleIsDenied(t *testing.T) {
	c := small(t).sts("us-east-1")
	for name, in := range map[string]*sts.AssumeRoleInput{
		"ExternalId missing":               assume(reader, ""),
		"ExternalId wrong":                 assume(reader, "somebody-elses"),
		"role not in the account":          assume("arn:aws:iam::444455556666:role/admin", "example-external-id"),
		"account not in the fleet":         assume("arn:aws:iam::777788889999:role/steward-reader", ""),
		"role of another partition's name": assume("arn:aws-cn:iam::444455556666:role/steward-reader", "example-external-id"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.AssumeRole(t.Context(), in)
			wantCode(t, err, "AccessDenied")
		})
	}
}

func TestAssumeRoleRefusesBadParameters(t *testing.T) {
	c := small(t).sts("us-east-1")
	short, name, arn := assume(reader, "example-external-id"), assume(reader, "example-external-id"), assume("steward-reader-of-no-account", "")
	short.DurationSeconds = aws.Int32(60)
	name.RoleSessionName = aws.String("a b")
	for what, in := range map[string]*sts.AssumeRoleInput{"too short": short, "bad session name": name, "no ARN": arn} {
		t.Run(what, func(t *testing.T) {
			_, err := c.AssumeRole(t.Context(), in)
			wantCode(t, err, "ValidationError")
		})
	}
}

func TestAccountsWithoutRolesAdmitAnyRole(t *testing.T) {
	if _, err := small(t).sts("eu-west-1").AssumeRole(t.Context(), assume("arn:aws:iam::111122223333:role/path/anything", "")); err != nil {
		t.Error(err)
	}
}

func TestActionsAreKeptByRole(t *testing.T) {
	r := small(t)
	cfg := r.as(t, "us-east-1", assume(reader, "example-external-id"))
	c := eks.NewFromConfig(cfg)
	_, _, _ = list(t.Context(), c, eks.ListClustersInput{})
	_, _ = c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("nobody")}) // refused, yet asked for
	got := r.Actions()
	if want := []string{"eks:DescribeCluster", "eks:ListClusters"}; !slices.Equal(got[reader], want) {
		t.Errorf("actions of the reader are %v, want %v", got[reader], want)
	}
	if want := []string{"sts:AssumeRole"}; !slices.Equal(got["arn:aws:iam::111122223333:user/simulated"], want) {
		t.Errorf("actions by principal are %v, want sts:AssumeRole of the home user", got)
	}
	r.ResetCalls()
	if n := len(slices.Collect(maps.Keys(r.Actions()))) + len(r.Calls()); n != 0 {
		t.Errorf("%d entries are left after a reset", n)
	}
}

func TestFault_08_PartitionsComeFromTheRegion(t *testing.T) {
	r := small(t)
	for region, want := range map[string]string{
		"cn-north-1":    "arn:aws-cn:iam::111122223333:user/simulated",
		"us-gov-west-1": "arn:aws-us-gov:iam::111122223333:user/simulated",
		"eu-west-1":     "arn:aws:iam::111122223333:user/simulated",
	} {
		who, err := r.sts(region).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil || *who.Arn != want {
			t.Errorf("caller in %s is %+v, %v; want %s", region, who, err, want)
		}
	}
}
