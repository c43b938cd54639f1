package configstore_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/eks-steward/eks-steward/internal/configstore"
)

// bucket is an HTTP client that answers in S3's place.
type bucket func(*http.Request) *http.Response

func (b bucket) Do(r *http.Request) (*http.Response, error) { return b(r), nil }

// said is what the SDK logs beside the function's own log.
var said bytes.Buffer

func store(b bucket) *configstore.Store {
	return configstore.New(s3.NewFromConfig(aws.Config{
		Region: "eu-west-1", HTTPClient: b, RetryMaxAttempts: 1, Logger: logging.NewStandardLogger(&said),
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported, // as a configuration that is loaded
		Credentials:                credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}), "steward-config", "steward.yaml")
}

func answer(status int, version string, body io.Reader) *http.Response {
	h := http.Header{}
	if version != "" {
		h.Set("X-Amz-Version-Id", version)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(body), ContentLength: -1}
}

func refusal(status int, code string) *http.Response {
	return answer(status, "", strings.NewReader("<Error><Code>"+code+"</Code><Message>as it says</Message></Error>"))
}

func TestNewestReadsTheFileWithItsVersion(t *testing.T) {
	s := store(func(r *http.Request) *http.Response {
		if r.URL.Path != "/steward.yaml" || r.URL.Query().Has("versionId") || !strings.HasPrefix(r.URL.Host, "steward-config.") {
			return refusal(404, "NoSuchKey")
		}
		return answer(200, "v7", strings.NewReader("schemaVersion: 1\n"))
	})
	said.Reset()
	version, data, err := s.Newest(t.Context())
	if said.Len() > 0 {
		t.Errorf("the SDK logs %q, which is no JSON", said.String())
	}
	if err != nil || version != "v7" || string(data) != "schemaVersion: 1\n" {
		t.Errorf("got %q, %q, %v", version, data, err)
	}
	if s.Name() != "s3://steward-config/steward.yaml" {
		t.Errorf("name %s", s.Name())
	}
}

func TestNewestTakesAFileOfTheLargestSize(t *testing.T) {
	s := store(func(*http.Request) *http.Response { return answer(200, "v7", bytes.NewReader(make([]byte, 350<<10))) })
	if _, data, err := s.Newest(t.Context()); err != nil || len(data) != 350<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestNewestSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		answer func() *http.Response
		words  string
	}{
		"no file":       {func() *http.Response { return refusal(404, "NoSuchKey") }, "upload one with aws s3 cp steward.yaml s3://steward-config/steward.yaml"},
		"denied":        {func() *http.Response { return refusal(403, "AccessDenied") }, "allow s3:GetObject"},
		"no bucket":     {func() *http.Response { return refusal(404, "NoSuchBucket") }, "NoSuchBucket"},
		"too large":     {func() *http.Response { return answer(200, "v7", endless{}) }, "larger than 350 KB"},
		"no versioning": {func() *http.Response { return answer(200, "", strings.NewReader("x")) }, "enable versioning"},
		"older than it": {func() *http.Response { return answer(200, "null", strings.NewReader("x")) }, "enable versioning"},
		"cut short":     {func() *http.Response { return answer(200, "v7", broken{}) }, "the line went dead"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, data, err := store(func(*http.Request) *http.Response { return tt.answer() }).Newest(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want words %q", err, tt.words)
			}
			if data != nil {
				t.Errorf("%d bytes beside the error", len(data))
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line went dead") }

func TestTheDefaultServesUntilThereIsAFile(t *testing.T) {
	uploaded := false
	s := store(func(r *http.Request) *http.Response {
		switch host, _, _ := strings.Cut(r.URL.Host, "."); {
		case host == "assets" && r.URL.Path == "/abc123.yaml":
			return answer(200, "null", strings.NewReader("default"))
		case host == "steward-config" && uploaded:
			return answer(200, "v1", strings.NewReader("own"))
		}
		return refusal(404, "NoSuchKey")
	}).Default("assets", "abc123.yaml")
	if version, data, err := s.Newest(t.Context()); version != "default/abc123.yaml" || string(data) != "default" || err != nil {
		t.Errorf("before an upload: %q, %q, %v; want the default, whose key is its version", version, data, err)
	}
	uploaded = true
	if version, data, err := s.Newest(t.Context()); version != "v1" || string(data) != "own" || err != nil {
		t.Errorf("after an upload: %q, %q, %v; want the file", version, data, err)
	}
}

func TestADeniedFileIsNotReplacedByTheDefault(t *testing.T) {
	s := store(func(*http.Request) *http.Response { return refusal(403, "AccessDenied") }).Default("assets", "abc123.yaml")
	if _, _, err := s.Newest(t.Context()); err == nil {
		t.Error("a file that may not be read was taken for one that is not there")
	}
}
