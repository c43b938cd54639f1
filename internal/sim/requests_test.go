package sim_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/sim"
)

// FuzzRequests throws requests at every service: whatever they hold, the answer
// is one of the service and not a panic.
func FuzzRequests(f *testing.F) {
	fleet, err := sim.Load("testdata/small.yaml")
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
	f.Add("eks", "GET", "/clusters?maxResults=2&nextToken=YWZ0ZXI6", []byte(nil))
	f.Add("eks", "GET", "/clusters/payments%2F", []byte(nil))
	f.Add("eks", "GET", "/cluster-versions?includeAll=true&clusterVersions=1.9&clusterVersions=x", []byte(nil))
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
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code == http.StatusInternalServerError || rec.Body.Len() == 0 {
			t.Errorf("%s %s %s: %d with %d bytes", service, method, target, rec.Code, rec.Body.Len())
		}
	})
}
