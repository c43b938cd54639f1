package ekstoken_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/ekstoken"
)

var _ kubeapi.Tokens = (*ekstoken.Source)(nil)

const (
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	session   = "session-token-of-the-role"
)

var (
	role = credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", secretKey, session)
	now  = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// mint returns a token's URL.
func mint(t *testing.T, region, cluster string, now time.Time) *url.URL {
	t.Helper()
	token, err := ekstoken.New(region, role).Token(t.Context(), cluster, now)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, token)
}

func decode(t *testing.T, token string) *url.URL {
	t.Helper()
	encoded, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if !ok || err != nil {
		t.Fatalf("token %q: %v", token, err)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestATokenIsASignedQuestionToSTS(t *testing.T) {
	u := mint(t, "eu-west-1", "web", now)
	if u.Scheme != "https" || u.Host != "sts.eu-west-1.amazonaws.com" || u.Path != "/" {
		t.Errorf("asks %s", u.Host)
	}
	want := map[string]string{
		"Action":               "GetCallerIdentity",
		"Version":              "2011-06-15",
		"X-Amz-Algorithm":      "AWS4-HMAC-SHA256",
		"X-Amz-Credential":     "AKIAIOSFODNN7EXAMPLE/20261120/eu-west-1/sts/aws4_request",
		"X-Amz-Date":           "20261120T120000Z",
		"X-Amz-Expires":        "60",
		"X-Amz-Security-Token": session,
		"X-Amz-SignedHeaders":  "host;x-k8s-aws-id",
	}
	q := u.Query()
	for key, value := range want {
		if got := q.Get(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if len(q) != len(want)+1 || len(q.Get("X-Amz-Signature")) != 64 {
		t.Errorf("query %v", q)
	}
}

// TestTheSignatureIsThatOfTheSDK holds the token against the SDK's own way of
// presigning, which the EKS documentation describes.
func TestTheSignatureIsThatOfTheSDK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := sts.NewPresignClient(sts.New(sts.Options{Region: "eu-west-1", Credentials: role}))
		signed, err := client.PresignGetCallerIdentity(t.Context(), nil, func(o *sts.PresignOptions) {
			o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
				smithyhttp.SetHeaderValue("x-k8s-aws-id", "web"), smithyhttp.SetHeaderValue("X-Amz-Expires", "60")))
		})
		if err != nil {
			t.Fatal(err)
		}
		want, err := url.Parse(signed.URL)
		if err != nil {
			t.Fatal(err)
		}
		got := mint(t, "eu-west-1", "web", time.Now())
		if got.Host != want.Host || got.Query().Encode() != want.Query().Encode() {
			t.Errorf("token asks\n%s, the SDK\n%s", got.Redacted(), want.Redacted())
		}
	})
}

func TestATokenIsOfOneClusterAndTime(t *testing.T) {
	signature := func(cluster string, now time.Time) string {
		return mint(t, "eu-west-1", cluster, now).Query().Get("X-Amz-Signature")
	}
	own := signature("web", now)
	if own == signature("api", now) {
		t.Error("another cluster takes the token")
	}
	if own == signature("web", now.Add(time.Second)) {
		t.Error("the time is not signed")
	}
	if own != signature("web", now.In(time.FixedZone("", 3600))) {
		t.Error("the time's zone matters")
	}
}

func TestFault_38_TokenIsSignedWithTheTimeThatIsGiven(t *testing.T) {
	if got := mint(t, "eu-west-1", "web", now.Add(20*time.Minute)).Query().Get("X-Amz-Date"); got != "20261120T122000Z" {
		t.Errorf("signed at %s", got)
	}
}

func TestFault_08_EachPartitionHasItsSTS(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://localhost:1")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://localhost:1")
	t.Setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
	for region, host := range map[string]string{
		"us-east-1":     "sts.us-east-1.amazonaws.com",
		"us-gov-west-1": "sts.us-gov-west-1.amazonaws.com",
		"cn-north-1":    "sts.cn-north-1.amazonaws.com.cn",
		"eu-west-99":    "sts.eu-west-99.amazonaws.com",
	} {
		if got := mint(t, region, "web", now).Host; got != host {
			t.Errorf("%s asks %s", region, got)
		}
	}
}

func TestFault_28_HostileNamesAreNotSigned(t *testing.T) {
	for region, cluster := range map[string]string{
		"eu-west-1":                   "web\r\nX-Evil: 1",
		"eu-west-2":                   "",
		"eu-west-1.evil.example.com/": "web",
		"":                            "web",
	} {
		if token, err := ekstoken.New(region, role).Token(t.Context(), cluster, now); err == nil {
			t.Errorf("%q in %q: token %s", cluster, region, decode(t, token).Host)
		}
	}
}

func TestATokenThatNoClusterTakesIsRefused(t *testing.T) {
	tests := map[string]struct {
		session int // bytes
		fits    bool
	}{
		"a usual session":              {1200, true},
		"one with policies and tags":   {2400, true},
		"one that is too large for it": {3000, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			long := strings.Repeat("a", tt.session)
			token, err := ekstoken.New("eu-west-1", credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", secretKey, long)).Token(t.Context(), "web", now)
			if (err == nil) != tt.fits || len(token) > 4096 {
				t.Errorf("%d bytes, error %v", len(token), err)
			}
			if err != nil && strings.Contains(err.Error(), "aaaa") {
				t.Errorf("the error shows the session: %v", err)
			}
		})
	}
}

func TestARoleWithoutCredentialsKeepsItsTrouble(t *testing.T) {
	refused := &fleet.Trouble{Kind: fleet.Unreachable, Action: "sts:AssumeRole", Err: errors.New("no")}
	for _, err := range []error{refused, errors.New("no EC2 IMDS role found")} {
		s := ekstoken.New("eu-west-1", aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, err }))
		_, got := s.Token(t.Context(), "web", now)
		if !errors.Is(got, err) || fleet.TroubleOf(got).Action == "" {
			t.Errorf("error %v", got)
		}
	}
}
