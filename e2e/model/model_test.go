// Package model_test holds the simulators against AWS's own API model: check.py
// drives every simulated operation and judges the raw answers. It says nothing
// about behaviour, only that no answer has a shape that AWS's could not have.
package model_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/moto"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A report is what check.py says of one world.
type report struct {
	Seen       map[string][]string `json:"seen"` // outcomes by service.Operation
	Deviations []string            `json:"deviations"`
}

// A spoil breaks answers: bytes in headers and bodies, and what is to be there instead.
type spoil [2][]byte

func spoiling(old, with string) spoil { return spoil{[]byte(old), []byte(with)} }

// check asks check.py about worlds, by their URLs, and about what the first of them
// would be with spoiled answers.
func check(t *testing.T, worlds map[string]string, spoiled map[string]spoil) map[string]report {
	t.Helper()
	in, err := json.Marshal(map[string]any{"worlds": worlds, "spoiled": spoiled, "end": noon.Format(time.RFC3339)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), "check.py")
	// Nothing of the machine's own AWS configuration may matter.
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"NO_PROXY="+moto.NoProxy, "no_proxy="+moto.NoProxy)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("check.py: %v\n%s", err, complaints.String())
	}
	var reports map[string]report
	if err := json.Unmarshal(out, &reports); err != nil {
		t.Fatalf("check.py wrote no report: %v\n%s", err, out)
	}
	return reports
}

// python is that of the environment which the emulator's tests share. Where it
// is missing or old, starting the emulator once makes it.
func python(t *testing.T) string {
	t.Helper()
	wanted, err := os.ReadFile(filepath.Join("..", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	installed, err := os.ReadFile(filepath.Join("..", ".venv", "requirements.txt"))
	if err != nil || !bytes.Equal(wanted, installed) {
		moto.Start(t)
	}
	return filepath.Join("..", ".venv", "bin", "python")
}

// world starts a world of the simulators' sample fleet.
func world(t *testing.T, changes ...func(*sim.World)) string {
	t.Helper()
	f, err := sim.Load(filepath.Join("..", "..", "internal", "sim", "testdata", "small.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.Accounts[0].Regions = append(f.Accounts[0].Regions, sim.Region{Name: "ap-east-1", Refuses: sim.DeniedByPolicy})
	w, err := sim.New(f, func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	payments := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "payments"}
	for _, role := range []string{"role/steward-reader", "role/team/operator"} {
		if err := w.Admit(payments, "arn:aws:iam::111122223333:"+role, "readers"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range changing() {
		if err := w.Add(payments.Account, payments.Region, c); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range changes {
		change(w)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

// changing are clusters with nodegroups and updates in every state.
func changing() []sim.Cluster {
	return []sim.Cluster{
		{Name: "orders", Version: "1.34", Nodegroups: []sim.Nodegroup{
			{Name: "blue", Nodes: 3},
			{Name: "own", AMIType: fleet.CustomAMI},
			{Name: "old", LaunchTemplate: &sim.TemplateVersion{ID: "lt-a"}, Surge: sim.Surge{Percent: 33, Strategy: "MINIMAL"}},
			{Name: "sick", Health: []sim.Issue{{Code: "NodeCreationFailure", Message: "no", Resources: []string{"i-0"}}}},
		}},
		{Name: "upgrading", Version: "1.34", Nodegroups: []sim.Nodegroup{{Name: "blue"}}, Updates: []sim.Update{
			{Version: "1.35", At: -time.Hour, Errors: []sim.Issue{{Code: "IpNotAvailable", Message: "none is free", Resources: []string{"subnet-0"}}}},
			{Version: "1.35", At: -time.Minute},
		}},
		{Name: "recent", Version: "1.35", UpgradedAt: noon.Add(-24 * time.Hour)},
		{Name: "settled", Version: "1.35"},
		{Name: "plain", Version: "1.35"},
		{Name: "unready", Version: "1.34", Insights: []sim.Insight{{Name: "an API that is gone", Status: "ERROR", Kubernetes: "1.35"}}},
	}
}

func TestNoAnswerDeviatesFromAWSsModel(t *testing.T) {
	reports := check(t, map[string]string{
		"healthy":   world(t),
		"throttled": world(t, func(w *sim.World) { w.Faults().Throttle(0, 1) }),
		"skewed":    world(t, func(w *sim.World) { w.Faults().ClockSkew(time.Hour) }),
	}, nil)
	for name, r := range reports {
		if len(r.Deviations) > 0 {
			t.Errorf("%s: %d deviations:\n%s", name, len(r.Deviations), strings.Join(r.Deviations, "\n"))
		}
	}
	for name, want := range map[string]map[string][]string{
		"healthy": {
			"eks.ListClusters":            {"AccessDeniedException", "InvalidParameterException", "UnrecognizedClientException", "ok"},
			"eks.DescribeCluster":         {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.DescribeClusterVersions": {"AccessDeniedException", "InvalidParameterException", "UnrecognizedClientException", "ok"},
			"eks.ListAccessEntries":       {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.DescribeAccessEntry":     {"AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.CreateAccessEntry":       {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.UpdateAccessEntry":       {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.DeleteAccessEntry":       {"AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.ListNodegroups":          {"AccessDeniedException", "InvalidParameterException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.DescribeNodegroup":       {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.CreateNodegroup":         {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceInUseException", "ResourceLimitExceededException", "UnrecognizedClientException", "ok"},
			"eks.DeleteNodegroup":         {"AccessDeniedException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.UpdateNodegroupConfig":   {"AccessDeniedException", "InvalidParameterException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.UpdateNodegroupVersion":  {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.ListUpdates":             {"AccessDeniedException", "InvalidParameterException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.DescribeUpdate":          {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.UpdateClusterVersion":    {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "InvalidStateException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"eks.CreateCluster":           {"AccessDeniedException", "InvalidParameterException", "ResourceInUseException", "UnrecognizedClientException", "ok"},
			"cloudwatch.GetMetricData":    {"AccessDeniedException", "InvalidNextToken", "UnrecognizedClientException", "ValidationException", "ok"},
			"cloudwatch.DescribeAlarms":   {"AccessDeniedException", "InvalidNextToken", "UnrecognizedClientException", "ValidationException", "ok"},
			"sts.AssumeRole":              {"AccessDenied", "ValidationError", "ok"},
			"sts.GetCallerIdentity":       {"AccessDenied", "InvalidClientTokenId", "ok"},

			"eks.ListAddons":                        {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceNotFoundException", "ok"},
			"eks.DescribeAddon":                     {"AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException", "ok"},
			"eks.DescribeAddonVersions":             {"AccessDeniedException", "InvalidParameterException", "ok"},
			"eks.ListInsights":                      {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceNotFoundException", "ok"},
			"eks.DescribeInsight":                   {"AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException", "ok"},
			"eks.AssociateEncryptionConfig":         {"AccessDeniedException", "InvalidParameterException", "InvalidRequestException", "ResourceInUseException", "ResourceNotFoundException", "UnrecognizedClientException", "ok"},
			"ec2.DescribeSubnets":                   {"AuthFailure", "InvalidNextToken", "InvalidParameterValue", "InvalidSubnetID.NotFound", "UnauthorizedOperation", "ok"},
			"ec2.DescribeLaunchTemplateVersions":    {"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound", "UnauthorizedOperation", "ok"},
			"ec2.DescribeLaunchTemplates":           {"AuthFailure", "InvalidLaunchTemplateId.NotFound", "UnauthorizedOperation", "ok"},
			"ec2.DescribeInstanceTypes":             {"AuthFailure", "InvalidInstanceType", "UnauthorizedOperation", "ok"},
			"ec2.GetEbsDefaultKmsKeyId":             {"AuthFailure", "UnauthorizedOperation", "ok"},
			"ec2.GetEbsEncryptionByDefault":         {"AuthFailure", "UnauthorizedOperation", "ok"},
			"kms.GetKeyPolicy":                      {"AccessDeniedException", "NotFoundException", "ok"},
			"kms.DescribeKey":                       {"AccessDeniedException", "InvalidArnException", "NotFoundException", "UnrecognizedClientException", "ok"},
			"kms.GetKeyRotationStatus":              {"AccessDeniedException", "NotFoundException", "UnsupportedOperationException", "ok"},
			"kms.ListAliases":                       {"AccessDeniedException", "InvalidMarkerException", "NotFoundException", "ValidationException", "ok"},
			"kms.ListResourceTags":                  {"AccessDeniedException", "InvalidMarkerException", "NotFoundException", "ok"},
			"kms.ScheduleKeyDeletion":               {"AccessDeniedException", "KMSInvalidStateException", "NotFoundException", "ValidationException", "ok"},
			"kms.CancelKeyDeletion":                 {"AccessDeniedException", "KMSInvalidStateException", "NotFoundException", "ok"},
			"kms.DisableKey":                        {"AccessDeniedException", "KMSInvalidStateException", "NotFoundException", "ok"},
			"kms.EnableKey":                         {"AccessDeniedException", "KMSInvalidStateException", "NotFoundException", "ok"},
			"kms.CreateGrant":                       {"AccessDeniedException", "DisabledException", "InvalidArnException", "KMSInvalidStateException", "NotFoundException", "ValidationException", "ok"},
			"kms.ListGrants":                        {"AccessDeniedException", "InvalidMarkerException", "NotFoundException", "ValidationException", "ok"},
			"kms.RetireGrant":                       {"AccessDeniedException", "InvalidGrantTokenException", "NotFoundException", "UnrecognizedClientException", "ok"},
			"kms.RevokeGrant":                       {"AccessDeniedException", "NotFoundException", "UnrecognizedClientException", "ok"},
			"ssm.GetParameter":                      {"AccessDeniedException", "ParameterNotFound", "UnrecognizedClientException", "ok"},
			"ssm.GetCalendarState":                  {"AccessDeniedException", "InvalidDocument", "UnrecognizedClientException", "ok"},
			"resourcegroupstaggingapi.GetResources": {"AccessDeniedException", "InvalidParameterException", "PaginationTokenExpiredException", "UnrecognizedClientException", "ok"},
			"service-quotas.ListServiceQuotas":      {"AccessDeniedException", "IllegalArgumentException", "InvalidPaginationTokenException", "UnrecognizedClientException", "ok"},
			"service-quotas.GetServiceQuota":        {"AccessDeniedException", "NoSuchResourceException", "UnrecognizedClientException", "ok"},
		},
		"throttled": {
			"eks.ListClusters": {"TooManyRequestsException"}, "cloudwatch.GetMetricData": {"ThrottlingException"}, "sts.AssumeRole": {"Throttling"},
			"ec2.DescribeSubnets": {"RequestLimitExceeded"}, "kms.ListAliases": {"ThrottlingException"}, "resourcegroupstaggingapi.GetResources": {"ThrottledException"}, "service-quotas.ListServiceQuotas": {"TooManyRequestsException"},
			"ssm.GetParameter": {"ThrottlingException"},
		},
		"skewed": {
			"eks.ListClusters": {"InvalidSignatureException"}, "cloudwatch.GetMetricData": {"InvalidSignatureException"}, "sts.AssumeRole": {"SignatureDoesNotMatch"},
			"ec2.DescribeSubnets": {"RequestExpired"}, "kms.DescribeKey": {"InvalidSignatureException"}, "resourcegroupstaggingapi.GetResources": {"InvalidSignatureException"},
			"ssm.GetParameter": {"InvalidSignatureException"},
		},
	} {
		for operation, outcomes := range want {
			for _, o := range outcomes {
				if !slices.Contains(reports[name].Seen[operation], o) {
					t.Errorf("%s: %s was never seen to end with %s, only %v", name, operation, o, reports[name].Seen[operation])
				}
			}
		}
	}
}

func TestTheCheckSeesEveryKindOfDeviation(t *testing.T) {
	rows := []struct {
		name  string
		spoil spoil
		want  string // part of a deviation
	}{
		{"EKS member unknown", spoiling(`"platformVersion"`, `"platform"`), "output.cluster.platform: not in the model"},
		{"EKS enum value unknown", spoiling(`"ACTIVE"`, `"GREEN"`), "'GREEN' is not one of"},
		{"EKS timestamp as text", spoiling(`"createdAt":1762160400`, `"createdAt":"2025-11-03"`), "output.cluster.createdAt: '2025-11-03' is no timestamp"},
		{"EKS number as text", spoiling(`"clusterDatabaseSizeGb":16`, `"clusterDatabaseSizeGb":"16"`), "'16' is no integer"},
		{"EKS list as text", spoiling(`"clusters":["big","factory"]`, `"clusters":"big"`), "output.clusters: want a list"},
		{"EKS error unknown", spoiling(`ResourceNotFoundException`, `ClusterNotFoundException`), "'ClusterNotFoundException' is neither modelled nor common"},
		{"EKS error not of this operation", spoiling(`ResourceNotFoundException`, `ResourceInUseException`), "'ResourceInUseException' is neither modelled nor common"},
		{"EKS error member unknown", spoiling(`"clusterName"`, `"cluster"`), "error.cluster: not in the model"},
		{"EKS nodegroup member unknown", spoiling(`"releaseVersion"`, `"release"`), "output.nodegroup.release: not in the model"},
		{"EKS nodegroup size as text", spoiling(`"desiredSize":3`, `"desiredSize":"3"`), "'3' is no integer"},
		{"EKS update type unknown", spoiling(`"VersionRollback"`, `"Downgrade"`), "'Downgrade' is not one of"},
		{"EKS update error unknown", spoiling(`"IpNotAvailable"`, `"NoAddress"`), "'NoAddress' is not one of"},
		{"EKS body no JSON", spoiling(`{"clusters"`, `{clusters`), "JSONDecodeError"},
		{"CloudWatch member unknown", spoiling(`jTimestamps`, `jTimestampz`), "Timestampz: not in the model"},
		{"CloudWatch enum value unknown", spoiling(`Complete`, `Finished`), "'Finished' is not one of"},
		{"CloudWatch list as map", spoiling("hMessages\x80", "hMessages\xa0"), "output.Messages: want a list"},
		{"CloudWatch timestamp untagged", spoiling("\xc1\xfb", "\xfb"), "is no timestamp"},
		{"CloudWatch error unknown", spoiling(`InvalidNextToken`, `InvalidPageToken`), "'InvalidPageToken' is neither modelled nor common"},
		{"CloudWatch error without its old name", spoiling(`ValidationError;Sender`, `Unknown`), "x-amzn-query-error"},
		{"STS member unknown", spoiling(`AccessKeyId`, `AccessKey`), "output.Credentials.AccessKey: not in the model"},
		{"STS member missing", spoiling(`<SessionToken>simulated</SessionToken>`, ``), "output.Credentials.SessionToken: missing"},
		{"STS timestamp of no form", spoiling(`Z</Expiration>`, `</Expiration>`), "output.Credentials.Expiration"},
		{"EKS insight without its time", spoiling(`"lastRefreshTime":17`, `"lastRefreshTime":"soon","was":17`), "lastRefreshTime: 'soon' is no timestamp"},
		{"EC2 member unknown", spoiling(`availableIpAddressCount`, `freeIps`), "freeIps: not in the model"},
		{"EC2 number as text", spoiling(`>250</availableIpAddressCount>`, `>many</availableIpAddressCount>`), "is no integer"},
		{"EC2 error of no form", spoiling(`<Errors>`, `<Errors><Error/>`), "wrong error element"},
		{"EC2 error unknown", spoiling(`InvalidSubnetID.NotFound`, `NoSubnet`), "'NoSubnet' is neither modelled nor common"},
		{"KMS enum value unknown", spoiling(`"KeyState":"PendingReplicaDeletion"`, `"KeyState":"Doomed"`), "'Doomed' is not one of"},
		{"KMS member missing", spoiling(`"KeyId":"mrk-`, `"Id":"mrk-`), "output.KeyMetadata.KeyId: missing"},
		{"KMS error unknown", spoiling(`KMSInvalidStateException`, `BadState`), "'BadState' is neither modelled nor common"},
		{"KMS of another protocol", spoiling(`application/x-amz-json-1.1`, `application/x-amz-json-1.0`), "wrong content type"},
		{"KMS grant's operation unknown", spoiling(`"Operations":["Encrypt"`, `"Operations":["Lock"`), "'Lock' is not one of"},
		{"EKS update param unknown", spoiling(`"type":"EncryptionConfig"`, `"type":"Key"`), "'Key' is not one of"},
		{"parameter's version as text", spoiling(`"Version":1,`, `"Version":"1",`), "output.Parameter.Version: '1' is no long"},
		{"tagging member unknown", spoiling(`"ResourceTagMappingList"`, `"Resources"`), "output.Resources: not in the model"},
		{"quota as text", spoiling(`"Value":60`, `"Value":"60"`), "'60' is no double"},
		{"EKS update strategy unknown", spoiling(`"updateStrategy":"MINIMAL"`, `"updateStrategy":"QUICK"`), "'QUICK' is not one of"},
		{"EKS renewal param unknown", spoiling(`"type":"ReleaseVersion"`, `"type":"Release"`), "'Release' is not one of"},
		{"CloudWatch alarm of no state", spoiling("jStateValueeALARM", "jStateValueeRINGS"), "'RINGS' is not one of"},
		{"calendar of no state", spoiling(`"State":"CLOSED"`, `"State":"SHUT"`), "'SHUT' is not one of"},
		{"launch template member unknown", spoiling(`latestVersionNumber`, `newest`), "newest: not in the model"},
		{"vCPUs as text", spoiling(`<defaultVCpus>2<`, `<defaultVCpus>two<`), "is no integer"},
		{"STS error unknown", spoiling(`<Code>AccessDenied<`, `<Code>NotAllowed<`), "'NotAllowed' is neither modelled nor common"},
	}
	spoiled := map[string]spoil{}
	for _, row := range rows {
		spoiled[row.name] = row.spoil
	}
	reports := check(t, map[string]string{"healthy": world(t)}, spoiled)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := reports[row.name].Deviations
			if !slices.ContainsFunc(got, func(d string) bool { return strings.Contains(d, row.want) }) {
				t.Errorf("no deviation has %q, only:\n%s", row.want, strings.Join(got, "\n"))
			}
		})
	}
}
