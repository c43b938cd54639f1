package snapshot_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

const (
	volumeKey  = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000002"
	foreignKey = "arn:aws:kms:eu-west-1:444455556666:key/00000000-0000-4000-8000-000000000003"
	scaling    = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	template   = "lt-0123456789abcdef0"
)

// letsIn is the policy of a key as AWS's own example has it.
const letsIn = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
	{"Effect":"Allow","Principal":{"AWS":["` + scaling + `"]},"Action":["kms:CreateGrant"],"Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}}]}`

// grown is a cluster with nodegroups of one launch template each, and a region
// that encrypts with a key of the customer's.
func grown(policy string, versions ...string) sim.Region {
	c := sim.Cluster{Name: "payments", Version: "1.34"}
	for _, v := range versions {
		c.Nodegroups = append(c.Nodegroups, sim.Nodegroup{Name: "group-" + v, LaunchTemplate: &sim.TemplateVersion{ID: template, Version: v}})
	}
	on, off := true, false
	return sim.Region{
		Clusters: []sim.Cluster{c}, Volumes: &sim.VolumeDefaults{Encrypted: true, Key: volumeKey},
		Keys: []sim.Key{{ID: volumeKey, Policy: policy, Aliases: []string{"alias/volumes"}}},
		LaunchTemplates: []sim.LaunchTemplate{
			{ID: template, Volumes: []sim.TemplateVolume{{Device: "/dev/xvda", Encrypted: &off, Type: "gp3"}}},
			{ID: template, Version: 2, Volumes: []sim.TemplateVolume{{Device: "/dev/xvda", Encrypted: &on, Key: "alias/volumes"}, {Device: "/dev/sdf"}}},
		},
	}
}

func TestTheVolumesOfNewNodesAreRead(t *testing.T) {
	s, _ := survey(t, grown(letsIn, "1", "2"))
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{})
	same(t, "encryption by default", got.VolumesEncrypted, true)
	same(t, "default key", got.DefaultVolumeKey, volumeKey)
	same(t, "templates", got.Templates, []fleet.LaunchTemplate{
		{TemplateVersion: fleet.TemplateVersion{ID: template, Version: "1"}, Volumes: []fleet.Volume{{Device: "/dev/xvda"}}},
		{TemplateVersion: fleet.TemplateVersion{ID: template, Version: "2"}, Volumes: []fleet.Volume{{Device: "/dev/xvda", Encrypted: true, Key: "alias/volumes"}, {Device: "/dev/sdf"}}},
	})
	same(t, "keys", got.VolumeKeys, []fleet.VolumeKey{
		{Name: "alias/volumes", ARN: volumeKey, State: "Enabled", AutoScaling: fleet.UseAllowed},
		{Name: volumeKey, ARN: volumeKey, State: "Enabled", AutoScaling: fleet.UseAllowed},
	})
	for i, g := range got.Nodegroups.Value {
		if want := got.Templates.Value[i].TemplateVersion; g.Template != want {
			t.Errorf("nodegroup %s has the template %+v, want %+v", g.Name, g.Template, want)
		}
	}
}

func TestWhatNodesAreStartedFromIsReadOnceInTheSurvey(t *testing.T) {
	r := grown(letsIn, "1", "1", "2")
	r.Clusters[0].Nodegroups[1].Name = "again"
	second := r.Clusters[0]
	second.Name = "web"
	r.Clusters = append(r.Clusters, second)
	s, w := survey(t, r)
	for _, c := range r.Clusters {
		if got := s.Snapshot(t.Context(), c.Name, fleet.Wanted{}); len(troubles(got)) > 0 || len(got.Templates.Value) != 2 || len(got.VolumeKeys.Value) != 2 {
			t.Errorf("%s: %v, templates %+v, keys %+v", c.Name, troubles(got), got.Templates, got.VolumeKeys)
		}
	}
	counts(t, w, map[string]int{
		"GetEbsEncryptionByDefault": 1, "GetEbsDefaultKmsKeyId": 1, "DescribeLaunchTemplateVersions": 2,
		"DescribeKey": 2, "ListGrants": 2, "GetKeyPolicy": 2, // one key, under two names
		"DescribeCluster": 2, "ListNodegroups": 2, "DescribeNodegroup": 6, "ListAddons": 2, "DescribeSubnets": 2,
		"DescribeClusterVersions": 1, "DescribeAddonVersions": 2,
		"GetParameter": 1, "DescribeLaunchTemplates": 2,
	})
}

func TestTheKeyOfAWSAndNodesWithoutTemplatesAreNotAskedFor(t *testing.T) {
	s, w := survey(t, sim.Region{Clusters: []sim.Cluster{{Name: "payments", Version: "1.34", Nodegroups: []sim.Nodegroup{{Name: "blue"}}}}})
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{})
	same(t, "default key", got.DefaultVolumeKey, "alias/aws/ebs")
	if got.Templates.Tried() || got.VolumeKeys.Tried() {
		t.Errorf("templates %+v, keys %+v", got.Templates, got.VolumeKeys)
	}
	if n := w.Calls().Of("DescribeKey").Total(); n != 0 {
		t.Errorf("%d keys were described", n)
	}
}

func TestAKeysPolicySaysWhetherAutoScalingMayUseIt(t *testing.T) {
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":` + s + `}` }
	named := func(more string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"` + scaling + `"},"Resource":"*",` + more + `}`
	}
	tests := map[string]struct {
		policy string
		want   fleet.KeyUse
	}{
		"the policy of AWS's example":                {letsIn, fleet.UseAllowed},
		"KMS's own policy lets in the account only":  {"", fleet.UseRefused},
		"one statement that is no list":              {statement(named(`"Action":"kms:CreateGrant"`)), fleet.UseAllowed},
		"every action":                               {statement(`[` + named(`"Action":"kms:*"`) + `]`), fleet.UseAllowed},
		"actions are the same in either case":        {statement(`[` + named(`"Action":"KMS:createGrant"`) + `]`), fleet.UseAllowed},
		"a pattern of actions":                       {statement(`[` + named(`"Action":["kms:Create*"]`) + `]`), fleet.UseAllowed},
		"another action alone":                       {statement(`[` + named(`"Action":["kms:Decrypt","kms:ReEncrypt*"]`) + `]`), fleet.UseRefused},
		"another role":                               {statement(`[{"Effect":"Allow","Principal":{"AWS":"` + scaling + `_other"},"Action":"kms:*","Resource":"*"}]`), fleet.UseRefused},
		"a service":                                  {statement(`[{"Effect":"Allow","Principal":{"Service":"autoscaling.amazonaws.com"},"Action":"kms:*","Resource":"*"}]`), fleet.UseRefused},
		"anybody":                                    {statement(`[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]`), fleet.UseAllowed},
		"anybody of AWS":                             {statement(`[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]`), fleet.UseAllowed},
		"anybody on a condition":                     {statement(`[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}]`), fleet.UseUnknown},
		"the role on another condition":              {statement(`[` + named(`"Action":"kms:*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`) + `]`), fleet.UseUnknown},
		"a doubtful statement before one that names": {statement(`[{"Effect":"Allow","Principal":"*","Action":"kms:*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},` + named(`"Action":"kms:*"`) + `]`), fleet.UseAllowed},
		"a denial, whoever it is that is named":      {statement(`[` + named(`"Action":"kms:*"`) + `,{"Effect":"Deny","Principal":"*","Action":"kms:CreateGrant","Resource":"*"}]`), fleet.UseUnknown},
		"a denial of something else":                 {statement(`[` + named(`"Action":"kms:*"`) + `,{"Effect":"Deny","Principal":"*","Action":"kms:ScheduleKeyDeletion","Resource":"*"}]`), fleet.UseAllowed},
		"everything but an action":                   {statement(`[` + named(`"NotAction":"kms:Decrypt"`) + `]`), fleet.UseUnknown},
		"everybody but somebody":                     {statement(`[{"Effect":"Allow","NotPrincipal":{"AWS":"x"},"Action":"kms:*"}]`), fleet.UseUnknown},
		"FAULT 10 no JSON":                           {`<policy>`, fleet.UseUnknown},
		"FAULT 10 a statement of no form":            {statement(`[7]`), fleet.UseUnknown},
		"FAULT 10 a pattern of no form":              {statement(`[` + named(`"Action":"kms:[*"`) + `]`), fleet.UseRefused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, _ := survey(t, grown(tt.policy, "1"))
			got := s.Snapshot(t.Context(), "payments", fleet.Wanted{}).VolumeKeys
			same(t, "keys", got, []fleet.VolumeKey{{Name: volumeKey, ARN: volumeKey, State: "Enabled", AutoScaling: tt.want}})
		})
	}
}

func TestAGrantLetsAutoScalingUseAKey(t *testing.T) {
	described := func(key string) string {
		return `{"KeyMetadata":{"KeyId":"1","Arn":"` + key + `","KeyState":"Enabled","KeyManager":"CUSTOMER"}}`
	}
	grants := func(role, operation string) string {
		return `{"Grants":[{"GranteePrincipal":"` + role + `","Operations":["Decrypt","` + operation + `"]}]}`
	}
	tests := map[string]struct {
		key, grants string
		want        fleet.KeyUse
	}{
		"a grant for the role":                               {volumeKey, grants(scaling, "CreateGrant"), fleet.UseAllowed},
		"a grant for another role, and the account's policy": {volumeKey, grants(scaling+"_other", "CreateGrant"), fleet.UseRefused},
		"a grant that makes no grants":                       {volumeKey, grants(scaling, "Encrypt"), fleet.UseRefused},
		"another account's key with a grant":                 {foreignKey, grants(scaling, "CreateGrant"), fleet.UseAllowed},
		"another account's key without one":                  {foreignKey, `{"Grants":[]}`, fleet.UseRefused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answers := lists(templated, map[string]string{
				"/node-groups/one": `{"nodegroup":{"amiType":"AL2023_x86_64_STANDARD"}}`, "/cluster-versions": `{}`, "/addons/one": `{"addon":{}}`, "/addons/supported-versions": `{}`, "DescribeSubnets": emptySubnets,
				"GetEbsDefaultKmsKeyId": `<GetEbsDefaultKmsKeyIdResponse><kmsKeyId>` + tt.key + `</kmsKeyId></GetEbsDefaultKmsKeyIdResponse>`,
				"DescribeKey":           described(tt.key), "ListGrants": tt.grants, "GetKeyPolicy": `{"Policy":"{\"Statement\":[]}"}`,
			})
			if tt.key == foreignKey {
				delete(answers, "GetKeyPolicy") // KMS gives no account the policy of another's key
			}
			got := scripted(t, answers).Snapshot(t.Context(), "web", fleet.Wanted{}).VolumeKeys
			same(t, "keys", got, []fleet.VolumeKey{{Name: tt.key, ARN: tt.key, State: "Enabled", AutoScaling: tt.want}})
		})
	}
}

const templated = `{"cluster":{"status":"ACTIVE","version":"1.34","resourcesVpcConfig":{"subnetIds":["subnet-1"]}}}`

func TestFault_03_ATemplateOrKeyThatIsGoneIsMissingFromWhatIsKnown(t *testing.T) {
	r := grown(letsIn, "1", "9")
	r.Keys = nil
	s, _ := survey(t, r)
	got := s.Snapshot(t.Context(), "payments", fleet.Wanted{})
	if !got.Templates.Known() || len(got.Templates.Value) != 1 {
		t.Errorf("templates %+v, %s", got.Templates, got.Templates.Why())
	}
	if !got.VolumeKeys.Known() || len(got.VolumeKeys.Value) != 0 {
		t.Errorf("keys %+v, %s", got.VolumeKeys, got.VolumeKeys.Why())
	}
}

func TestFault_05_ADeniedKeyNamesTheActionAndLeavesTheRest(t *testing.T) {
	for _, operation := range []string{"DescribeKey", "ListGrants", "GetKeyPolicy"} {
		t.Run(operation, func(t *testing.T) {
			s, w := survey(t, grown("", "1"))
			w.Faults().Script(denied("kms", operation, "kms:"+operation))
			got := s.Snapshot(t.Context(), "payments", fleet.Wanted{})
			if trouble := got.VolumeKeys.Trouble; trouble == nil || !errors.Is(trouble, fleet.Denied) || trouble.Action != "kms:"+operation || !strings.Contains(trouble.Error(), volumeKey) {
				t.Errorf("trouble %v", trouble)
			}
			if !got.Templates.Known() || !got.VolumesEncrypted.Known() {
				t.Errorf("templates %s, encryption %s", got.Templates.Why(), got.VolumesEncrypted.Why())
			}
		})
	}
}

func TestFault_03_AnotherRefusalOfEC2IsNoAbsence(t *testing.T) {
	s, w := survey(t, grown(letsIn, "1"))
	w.Faults().Script(edge.Step{Service: "ec2", Operation: "DescribeLaunchTemplateVersions", Times: edge.Always, Do: edge.Answer(http.StatusBadRequest, "InvalidLaunchTemplateId.Malformed", "No id.")})
	if got := s.Snapshot(t.Context(), "payments", fleet.Wanted{}).Templates; got.Trouble == nil || got.Trouble.Kind != fleet.Failed {
		t.Errorf("templates %+v", got)
	}
}

func TestFault_10_AnswersOfNothingAboutVolumesMakeNothingKnown(t *testing.T) {
	for operation, part := range map[string]string{
		"GetEbsEncryptionByDefault": "volumes encrypted", "GetEbsDefaultKmsKeyId": "default volume key", "DescribeLaunchTemplateVersions": "templates",
	} {
		t.Run(operation, func(t *testing.T) {
			answers := lists(templated, map[string]string{
				"/node-groups/one": `{"nodegroup":{"launchTemplate":{"id":"lt-1","version":"1"}}}`, "/cluster-versions": `{}`, "/addons/one": `{"addon":{}}`,
				"/addons/supported-versions": `{}`, "DescribeSubnets": emptySubnets,
				"DescribeLaunchTemplateVersions": `<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><launchTemplateData><blockDeviceMappingSet><item/></blockDeviceMappingSet></launchTemplateData></item></launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>`,
			})
			answers[operation] = `<` + operation + `Response/>`
			got := troubles(scripted(t, answers).Snapshot(t.Context(), "web", fleet.Wanted{}))
			if len(got) != 1 || got[part] == nil || got[part].Action != "ec2:"+operation || !reflect.DeepEqual(got[part].Kind, fleet.Failed) {
				t.Errorf("troubles %v, want one of %s", got, part)
			}
		})
	}
}
