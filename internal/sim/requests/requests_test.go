// Package requests_test has a folder of its own, since a fuzzer instruments all that the tests
// of its folder import: for the SDK beside it that takes minutes.
package requests_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/sim"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// FuzzRequests throws requests at every service: whatever they hold, the answer
// is one of the service and not a panic.
func FuzzRequests(f *testing.F) {
	fleet, err := sim.Load("../testdata/small.yaml")
	if err != nil {
		f.Fatal(err)
	}
	w, err := sim.New(fleet, func() time.Time { return noon })
	if err != nil {
		f.Fatal(err)
	}
	h := w.Handler()
	const getMetricData = "/service/GraniteServiceVersion20100801/operation/GetMetricData"
	at := func(t time.Time) cbor.Value { return &cbor.Tag{ID: 1, Value: cbor.Float64(t.Unix())} }
	f.Add("ec2", "POST", "/", []byte("Action=DescribeSubnets&SubnetId.1=subnet-0aaaaaaaaaaaaaaaa&MaxResults=5&NextToken=YWZ0ZXI6"))
	f.Add("kms", "POST", "TrentService.DescribeKey", []byte(`{"KeyId":"alias/payments"}`))
	f.Add("kms", "POST", "TrentService.ScheduleKeyDeletion", []byte(`{"KeyId":"arn:aws:kms:eu-west-1:1:key/x","PendingWindowInDays":7}`))
	f.Add("kms", "POST", "TrentService.ListAliases", []byte(`{"Limit":1,"Marker":"YWZ0ZXI6"}`))
	f.Add("kms", "POST", "TrentService.CreateGrant", []byte(`{"KeyId":"mrk-33333333333333333333333333333333","GranteePrincipal":"a","Operations":["Decrypt"]}`))
	f.Add("kms", "POST", "TrentService.RetireGrant", []byte(`{"GrantToken":"simulated-"}`))
	f.Add("ssm", "POST", "AmazonSSM.GetParameter", []byte(`{"Name":"/eks-steward/kill-switch"}`))
	f.Add("eks", "POST", "/clusters", []byte(`{"name":"new","roleArn":"a","resourcesVpcConfig":{"subnetIds":["b","c"]}}`))
	f.Add("eks", "POST", "/clusters/search/encryption-config/associate", []byte(`{"encryptionConfig":[{"resources":["secrets"],"provider":{"keyArn":"alias/everywhere"}}]}`))
	f.Add("tagging", "POST", "ResourceGroupsTaggingAPI_20170126.GetResources", []byte(`{"TagFilters":[{"Key":"team"}],"ResourceTypeFilters":["ec2:volume"]}`))
	f.Add("servicequotas", "POST", "ServiceQuotasV20190624.GetServiceQuota", []byte(`{"ServiceCode":"eks","QuotaCode":"L-1194D53C"}`))
	f.Add("eks", "GET", "/addons/supported-versions?kubernetesVersion=1.35&addonName=vpc-cni&maxResults=1", []byte(nil))
	f.Add("eks", "POST", "/clusters/payments/insights", []byte(`{"filter":{"statuses":["ERROR"]},"maxResults":1}`))
	f.Add("eks", "GET", "/clusters?maxResults=2&nextToken=YWZ0ZXI6", []byte(nil))
	f.Add("eks", "GET", "/clusters/payments%2F", []byte(nil))
	f.Add("eks", "GET", "/cluster-versions?includeAll=true&clusterVersions=1.9&clusterVersions=x", []byte(nil))
	f.Add("eks", "POST", "/clusters/payments/node-groups", []byte(`{"nodegroupName": "blue", "nodeRole": "a", "subnets": ["b"], "scalingConfig": {"desiredSize": 1}}`))
	f.Add("eks", "POST", "/clusters/payments/node-groups/blue/update-config", []byte(`{"scalingConfig": null}`))
	f.Add("eks", "DELETE", "/clusters/payments/node-groups/blue", []byte(nil))
	f.Add("eks", "POST", "/clusters/payments/updates", []byte(`{"version": "1.35"}`))
	f.Add("eks", "GET", "/clusters/payments/updates?nodegroupName=blue", []byte(nil))
	f.Add("eks", "POST", "/clusters/payments/access-entries", []byte(`{"principalArn": "arn:aws:iam::1:role/a", "kubernetesGroups": null}`))
	f.Add("sts", "POST", "/", []byte("Action=AssumeRole&RoleArn=arn:aws:iam::444455556666:role/steward-reader&RoleSessionName=ab"))
	f.Add("monitoring", "POST", getMetricData, cbor.Encode(cbor.Map{
		"StartTime": at(noon.Add(-time.Hour)), "EndTime": at(noon), "MaxDatapoints": cbor.Uint(3),
		"MetricDataQueries": cbor.List{cbor.Map{"Id": cbor.String("a"), "MetricStat": cbor.Map{
			"Stat": cbor.String("Maximum"), "Period": cbor.Uint(60), "Metric": cbor.Map{
				"Namespace": cbor.String("AWS/EKS"), "MetricName": cbor.String("apiserver_storage_size_bytes"),
				"Dimensions": cbor.List{cbor.Map{"Name": cbor.String("ClusterName"), "Value": cbor.String("payments")}},
			},
		}}},
	}))
	f.Fuzz(func(t *testing.T, service, method, target string, body []byte) {
		r, err := http.NewRequest(method, "http://world.invalid", bytes.NewReader(body))
		if err != nil || r.URL == nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil {
			return
		}
		r.URL = u
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAHOME000000000000/20261120/eu-west-1/"+service+"/aws4_request")
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		r.Header.Set("X-Amz-Target", target) // where JSON 1.1 names the operation
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code == http.StatusInternalServerError || rec.Body.Len() == 0 {
			t.Errorf("%s %s %s: %d with %d bytes", service, method, target, rec.Code, rec.Body.Len())
		}
	})
}
