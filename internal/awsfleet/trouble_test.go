package awsfleet_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

const user = "User: arn:aws:sts::111122223333:assumed-role/steward-reader/eks-steward "

func TestFault_05_AccessDeniedNamesTheMissingAction(t *testing.T) {
	tests := map[string]struct{ message, action string }{
		"the action of the call":     {user + "is not authorized to perform: eks:DescribeCluster on resource: arn:aws:eks:eu-west-1:111122223333:cluster/web", "eks:DescribeCluster"},
		"another action than called": {user + "is not authorized to perform: kms:Decrypt on resource: *", "kms:Decrypt"},
		"in quotes":                  {user + "is not authorized to perform 'eks:DescribeCluster'", "eks:DescribeCluster"},
		"because no identity policy": {user + "is not authorized to perform: eks:DescribeCluster because no identity-based policy allows the eks:DescribeCluster action", "eks:DescribeCluster"},
		"a message that names none":  {"no", "eks:DescribeCluster"},
		"no message":                 {"", "eks:DescribeCluster"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := connect(t, func(c call) reply {
				if c.cluster == "web" {
					return eksError(403, "AccessDeniedException", tt.message)
				}
				return jsonBody(object{"cluster": object{"status": "ACTIVE"}})
			})
			_, err := f.Cluster(t.Context(), target, "web")
			if tr := trouble(t, err, fleet.Denied); tr.Action != tt.action {
				t.Errorf("action %s, want %s", tr.Action, tt.action)
			}
			if _, err := f.Cluster(t.Context(), target, "api"); err != nil {
				t.Errorf("another cluster is affected: %v", err)
			}
		})
	}
}

var member = fleet.Target{Account: "444455556666", Region: "eu-central-1", Role: "arn:aws:iam::444455556666:role/steward-reader"}

func TestFault_06_RoleThatCannotBeAssumedIsUnreachable(t *testing.T) {
	f, w := connect(t, func(call) reply {
		return stsError(403, "AccessDenied", "User: arn:aws:iam::111122223333:role/hub is not authorized to perform: sts:AssumeRole on resource: "+member.Role)
	})
	for _, read := range []func() error{
		func() error { _, err := f.Clusters(t.Context(), member); return err },
		func() error { _, err := f.Cluster(t.Context(), member, "web"); return err },
		func() error {
			_, err := f.Sizes(t.Context(), member, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now)
			return err
		},
	} {
		err := read()
		if tr := trouble(t, err, fleet.Unreachable); tr.Action != "sts:AssumeRole" {
			t.Errorf("action %s", tr.Action)
		}
		for _, word := range []string{member.Role, "trust policy"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %s", err, word)
			}
		}
	}
	if n := len(w.made("AssumeRole")); n != 3 {
		t.Errorf("%d AssumeRole calls for 3 reads: a denial is not retried", n)
	}
}

func TestFault_06_OutageOfSTSIsNotTheRolesFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := connect(t, func(call) reply { return stsError(503, "ServiceUnavailable", "down") })
		_, err := f.Clusters(t.Context(), member)
		if tr := trouble(t, err, fleet.Failed); tr.Action != "sts:AssumeRole" {
			t.Errorf("action %s", tr.Action)
		}
	})
}

func TestRoleIsAssumedOnceForAllRegionsUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := connect(t, func(c call) reply {
			if c.operation == "AssumeRole" {
				return session("ASIAROLE", time.Now().Add(time.Hour))
			}
			return names("", "web")
		})
		for _, region := range []string{"eu-central-1", "us-east-1", "eu-central-1"} {
			in := member
			in.Region = region
			if _, err := f.Clusters(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		roles, lists := w.made("AssumeRole"), w.made("ListClusters")
		if len(roles) != 1 {
			t.Fatalf("%d AssumeRole calls", len(roles))
		}
		r := roles[0]
		if r.region != "eu-west-1" || r.key != "AKIAHUB" || r.query.Get("RoleArn") != member.Role ||
			r.query.Get("RoleSessionName") != "eks-steward" || r.query.Has("ExternalId") {
			t.Errorf("AssumeRole in %s as %s with %v", r.region, r.key, r.query)
		}
		for i, region := range []string{"eu-central-1", "us-east-1", "eu-central-1"} {
			if lists[i].region != region || lists[i].key != "ASIAROLE" {
				t.Errorf("call %d is signed for %s by %s", i, lists[i].region, lists[i].key)
			}
		}
		time.Sleep(56 * time.Minute) // fake: into the window before the session ends
		if _, err := f.Clusters(t.Context(), member); err != nil {
			t.Fatal(err)
		}
		if n := len(w.made("AssumeRole")); n != 2 {
			t.Errorf("%d AssumeRole calls after an hour: the session was not renewed", n)
		}
	})
}

func TestTargetWithoutRoleUsesTheHubsOwnCredentials(t *testing.T) {
	f, w := connect(t, func(call) reply { return names("", "web") })
	if _, err := f.Clusters(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if len(w.calls) != 1 || w.calls[0].key != "AKIAHUB" {
		t.Errorf("calls %+v", w.calls)
	}
	if !strings.Contains(w.calls[0].agent, "eks-steward") {
		t.Errorf("user agent %q", w.calls[0].agent)
	}
}

func TestFault_07_DisabledRegionIsToldApartFromAnOutage(t *testing.T) {
	scp := user + "is not authorized to perform: eks:ListClusters on resource: * with an explicit deny in a service control policy"
	tests := map[string]struct {
		answer reply
		want   fleet.TroubleKind
	}{
		"not opted in":                   {eksError(403, "UnrecognizedClientException", "The security token included in the request is invalid."), fleet.RegionDisabled},
		"not opted in, as others say it": {eksError(403, "InvalidClientTokenId", "The security token included in the request is invalid"), fleet.RegionDisabled},
		"opt-in required":                {eksError(403, "OptInRequired", "You are not subscribed to this service"), fleet.RegionDisabled},
		"denied by an SCP":               {eksError(403, "AccessDeniedException", scp), fleet.RegionDisabled},
		"not allowed by any SCP":         {eksError(403, "AccessDeniedException", user+"is not authorized to perform: eks:ListClusters because no service control policy allows the eks:ListClusters action"), fleet.RegionDisabled},
		"denied by IAM":                  {eksError(403, "AccessDeniedException", user+"is not authorized to perform: eks:ListClusters with an explicit deny in an identity-based policy"), fleet.Denied},
		"an outage":                      {eksError(503, "ServiceUnavailableException", "down"), fleet.Failed},
		"an outage without a word":       {reply{status: 502, body: []byte("<html>Bad Gateway</html>")}, fleet.Failed},
		"expired credentials":            {eksError(403, "ExpiredTokenException", "The security token included in the request is expired"), fleet.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := connect(t, func(call) reply { return tt.answer })
				_, err := f.Clusters(t.Context(), target)
				if tr := trouble(t, err, tt.want); tr.Action != "eks:ListClusters" {
					t.Errorf("action %s", tr.Action)
				}
			})
		})
	}
}

func TestFault_07_MetricsOfADisabledRegion(t *testing.T) {
	f, _ := connect(t, func(call) reply {
		return metricsError(403, "InvalidClientTokenId", "The security token included in the request is invalid")
	})
	_, err := f.Sizes(t.Context(), target, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now)
	trouble(t, err, fleet.RegionDisabled)
}

func TestFault_08_PartitionsComeFromTheRegion(t *testing.T) {
	tests := map[string]struct{ hub, region, role, sts, eks, cloudwatch string }{
		"China": {
			"cn-northwest-1", "cn-north-1", "arn:aws-cn:iam::444455556666:role/steward-reader",
			"sts.cn-northwest-1.amazonaws.com.cn", "eks.cn-north-1.amazonaws.com.cn", "monitoring.cn-north-1.amazonaws.com.cn",
		},
		"GovCloud": {
			"us-gov-east-1", "us-gov-west-1", "arn:aws-us-gov:iam::444455556666:role/steward-reader",
			"sts.us-gov-east-1.amazonaws.com", "eks.us-gov-west-1.amazonaws.com", "monitoring.us-gov-west-1.amazonaws.com",
		},
		"everywhere else": {
			"eu-west-1", "ap-southeast-2", "arn:aws:iam::444455556666:role/steward-reader",
			"sts.eu-west-1.amazonaws.com", "eks.ap-southeast-2.amazonaws.com", "monitoring.ap-southeast-2.amazonaws.com",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &wire{t: t, answer: func(c call) reply {
				switch c.operation {
				case "AssumeRole":
					return session("ASIAROLE", time.Now().Add(time.Hour))
				case "GetMetricData":
					return cborBody(page("", result("m0", "Complete", -5, 1)))
				}
				return names("", "web")
			}}
			f := awsfleet.New(aws.Config{Region: tt.hub, HTTPClient: w, Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", "")})
			in := fleet.Target{Account: "444455556666", Region: tt.region, Role: tt.role}
			if _, err := f.Clusters(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Sizes(t.Context(), in, fleet.StorageSize, []string{"web"}, now.Add(-time.Hour), now); err != nil {
				t.Fatal(err)
			}
			for operation, host := range map[string]string{"AssumeRole": tt.sts, "ListClusters": tt.eks, "GetMetricData": tt.cloudwatch} {
				if made := w.made(operation); len(made) != 1 || made[0].host != host {
					t.Errorf("%s went to %+v, want %s", operation, made, host)
				}
			}
			if role := w.made("AssumeRole")[0].query.Get("RoleArn"); role != tt.role {
				t.Errorf("assumed %s", role)
			}
		})
	}
}

func TestFault_38_ClockSkewIsCorrectedOnceThenTold(t *testing.T) {
	refused := func(ahead time.Duration) reply {
		r := eksError(403, "InvalidSignatureException", "Signature expired. The Canonical String was 'GET /clusters x-amz-security-token:roletoken secret'")
		r.header["Date"] = time.Now().Add(ahead).UTC().Format(http.TimeFormat)
		return r
	}
	t.Run("corrected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			f, _ := connect(t, func(call) reply {
				if n++; n == 1 {
					return refused(time.Hour)
				}
				return names("", "web")
			})
			if _, err := f.Clusters(t.Context(), target); err != nil || n != 2 {
				t.Errorf("%v after %d calls", err, n)
			}
		})
	})
	t.Run("refused again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, w := connect(t, func(call) reply { return refused(time.Hour) })
			_, err := f.Clusters(t.Context(), target)
			trouble(t, err, fleet.ClockSkew)
			if n := len(w.calls); n != 2 {
				t.Errorf("%d calls, want one more with the corrected time", n)
			}
		})
	})
}

func TestBrokenAnswersAndConnectionsAreOneSentence(t *testing.T) {
	t.Run("an answer cut short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, _ := connect(t, func(call) reply { return reply{status: 200, body: []byte(`{"clusters":["we`)} })
			_, err := f.Clusters(t.Context(), target)
			trouble(t, err, fleet.Failed)
		})
	})
	t.Run("nobody listens", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := awsfleet.New(aws.Config{
				Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
				HTTPClient: refusing{},
			})
			_, err := f.Clusters(t.Context(), target)
			trouble(t, err, fleet.Failed)
			if strings.Contains(err.Error(), "https://") {
				t.Errorf("the request is shown: %v", err)
			}
		})
	})
}

type refusing struct{}

func (refusing) Do(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.AddrError{Err: "connection refused", Addr: "192.0.2.1:443"}}
}

func TestIdentityTellsWhoseCredentialsTheseAre(t *testing.T) {
	f, _ := connect(t, func(call) reply {
		return reply{status: 200, body: []byte(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
			`<Arn>arn:aws:iam::111122223333:user/ada</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)}
	})
	account, arn, err := f.Identity(t.Context())
	if err != nil || account != "111122223333" || arn != "arn:aws:iam::111122223333:user/ada" {
		t.Errorf("got %s, %s, %v", account, arn, err)
	}
}

func TestEndpointsComeFromTheEnvironment(t *testing.T) {
	server := httptest.NewServer(&wire{t: t, answer: func(call) reply { return names("", "web") }})
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAHUB")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hubsecret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", "none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := awsfleet.New(cfg).Clusters(t.Context(), target); err != nil || len(got) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
}
