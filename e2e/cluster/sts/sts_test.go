package sts_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
)

const (
	session = "arn:aws:sts::111122223333:assumed-role/steward-reader/etcdsize"
	regular = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"
	// The hash of a body that is empty.
	empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// A question is one request, as it is signed and as it is sent.
type question struct {
	url    string
	region string
	age    time.Duration
	header string // x-k8s-aws-id when it is sent; "blue" is signed
	change func(url.Values)
}

func TestOnlyWhatWasSignedIsAnswered(t *testing.T) {
	server := sts.Start(t)
	client := through(t, server)
	key := server.Issue(session)
	wrong := key
	wrong.SecretAccessKey = "another"
	unknown := key
	unknown.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"
	usual := question{url: regular, region: "eu-west-1", header: "blue"}
	with := func(change func(*question)) question {
		q := usual
		change(&q)
		return q
	}
	for _, row := range []struct {
		name string
		key  aws.Credentials
		ask  question
		want string // code of the error
	}{
		{"what the SDK signed", key, usual, ""},
		{"fourteen minutes ago", key, with(func(q *question) { q.age = 14 * time.Minute }), ""},
		{"the global endpoint is that of us-east-1", key, with(func(q *question) {
			q.url, q.region = strings.Replace(regular, ".eu-west-1", "", 1), "us-east-1"
		}), ""},
		{"sixteen minutes ago", key, with(func(q *question) { q.age = 16 * time.Minute }), "SignatureDoesNotMatch"},
		{"sixteen minutes ahead", key, with(func(q *question) { q.age = -16 * time.Minute }), "SignatureDoesNotMatch"},
		{"a header with another value", key, with(func(q *question) { q.header = "green" }), "SignatureDoesNotMatch"},
		{"a parameter more", key, with(func(q *question) { q.change = func(v url.Values) { v.Set("Extra", "1") } }), "SignatureDoesNotMatch"},
		{"a region that is not the endpoint's", key, with(func(q *question) { q.region = "eu-west-2" }), "SignatureDoesNotMatch"},
		{"another secret", wrong, usual, "SignatureDoesNotMatch"},
		{"a key that nobody issued", unknown, usual, "InvalidClientTokenId"},
		{"a session without its token", key, with(func(q *question) {
			q.change = func(v url.Values) { v.Del("X-Amz-Security-Token") }
		}), "InvalidClientTokenId"},
		{"no signature", key, with(func(q *question) {
			q.change = func(v url.Values) { v.Del("X-Amz-Signature") }
		}), "SignatureDoesNotMatch"},
		{"nothing signed", key, with(func(q *question) {
			q.change = func(v url.Values) { clear(v); v.Set("Action", "GetCallerIdentity") }
		}), "IncompleteSignature"},
		{"another action", key, with(func(q *question) { q.url = strings.Replace(regular, "GetCallerIdentity", "AssumeRole", 1) }), "InvalidAction"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ask(t, client, row.key, row.ask)
			if got.Error.Code != row.want {
				t.Errorf("got error %q, want %q", got.Error.Code, row.want)
			}
			if arn := got.GetCallerIdentityResponse.GetCallerIdentityResult.Arn; (arn == session) != (row.want == "") {
				t.Errorf("got the ARN %q", arn)
			}
		})
	}
}

func TestKeysOfOthersAreAskedFor(t *testing.T) {
	server := sts.Start(t)
	key := aws.Credentials{AccessKeyID: "ASIA0000000000000001", SecretAccessKey: "simulated", SessionToken: "simulated"}
	server.Ask(func(accessKeyID string) (sts.Caller, bool) {
		return sts.Caller{ARN: session, Secret: "simulated", SessionToken: "simulated"}, accessKeyID == key.AccessKeyID
	})
	token, err := sts.Token(t.Context(), key, "blue")
	if err != nil {
		t.Fatal(err)
	}
	presigned, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
	if err != nil {
		t.Fatal(err)
	}
	got := send(t, through(t, server), string(presigned), "blue")
	if id := got.GetCallerIdentityResponse.GetCallerIdentityResult; id.Arn != session || id.Account != "111122223333" || !strings.HasSuffix(id.UserID, ":etcdsize") {
		t.Errorf("got %+v, error %+v", id, got.Error)
	}
}

func TestTheProxyLeadsNowhereElse(t *testing.T) {
	_, err := through(t, sts.Start(t)).Get("https://example.com/")
	if err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("got %v, want the proxy to refuse", err)
	}
}

type identity struct {
	GetCallerIdentityResponse struct {
		GetCallerIdentityResult struct{ Account, Arn, UserID string }
	}
	Error struct{ Code string }
}

// ask signs a question by the SDK and sends it.
func ask(t *testing.T, client *http.Client, key aws.Credentials, q question) identity {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, q.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-k8s-aws-id", "blue")
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, r, empty, "sts", q.region, time.Now().Add(-q.age))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if q.change != nil {
		v := u.Query()
		q.change(v)
		u.RawQuery = v.Encode()
	}
	return send(t, client, u.String(), q.header)
}

func send(t *testing.T, client *http.Client, u, header string) identity {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-k8s-aws-id", header)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got identity
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// through is a client with the environment that the server gives to programs.
func through(t *testing.T, server *sts.Server) *http.Client {
	t.Helper()
	environment := map[string]string{}
	for _, variable := range server.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	proxy, err := url.Parse(environment["HTTPS_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(environment["SSL_CERT_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
