package sim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

// every calls one operation of each service.
func every(t *testing.T, r *rig, region string) map[string]error {
	_, list := r.eks(region).ListClusters(t.Context(), &eks.ListClustersInput{})
	_, data := r.cloudwatch(region).GetMetricData(t.Context(), lastHour(fleet.StorageSize, "payments"))
	_, who := r.sts(region).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	_, subnets := r.ec2(region).DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	_, aliases := r.kms(region).ListAliases(t.Context(), &kms.ListAliasesInput{})
	_, tagged := r.tagging(region).GetResources(t.Context(), &resourcegroupstaggingapi.GetResourcesInput{})
	_, limits := r.quotas(region).ListServiceQuotas(t.Context(), &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("eks")})
	return map[string]error{
		"eks": list, "monitoring": data, "sts": who,
		"ec2": subnets, "kms": aliases, "tagging": tagged, "servicequotas": limits,
	}
}

func TestFault_01_ThrottledInTheMiddleOfAPageIsResumedWithTheSameToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := sim.New(crowd(250), func() time.Time { return noon })
		if err != nil {
			t.Fatal(err)
		}
		w.Faults().Script(edge.Step{Operation: "ListClusters", Nth: 2, Times: 2, Do: edge.Answer(429, "ThrottlingException", "Rate exceeded")})
		names, pages, err := list(t.Context(), eks.NewFromConfig(inProcess(w)), eks.ListClustersInput{})
		if err != nil || len(names) != 250 || pages != 3 {
			t.Errorf("%d clusters in %d pages, %v; want 250 in 3", len(names), pages, err)
		}
		if got := w.Calls().Of("ListClusters"); got.Served != 3 || got.Throttled != 2 {
			t.Errorf("calls are %+v, want 3 served and 2 throttled", got)
		}
	})
}

func TestBucketsRefillWhileTheSDKBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := sim.New(crowd(1), func() time.Time { return noon })
		if err != nil {
			t.Fatal(err)
		}
		w.Faults().Throttle(1, 2)
		c := eks.NewFromConfig(inProcess(w))
		for range 10 {
			if _, err := c.ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.Calls().Of("ListClusters"); got.Served != 10 || got.Throttled == 0 {
			t.Errorf("calls are %+v, want 10 served and some throttled", got)
		}
	})
}

// inProcess reaches a world without a network, so that time can be simulated,
// and retries as the product does.
func inProcess(w *sim.World) aws.Config {
	cfg := (&rig{url: "http://world.invalid"}).config("eu-west-1")
	cfg.HTTPClient = inprocess.Client{Handler: w.Handler()}
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 10 })
	}
	return cfg
}

func TestEachServiceThrottlesInItsOwnWords(t *testing.T) {
	r := small(t)
	r.Faults().Throttle(0, 1)
	for name, err := range every(t, r, "eu-west-1") {
		if err != nil {
			t.Errorf("%s: the first call is refused: %v", name, err)
		}
	}
	codes := map[string]string{
		"eks": "TooManyRequestsException", "monitoring": "Throttling", "sts": "Throttling",
		"ec2": "RequestLimitExceeded", "kms": "ThrottlingException", "tagging": "ThrottledException", "servicequotas": "TooManyRequestsException",
	}
	for name, err := range every(t, r, "eu-west-1") {
		if api := wantCode(t, err, codes[name]); !retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(api).Bool() {
			t.Errorf("%s: the SDK does not take %v for a throttle", name, api)
		}
	}
	for name, err := range every(t, r, "eu-north-1") {
		if err != nil {
			t.Errorf("%s: another region's bucket is empty too: %v", name, err)
		}
	}
	want := edge.Count{Served: 1, Throttled: 1}
	key := edge.CallKey{Account: home, Region: "eu-west-1", Service: "eks", Operation: "ListClusters"}
	if got := r.Calls()[key]; got != want {
		t.Errorf("count is %+v, want %+v", got, want)
	}
	r.Faults().Clear()
	for name, err := range every(t, r, "eu-west-1") {
		if err != nil {
			t.Errorf("%s: still throttled after Clear: %v", name, err)
		}
	}
}

func TestFault_04_TokensRepeat(t *testing.T) {
	r := start(t, crowd(30))
	r.Faults().Script(edge.Step{Nth: 2, Times: edge.Always, Do: edge.RepeatToken()})
	c := r.eks("eu-west-1")
	in := &eks.ListClustersInput{MaxResults: aws.Int32(10)}
	for i := range 5 {
		out, err := c.ListClusters(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && aws.ToString(out.NextToken) != aws.ToString(in.NextToken) {
			t.Errorf("call %d moves on from %q to %q", i+1, *in.NextToken, aws.ToString(out.NextToken))
		}
		in.NextToken = out.NextToken
	}
	m := lastHour(fleet.StorageSize, "c000")
	data := r.cloudwatch("eu-west-1")
	for i := range 3 {
		out, err := data.GetMetricData(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if out.NextToken == nil || (i > 0 && *out.NextToken != *m.NextToken) {
			t.Errorf("GetMetricData %d ends or moves on", i+1)
		}
		m.NextToken = out.NextToken
	}
}

func TestFault_05_OneClusterIsDenied(t *testing.T) {
	r := small(t)
	r.Faults().Script(edge.Step{
		Account: home, Region: "eu-west-1", Cluster: "search", Times: edge.Always,
		Do: edge.Answer(403, "AccessDeniedException", "User: x is not authorized to perform: eks:DescribeCluster on resource: y"),
	})
	c := r.eks("eu-west-1")
	_, err := c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("search")})
	wantCode(t, err, "AccessDeniedException")
	if _, err := c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("payments")}); err != nil {
		t.Errorf("another cluster is denied too: %v", err)
	}
	_, err = r.cloudwatch("eu-west-1").GetMetricData(t.Context(), lastHour(fleet.StorageSize, "payments", "search"))
	wantCode(t, err, "AccessDeniedException")
}

func TestFault_07_RegionsNotOptedInOrDeniedByPolicy(t *testing.T) {
	r := small(t)
	const unknown = "UnrecognizedClientException"
	codes := map[string]string{
		"eks": unknown, "monitoring": "InvalidClientTokenId", "sts": "InvalidClientTokenId",
		"ec2": "AuthFailure", "kms": unknown, "tagging": unknown, "servicequotas": unknown,
	}
	for name, err := range every(t, r, "me-south-1") {
		wantCode(t, err, codes[name])
	}
	r.Faults().DenyByPolicy("", "ap-east-1")
	const denied = "AccessDeniedException"
	codes = map[string]string{
		"eks": denied, "monitoring": "AccessDenied", "sts": "AccessDenied",
		"ec2": "UnauthorizedOperation", "kms": denied, "tagging": denied, "servicequotas": denied,
	}
	for name, err := range every(t, r, "ap-east-1") {
		api := wantCode(t, err, codes[name])
		if !strings.Contains(api.ErrorMessage(), "with an explicit deny in a service control policy") {
			t.Errorf("%s: message is %q", name, api.ErrorMessage())
		}
	}
	for name, err := range every(t, r, "eu-west-1") {
		if err != nil {
			t.Errorf("%s: a healthy region refuses: %v", name, err)
		}
	}
}

func TestFault_38_ASkewedClockIsCorrectedFromTheDateHeader(t *testing.T) {
	r := small(t)
	const expired = "InvalidSignatureException"
	codes := map[string]string{
		"eks": expired, "monitoring": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch",
		"ec2": "RequestExpired", "kms": expired, "tagging": expired, "servicequotas": expired,
	}
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		r.Faults().ClockSkew(skew)
		for name, err := range every(t, r, "eu-west-1") {
			wantCode(t, err, codes[name])
		}
		r.ResetCalls()
		cfg := r.config("eu-west-1")
		cfg.Retryer = func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.Backoff = retry.BackoffDelayerFunc(noDelay) })
		}
		if _, err := eks.NewFromConfig(cfg).ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
			t.Errorf("skew %s: the SDK cannot correct itself: %v", skew, err)
		}
		if got := r.Calls().Of("ListClusters"); got.Refused != 1 || got.Served != 1 {
			t.Errorf("skew %s: calls are %+v, want one refused and one served", skew, got)
		}
	}
	r.Faults().ClockSkew(4 * time.Minute)
	for name, err := range every(t, r, "eu-west-1") {
		if err != nil {
			t.Errorf("%s: four minutes are refused: %v", name, err)
		}
	}
}

func noDelay(int, error) (time.Duration, error) { return 0, nil }

func TestFault_45_AnswersAreCutOrReplaced(t *testing.T) {
	r := small(t)
	for name, do := range map[string]edge.Action{
		"cut in the middle": edge.CutBody(),
		"a proxy's page":    edge.Raw(http.StatusOK, "text/html", "<html>blocked</html>"),
	} {
		t.Run(name, func(t *testing.T) {
			r.Faults().Script(edge.Step{Times: 7, Do: do})
			for service, err := range every(t, r, "eu-west-1") {
				// The SDK's reader of EC2 takes any XML for an answer that is empty.
				blind := service == "ec2" && name == "a proxy's page"
				if (err == nil) != blind {
					t.Errorf("%s: the SDK noticed: %v", service, err)
				}
			}
		})
	}
}

func TestAHangingCallEndsWithTheClient(t *testing.T) {
	r := small(t)
	r.Faults().Script(edge.Step{Operation: "DescribeCluster", Do: edge.Hang()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.eks("eu-west-1").DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String("payments")})
		done <- err
	}()
	for r.Calls().Of("DescribeCluster").Total() == 0 {
		if _, err := r.eks("eu-west-1").ListClusters(ctx, &eks.ListClustersInput{}); err != nil {
			t.Fatal(err) // meanwhile, others are served
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the context", err)
	}
}

func TestLatencyDelaysEveryAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := sim.New(crowd(1), func() time.Time { return noon })
		if err != nil {
			t.Fatal(err)
		}
		w.Faults().Latency(3 * time.Second)
		before := time.Now()
		if _, err := cloudwatch.NewFromConfig(inProcess(w)).GetMetricData(t.Context(), lastHour(fleet.StorageSize, "c000")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("the answer took %s, want 3s", took)
		}
	})
}

func TestStepsCountWhatTheyMatch(t *testing.T) {
	r := small(t)
	r.Faults().Script(
		edge.Step{Operation: "ListClusters", Region: "eu-west-1", Nth: 2, Times: 2, Do: edge.Answer(500, "ServerException", "first")},
		edge.Step{Operation: "ListClusters", Nth: 3, Do: edge.Answer(503, "ServiceUnavailableException", "second")},
	)
	var got []string
	for _, region := range []string{"eu-west-1", "eu-west-1", "eu-north-1", "eu-west-1", "eu-west-1"} {
		_, err := r.eks(region).ListClusters(t.Context(), &eks.ListClustersInput{})
		got = append(got, message(err))
	}
	if want := "ok first second first ok"; strings.Join(got, " ") != want {
		t.Errorf("answers are %q, want %q", got, want)
	}
}

func message(err error) string {
	var api interface{ ErrorMessage() string }
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return "ok"
}

func TestRequestsThatCannotBeServedSayWhy(t *testing.T) {
	r := small(t)
	for name, row := range map[string]struct {
		path, authorization string
		status              int
	}{
		"unsigned":               {"/clusters", "", http.StatusNotImplemented},
		"of another service":     {"/clusters", "AWS4-HMAC-SHA256 Credential=A/20261120/eu-west-1/dynamodb/aws4_request", http.StatusNotImplemented},
		"an operation not known": {"/addons", "AWS4-HMAC-SHA256 Credential=A/20261120/eu-west-1/eks/aws4_request", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+row.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", row.authorization)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != row.status {
				t.Errorf("status is %d, want %d", resp.StatusCode, row.status)
			}
		})
	}
}
