package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

const (
	goodKey     = "55555555-6666-4777-8888-999999999999"
	clusterRole = "arn:aws:iam::111122223333:role/eks-cluster"
	eksService  = "eks.eu-west-1.amazonaws.com"
	autoScaling = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
)

// vault is one cluster named payments among keys of which one will do.
func vault(t *testing.T, c sim.Cluster) *rig {
	t.Helper()
	c.Name = "payments"
	return start(t, sim.Fleet{Home: home, Accounts: []sim.Account{{ID: home, Regions: []sim.Region{{
		Name: "eu-west-1", Clusters: []sim.Cluster{c, {Name: "mainframe", Kind: fleet.KindConnected}},
		Keys: []sim.Key{
			{ID: goodKey, Aliases: []string{"alias/secrets"}, Grants: []sim.Grant{{Grantee: autoScaling}}},
			{ID: disabledKey, State: "Disabled"},
			{ID: leavingKey, DeletionIn: 240 * time.Hour},
			{ID: signingKey, Spec: "RSA_2048", Usage: "SIGN_VERIFY"},
			{ID: "hmac", Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"},
		},
	}}}}})
}

func encryption(key string, resources ...string) []types.EncryptionConfig {
	return []types.EncryptionConfig{{Resources: resources, Provider: &types.Provider{KeyArn: &key}}}
}

func (r *rig) associate(t *testing.T, key, token string) (*types.Update, error) {
	t.Helper()
	out, err := r.eks("eu-west-1").AssociateEncryptionConfig(t.Context(), &eks.AssociateEncryptionConfigInput{
		ClusterName: aws.String("payments"), EncryptionConfig: encryption(key, "secrets"), ClientRequestToken: &token,
	})
	if err != nil {
		return nil, err
	}
	return out.Update, nil
}

// associations counts the updates of payments that put a key on it.
func (r *rig) associations(t *testing.T) int {
	t.Helper()
	out, err := r.eks("eu-west-1").ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("payments")})
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(out.UpdateIds, func(id string) bool {
		return r.updateOf(t, id).Type != types.UpdateTypeAssociateEncryptionConfig
	}))
}

// grantees are those of all grants of a key, sorted.
func (r *rig) grantees(t *testing.T, key string) []string {
	t.Helper()
	var got []string
	p := kms.NewListGrantsPaginator(r.kms("eu-west-1"), &kms.ListGrantsInput{KeyId: &key, Limit: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Grants {
			got = append(got, *g.GranteePrincipal)
		}
	}
	slices.Sort(got)
	return got
}

func TestAKeyIsPutOnAClusterByTheWorldsClock(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	u, err := r.associate(t, "alias/secrets", "once")
	if err != nil || u.Type != types.UpdateTypeAssociateEncryptionConfig || u.Status != types.UpdateStatusInProgress {
		t.Fatalf("update is %+v, %v", u, err)
	}
	want := `[{"resources":["secrets"],"provider":{"keyArn":"` + keyARN + goodKey + `"}}]`
	if p := u.Params; len(p) != 1 || p[0].Type != types.UpdateParamTypeEncryptionConfig || *p[0].Value != want {
		t.Errorf("params are %+v", p)
	}
	r.stands(t, types.ClusterStatusUpdating, "1.34")
	if key := r.Encryption(id("payments")); key != "" {
		t.Errorf("the cluster has %s before the update has ended", key)
	}
	_, err = r.associate(t, keyARN+goodKey, "twice")
	wantCode(t, err, "ResourceInUseException")
	r.now = noon.Add(10 * time.Minute)
	r.stands(t, types.ClusterStatusActive, "1.34")
	if key := r.Encryption(id("payments")); key != keyARN+goodKey {
		t.Errorf("the cluster has the key %q", key)
	}
	if u = r.updateOf(t, *u.Id); u.Status != types.UpdateStatusSuccessful {
		t.Errorf("the update ended as %+v", u)
	}
	_, err = r.associate(t, keyARN+goodKey, "thrice")
	if api := wantCode(t, err, "InvalidParameterException"); api.ErrorMessage() != "Encryption is already enabled on the cluster" {
		t.Errorf("the refusal says %q", api.ErrorMessage())
	}
	if got := r.grantees(t, goodKey); !slices.Equal(got, []string{autoScaling, eksService}) {
		t.Errorf("grants are for %q", got)
	}
	for _, action := range []string{"eks:AssociateEncryptionConfig", "kms:CreateGrant", "kms:DescribeKey"} {
		if asked := r.Actions()["arn:aws:iam::111122223333:user/simulated"]; !slices.Contains(asked, action) {
			t.Errorf("%s is not among the actions that were asked for: %v", action, asked)
		}
	}
}

func TestFault_20_ARepeatedTokenBeginsNoSecondAssociation(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	r.Faults().Script(edge.Step{Operation: "AssociateEncryptionConfig", Do: edge.CutBody()})
	if _, err := r.associate(t, keyARN+goodKey, "once"); err == nil {
		t.Fatal("the answer was not lost")
	}
	first, err := r.associate(t, keyARN+goodKey, "once")
	if err != nil || first.Status != types.UpdateStatusInProgress {
		t.Fatalf("update is %+v, %v", first, err)
	}
	r.now = noon.Add(time.Hour)
	later, err := r.associate(t, keyARN+goodKey, "once")
	if err != nil || *later.Id != *first.Id || later.Status != types.UpdateStatusSuccessful {
		t.Errorf("the same token is answered with %+v, %v; want the update %s", later, err, *first.Id)
	}
	if n := r.associations(t); n != 1 {
		t.Errorf("%d associations were begun", n)
	}
}

func TestAnAssociationFailsOnRequest(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	r.FailUpdate(id("payments"), sim.Issue{Code: "AccessDenied", Message: "no grant", Resources: []string{goodKey}})
	u, err := r.associate(t, keyARN+goodKey, "first")
	if err != nil {
		t.Fatal(err)
	}
	r.now = noon.Add(10 * time.Minute)
	if u = r.updateOf(t, *u.Id); u.Status != types.UpdateStatusFailed || u.Errors[0].ErrorCode != types.ErrorCodeAccessDenied {
		t.Errorf("the update ended as %+v", u)
	}
	r.stands(t, types.ClusterStatusActive, "1.34")
	if key := r.Encryption(id("payments")); key != "" {
		t.Errorf("the cluster has the key %s", key)
	}
	if _, err := r.associate(t, keyARN+goodKey, "second"); err != nil {
		t.Errorf("a second attempt: %v", err)
	}
}

func TestFault_63_EKSRefusesAssociationsWhereItIsScripted(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	r.Faults().Script(edge.Step{
		Operation: "AssociateEncryptionConfig", Cluster: "payments", Times: edge.Always,
		Do: edge.Answer(400, "InvalidRequestException", "Envelope encryption is on by default from Kubernetes 1.28 on"),
	})
	for range 2 {
		_, err := r.associate(t, keyARN+goodKey, "once")
		wantCode(t, err, "InvalidRequestException")
	}
	if n := r.associations(t); n != 0 {
		t.Errorf("%d associations were begun", n)
	}
	if n := r.Calls().Of("AssociateEncryptionConfig").Refused; n != 2 {
		t.Errorf("%d refusals were counted", n)
	}
}

func TestFault_39_KeysThatWillNotDoAreRefused(t *testing.T) {
	for _, row := range []struct{ name, key, want string }{
		{"one that is disabled", disabledKey, "is disabled"},
		{"one that will be deleted", leavingKey, "PendingDeletion"},
		{"one that signs", signingKey, "RSA_2048"},
		{"one for message authentication", "hmac", "HMAC_256"},
		{"one that is nowhere", "99999999-0000-4000-8000-000000000000", "does not exist"},
		{"an alias of no key", "alias/nobody", "is not found"},
		{"one of another region", strings.Replace(keyARN, "eu-west-1", "us-east-1", 1) + goodKey, "us-east-1"},
		{"one of another account", strings.Replace(keyARN, home, member, 1) + goodKey, "not authorized"},
		{"none", "", "KeyArn is required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := vault(t, sim.Cluster{Version: "1.34"})
			_, err := r.associate(t, row.key, "once")
			if api := wantCode(t, err, "InvalidParameterException"); !strings.Contains(api.ErrorMessage(), row.want) {
				t.Errorf("the refusal says %q, want %q", api.ErrorMessage(), row.want)
			}
			r.stands(t, types.ClusterStatusActive, "1.34")
		})
	}
}

func TestAssociationsAreRefused(t *testing.T) {
	for _, row := range []struct {
		name, cluster, status string
		config                []types.EncryptionConfig
		code                  string
	}{
		{"while the cluster changes", "payments", "UPDATING", encryption(goodKey), "ResourceInUseException"},
		{"while the cluster is created", "payments", "CREATING", encryption(goodKey), "ResourceInUseException"},
		{"for more than secrets", "payments", "", encryption(goodKey, "secrets", "configmaps"), "InvalidParameterException"},
		{"without a configuration", "payments", "", []types.EncryptionConfig{}, "InvalidParameterException"},
		{"for a cluster that EKS does not run", "mainframe", "", encryption(goodKey), "InvalidRequestException"},
		{"for a cluster that is not there", "nobody", "", encryption(goodKey), "ResourceNotFoundException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := vault(t, sim.Cluster{Version: "1.34", Status: row.status}).eks("eu-west-1")
			_, err := c.AssociateEncryptionConfig(t.Context(), &eks.AssociateEncryptionConfigInput{ClusterName: &row.cluster, EncryptionConfig: row.config})
			wantCode(t, err, row.code)
		})
	}
}

func (r *rig) create(t *testing.T, change func(*eks.CreateClusterInput)) (*types.Cluster, error) {
	t.Helper()
	in := &eks.CreateClusterInput{
		Name: aws.String("new"), RoleArn: aws.String(clusterRole), ClientRequestToken: aws.String("once"),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-00000000000000000", "subnet-00000000000000001"}},
	}
	if change != nil {
		change(in)
	}
	out, err := r.eks("eu-west-1").CreateCluster(t.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Cluster, nil
}

func TestAClusterIsCreatedByTheWorldsClock(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	made, err := r.create(t, func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"team": "new"} })
	if err != nil || made.Status != types.ClusterStatusCreating || *made.Version != "1.35" || !made.CreatedAt.Equal(noon) || made.Endpoint != nil {
		t.Fatalf("cluster is %+v, %v; want one that is being created with the default version", made, err)
	}
	describe := func() *types.Cluster {
		t.Helper()
		out, err := r.eks("eu-west-1").DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("new")})
		if err != nil {
			t.Fatal(err)
		}
		return out.Cluster
	}
	r.now = noon.Add(10*time.Minute - time.Second)
	if c := describe(); c.Status != types.ClusterStatusCreating || c.Endpoint != nil || c.CertificateAuthority != nil {
		t.Errorf("before its end the cluster is %+v", c)
	}
	r.now = noon.Add(10 * time.Minute)
	c := describe()
	if c.Status != types.ClusterStatusActive || c.Endpoint == nil || *c.RoleArn != clusterRole || c.Tags["team"] != "new" || len(c.EncryptionConfig) > 0 {
		t.Errorf("cluster is %+v", c)
	}
	if v := c.ResourcesVpcConfig; len(v.SubnetIds) != 2 || !v.EndpointPublicAccess || v.EndpointPrivateAccess {
		t.Errorf("its VPC is %+v", v)
	}
	if again, err := r.create(t, nil); err != nil || !again.CreatedAt.Equal(noon) {
		t.Errorf("the same token is answered with %+v, %v", again, err)
	}
	_, err = r.create(t, func(in *eks.CreateClusterInput) { in.ClientRequestToken = aws.String("twice") })
	wantCode(t, err, "ResourceInUseException")
}

func TestAClusterIsCreatedWithAKey(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	made, err := r.create(t, func(in *eks.CreateClusterInput) { in.EncryptionConfig = encryption("alias/secrets") })
	if err != nil || *made.EncryptionConfig[0].Provider.KeyArn != keyARN+goodKey {
		t.Errorf("cluster is %+v, %v", made, err)
	}
	if got := r.grantees(t, goodKey); !slices.Equal(got, []string{autoScaling, eksService}) {
		t.Errorf("grants are for %q", got)
	}
}

func TestCreateClusterRefuses(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34"})
	for name, change := range map[string]func(*eks.CreateClusterInput){
		"a name that nobody may have": func(in *eks.CreateClusterInput) { in.Name = aws.String("-new") },
		"a version that EKS lacks":    func(in *eks.CreateClusterInput) { in.Version = aws.String("1.99") },
		"one subnet":                  func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = []string{"subnet-0"} },
		"no role":                     func(in *eks.CreateClusterInput) { in.RoleArn = aws.String("") },
		"a key that is disabled":      func(in *eks.CreateClusterInput) { in.EncryptionConfig = encryption(disabledKey) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.create(t, change)
			wantCode(t, err, "InvalidParameterException")
		})
	}
	r.Faults().Script(edge.Step{Cluster: "new", Do: edge.Answer(503, "ServiceUnavailableException", "later")})
	_, err := r.create(t, nil)
	wantCode(t, err, "ServiceUnavailableException") // a script knows the cluster's name, which is not in the path
	_, err = r.eks("eu-west-1").DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("new")})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestAClusterThatBeginsWithAKeyHasEKSsGrant(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34", KeyARN: keyARN + disabledKey, CreatedAt: noon.Add(-time.Hour)})
	out, err := r.kms("eu-west-1").ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String(keyARN + disabledKey)})
	if err != nil || len(out.Grants) != 1 {
		t.Fatalf("grants are %+v, %v", out, err)
	}
	g := out.Grants[0]
	if *g.GranteePrincipal != eksService || *g.KeyId != keyARN+disabledKey || !g.CreationDate.Equal(noon.Add(-time.Hour)) || !slices.Contains(g.Operations, kmstypes.GrantOperationDecrypt) {
		t.Errorf("the grant is %+v", g)
	}
	if err := r.Add(home, "eu-west-1", sim.Cluster{Name: "payments", KeyARN: keyARN + disabledKey}); err != nil {
		t.Fatal(err)
	}
	if got := r.grantees(t, disabledKey); len(got) != 1 {
		t.Errorf("the cluster is added again and has %d grants", len(got))
	}
}

func TestFault_61_GrantsComeAndGo(t *testing.T) {
	r := vault(t, sim.Cluster{Version: "1.34", KeyARN: keyARN + goodKey})
	c := r.kms("eu-west-1")
	in := &kms.CreateGrantInput{
		KeyId: aws.String(goodKey), GranteePrincipal: aws.String(ops), Name: aws.String("volumes"), RetiringPrincipal: aws.String(reader),
		Operations:  []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: map[string]string{"aws:ebs:id": "vol-0"}},
	}
	made, err := c.CreateGrant(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreateGrant(t.Context(), in)
	if err != nil || *again.GrantId != *made.GrantId {
		t.Errorf("the same name makes %+v, %v", again, err)
	}
	in.Name = nil
	nameless, err := c.CreateGrant(t.Context(), in)
	if err != nil || *nameless.GrantId == *made.GrantId {
		t.Errorf("a grant without a name is %+v, %v", nameless, err)
	}
	list, err := c.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String(goodKey), GrantId: made.GrantId, GranteePrincipal: aws.String(ops)})
	if err != nil || len(list.Grants) != 1 || list.Grants[0].Constraints.EncryptionContextSubset["aws:ebs:id"] != "vol-0" || *list.Grants[0].RetiringPrincipal != reader {
		t.Errorf("grants are %+v, %v", list, err)
	}
	for i, step := range []struct {
		do   func() error
		left []string
	}{
		{func() error {
			_, err := c.RetireGrant(t.Context(), &kms.RetireGrantInput{GrantToken: made.GrantToken})
			return err
		}, []string{autoScaling, ops, eksService}},
		{func() error {
			_, err := c.RetireGrant(t.Context(), &kms.RetireGrantInput{KeyId: aws.String(keyARN + goodKey), GrantId: nameless.GrantId})
			return err
		}, []string{autoScaling, eksService}},
		{func() error {
			own, err := c.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: aws.String(goodKey), GranteePrincipal: aws.String(eksService)})
			if err == nil {
				_, err = c.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: aws.String(goodKey), GrantId: own.Grants[0].GrantId})
			}
			return err
		}, []string{autoScaling}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		if got := r.grantees(t, goodKey); !slices.Equal(got, step.left) {
			t.Errorf("step %d: grants are for %q, want %q", i+1, got, step.left)
		}
	}
	_, err = c.RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: aws.String(goodKey), GrantId: made.GrantId})
	wantCode(t, err, "NotFoundException")
	_, err = c.RetireGrant(t.Context(), &kms.RetireGrantInput{GrantToken: made.GrantToken})
	wantCode(t, err, "InvalidGrantTokenException")
	for key, code := range map[string]string{disabledKey: "DisabledException", leavingKey: "KMSInvalidStateException", "nobody": "NotFoundException"} {
		in.KeyId = &key
		_, err = c.CreateGrant(t.Context(), in)
		wantCode(t, err, code)
	}
}

func (r *rig) ssm(region string) *ssm.Client { return ssm.NewFromConfig(r.config(region)) }

func TestParametersAreReadAndSet(t *testing.T) {
	r := small(t)
	read := func(name string) (*ssm.GetParameterOutput, error) {
		return r.ssm("eu-west-1").GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name})
	}
	const name = "/eks-steward/kill-switch"
	out, err := read(name)
	if err != nil || *out.Parameter.Value != "off" || out.Parameter.Version != 1 || !out.Parameter.LastModifiedDate.Equal(noon) {
		t.Fatalf("parameter is %+v, %v", out, err)
	}
	r.SetParameter(home, "eu-west-1", name, "on")
	byARN, err := read(*out.Parameter.ARN)
	if err != nil || *byARN.Parameter.Value != "on" || byARN.Parameter.Version != 2 || *out.Parameter.ARN != "arn:aws:ssm:eu-west-1:111122223333:parameter/eks-steward/kill-switch" {
		t.Errorf("parameter is %+v, %v", byARN, err)
	}
	r.RemoveParameter(home, "eu-west-1", name)
	_, err = read(name)
	wantCode(t, err, "ParameterNotFound")
	r.Faults().Script(edge.Step{Service: "ssm", Do: edge.Answer(400, "AccessDeniedException", "no")})
	_, err = read(name)
	wantCode(t, err, "AccessDeniedException")
}
