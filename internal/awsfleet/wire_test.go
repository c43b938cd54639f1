package awsfleet_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A wire speaks the protocols of EKS, CloudWatch and STS by hand, so that a test
// may say precisely what goes wrong. The SDK in front of it is the real one; no
// connection is opened, so that retries may run in a bubble of fake time.
type wire struct {
	t      *testing.T
	answer func(call) reply

	mu    sync.Mutex
	calls []call
}

// A call is one HTTP request as a service understands it.
type call struct {
	operation string
	host      string
	region    string // that of the signature
	key       string // access key of the signature
	agent     string
	query     url.Values // of the URL, or of the body for STS
	cluster   string     // of DescribeCluster
	body      []byte
	done      <-chan struct{} // closed when the client gives up
}

func (c call) token() string { return c.query.Get("nextToken") }

// A reply is one HTTP answer.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

var scope = regexp.MustCompile(`Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request`)

// Do is what the SDK takes for its HTTP client.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	c := call{host: r.Host, agent: r.UserAgent(), query: r.URL.Query(), done: r.Context().Done()}
	if r.Body != nil {
		c.body, _ = io.ReadAll(r.Body)
	}
	if c.host == "" {
		c.host = r.URL.Host
	}
	signed := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if signed == nil {
		w.t.Errorf("%s is not signed", r.URL)
		return
	}
	c.key, c.region = signed[1], signed[2]
	switch signed[3] {
	case "eks":
		c.operation, c.cluster = operation(r.URL.Path)
	case "monitoring":
		c.operation = "GetMetricData"
	case "sts":
		c.query, _ = url.ParseQuery(string(c.body))
		c.operation = c.query.Get("Action")
	}
	w.mu.Lock()
	w.calls = append(w.calls, c)
	w.mu.Unlock()
	a := w.answer(c)
	for k, v := range a.header {
		rw.Header().Set(k, v)
	}
	rw.WriteHeader(cmp.Or(a.status, http.StatusOK)) // zero: the client has gone
	_, _ = rw.Write(a.body)
}

func operation(path string) (name, cluster string) {
	switch path {
	case "/clusters":
		return "ListClusters", ""
	case "/cluster-versions":
		return "DescribeClusterVersions", ""
	}
	return "DescribeCluster", strings.TrimPrefix(path, "/clusters/")
}

// made returns the calls of one operation.
func (w *wire) made(operation string) []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var made []call
	for _, c := range w.calls {
		if c.operation == operation {
			made = append(made, c)
		}
	}
	return made
}

// connect returns a Fleet whose AWS is answer.
func connect(t *testing.T, answer func(call) reply) (*awsfleet.Fleet, *wire) {
	w := &wire{t: t, answer: answer}
	return awsfleet.New(aws.Config{
		Region:      "eu-west-1",
		HTTPClient:  w,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}), w
}

var target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}

// jsonBody is what EKS answers.
func jsonBody(v any) reply {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return reply{status: 200, header: map[string]string{"Content-Type": "application/json"}, body: b}
}

type object = map[string]any

func eksError(status int, code, message string) reply {
	r := jsonBody(object{"message": message})
	r.status = status
	r.header["X-Amzn-Errortype"] = code
	return r
}

func names(next string, clusters ...string) reply {
	page := object{"clusters": clusters}
	if next != "" {
		page["nextToken"] = next
	}
	return jsonBody(page)
}

// session is what STS answers to AssumeRole.
func session(key string, expires time.Time) reply {
	return reply{status: 200, header: map[string]string{"Content-Type": "text/xml"}, body: fmt.Appendf(nil,
		`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey><SessionToken>roletoken</SessionToken><Expiration>%s</Expiration>`+
			`</Credentials><AssumedRoleUser><Arn>arn:aws:sts::444455556666:assumed-role/steward-reader/eks-steward</Arn><AssumedRoleId>AROA:eks-steward</AssumedRoleId></AssumedRoleUser>`+
			`</AssumeRoleResult></AssumeRoleResponse>`, key, expires.UTC().Format(time.RFC3339))}
}

func stsError(status int, code, message string) reply {
	return reply{status: status, header: map[string]string{"Content-Type": "text/xml"}, body: fmt.Appendf(nil,
		`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)}
}

// cborBody is what CloudWatch answers.
func cborBody(v cbor.Map) reply {
	return reply{
		status: 200,
		header: map[string]string{"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"},
		body:   cbor.Encode(v),
	}
}

func metricsError(status int, code, message string) reply {
	r := cborBody(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + code), "message": cbor.String(message)})
	r.status = status
	r.header["X-Amzn-Query-Error"] = code + ";Sender"
	return r
}

// trouble fails the test unless err carries a Trouble of this kind.
func trouble(t *testing.T, err error, kind fleet.TroubleKind) fleet.Trouble {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want trouble of kind %s", kind)
	}
	got := fleet.TroubleOf(err)
	if got.Kind != kind {
		t.Fatalf("kind %s, want %s: %v", got.Kind, kind, err)
	}
	text := err.Error()
	if strings.Contains(text, "\n") || strings.Contains(text, "operation error") || strings.Contains(text, "secret") || strings.Contains(text, "roletoken") {
		t.Errorf("not one clean sentence: %q", text)
	}
	return *got
}
