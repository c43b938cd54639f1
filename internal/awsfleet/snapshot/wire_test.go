package snapshot_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// scripted surveys services that answer each operation with a body written by
// hand, for what no real service is asked to say. Operations are those of the
// API, and for EKS a path's pattern.
func scripted(t *testing.T, answers map[string]string) *snapshot.Survey {
	t.Helper()
	return through(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := pattern(r.URL.Path)
		if _, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
			operation = name
		} else if operation == "/" {
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			operation = form.Get("Action")
		}
		body, ok := answers[operation]
		if !ok {
			t.Errorf("nothing is said to %s", operation)
		}
		_, _ = io.WriteString(w, body)
	}), func() time.Time { return noon })
}

var named = regexp.MustCompile(`^(/clusters/)web(/[a-z-]+)?(/.+)?$`)

func pattern(path string) string {
	m := named.FindStringSubmatch(path)
	switch {
	case m == nil:
		return path
	case m[3] != "":
		return m[2] + "/one"
	}
	return m[1] + m[2]
}

const emptySubnets = `<DescribeSubnetsResponse><subnetSet><item/></subnetSet></DescribeSubnetsResponse>`

// lists name one thing of each kind; what they are is up to the test.
func lists(cluster string, more map[string]string) map[string]string {
	all := map[string]string{
		"/clusters/": cluster, "/clusters//node-groups": `{"nodegroups":["one"]}`, "/clusters//addons": `{"addons":["one"]}`,
		"/clusters//insights": `{"insights":[{"id":"one"}]}`, "/clusters//updates": `{"updateIds":["one"]}`,
		"GetEbsEncryptionByDefault": `<GetEbsEncryptionByDefaultResponse><ebsEncryptionByDefault>true</ebsEncryptionByDefault></GetEbsEncryptionByDefaultResponse>`,
		"GetEbsDefaultKmsKeyId":     `<GetEbsDefaultKmsKeyIdResponse><kmsKeyId>alias/aws/ebs</kmsKeyId></GetEbsDefaultKmsKeyIdResponse>`,
		"GetParameter":              `{"Parameter":{"Value":"1.34.2-20261001"}}`,
		"DescribeLaunchTemplates":   `<DescribeLaunchTemplatesResponse><launchTemplates><item><launchTemplateId>lt-1</launchTemplateId></item></launchTemplates></DescribeLaunchTemplatesResponse>`,
	}
	for operation, body := range more {
		all[operation] = body
	}
	return all
}

const minimal = `{"cluster":{"status":"UPDATING","version":"1.34","encryptionConfig":[{"provider":{"keyArn":"` + keyARN + `"}}],"resourcesVpcConfig":{"subnetIds":["subnet-1"]}}}`

func TestFault_10_AnswersOfNothingPanicNobodyAndMakeNothingKnown(t *testing.T) {
	s := scripted(t, lists(minimal, map[string]string{
		"/node-groups/one": `{}`, "/addons/one": `{"addon":null}`, "/insights/one": `{}`, "/updates/one": `{}`, "/cluster-versions": `{}`,
		"/addons/supported-versions": `{}`, "DescribeSubnets": `<DescribeSubnetsResponse/>`, "DescribeKey": `{}`,
	}))
	got := troubles(s.Snapshot(t.Context(), "web", fleet.Wanted{Insights: true}))
	for _, part := range []string{"nodegroups", "addons", "insights", "update", "key"} {
		if got[part] == nil || got[part].Kind != fleet.Failed {
			t.Errorf("%s: %v", part, got[part])
		}
	}
}

func TestFault_10_ThingsWithoutFieldsAreKnownAndEmpty(t *testing.T) {
	s := scripted(t, lists(minimal, map[string]string{
		"/node-groups/one": `{"nodegroup":{"health":{},"scalingConfig":{},"updateConfig":{},"launchTemplate":{}}}`, "/addons/one": `{"addon":{"health":null}}`,
		"/insights/one": `{"insight":{"categorySpecificSummary":{"deprecationDetails":[{"clientStats":[{}]}],"addonCompatibilityDetails":[{}]}}}`,
		"/updates/one":  `{"update":{"status":"InProgress","params":[{}],"errors":[{}]}}`, "/cluster-versions": `{"clusterVersions":[{}]}`,
		"/addons/supported-versions": `{"addons":[{"addonVersions":[{"compatibilities":[{}]},{}]},{}]}`, "DescribeSubnets": emptySubnets,
		"DescribeKey": `{"KeyMetadata":{"KeyId":"1"}}`, "GetKeyRotationStatus": `{}`, "ListAliases": `{"Aliases":[{}]}`, "ListResourceTags": `{"Tags":[{}]}`,
	}))
	got := s.Snapshot(t.Context(), "web", fleet.Wanted{Insights: true})
	if trouble := troubles(got); len(trouble) > 0 {
		t.Errorf("troubles %v", trouble)
	}
	if len(got.Nodegroups.Value) != 1 || len(got.Addons.Value) != 1 || len(got.Insights.Value) != 1 || got.Update.Value.ID != "one" || len(got.Subnets.Value) != 1 {
		t.Errorf("got %+v", got)
	}
	if got.Key.Value.State != "" || len(got.Releases.Value) != 0 {
		t.Errorf("key %+v, releases %+v", got.Key.Value, got.Releases.Value)
	}
}

func TestFault_09_ValuesThatNobodyKnowsYetAreKept(t *testing.T) {
	s := scripted(t, lists(minimal, map[string]string{
		"/node-groups/one":  `{"nodegroup":{"status":"RESTING","amiType":"AL2031_x86_64","health":{"issues":[{"code":"Bored"}]}}}`,
		"/addons/one":       `{"addon":{"status":"RESTING","health":{"issues":[{"code":"Bored"}]}}}`,
		"/insights/one":     `{"insight":{"insightStatus":{"status":"PUZZLING"}}}`,
		"/updates/one":      `{"update":{"status":"InProgress","type":"MoodUpdate","errors":[{"errorCode":"Bored"}]}}`,
		"/cluster-versions": `{"clusterVersions":[{"clusterVersion":"1.34","versionStatus":"LIFELONG_SUPPORT"}]}`, "/addons/supported-versions": `{}`,
		"DescribeSubnets": emptySubnets, "DescribeKey": `{"KeyMetadata":{"KeyId":"1","KeyState":"Dreaming"}}`,
		"GetKeyRotationStatus": `{}`, "ListAliases": `{}`, "ListResourceTags": `{}`,
	}))
	got := s.Snapshot(t.Context(), "web", fleet.Wanted{Insights: true})
	if n := got.Nodegroups.Value[0]; n.Status != "RESTING" || n.AMIType != "AL2031_x86_64" || n.Health[0].Code != "Bored" {
		t.Errorf("nodegroup %+v", n)
	}
	if a := got.Addons.Value[0]; a.Status != "RESTING" || a.Health[0].Code != "Bored" {
		t.Errorf("add-on %+v", a)
	}
	if i := got.Insights.Value[0]; i.Status != "PUZZLING" {
		t.Errorf("insight %+v", i)
	}
	if u := got.Update.Value; u.Type != "MoodUpdate" || u.Errors[0].Code != "Bored" {
		t.Errorf("update %+v", u)
	}
	if v := got.Versions.Value[0]; v.Status != "LIFELONG_SUPPORT" {
		t.Errorf("version %+v", v)
	}
	if k := got.Key.Value; k.State != "Dreaming" {
		t.Errorf("key %+v", k)
	}
}
