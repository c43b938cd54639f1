package dynamo_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
)

// storeAt speaks to url and gives up at the first refusal: how often to ask
// again is for the client's owner to say.
func storeAt(url string) *dynamo.Store {
	return dynamo.New(dynamodb.New(dynamodb.Options{
		Region:       "eu-west-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      aws.NopRetryer{},
	}), "ledger")
}

func answering(t *testing.T, status int, body string) *dynamo.Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return storeAt(server.URL)
}

func TestFault_33_ADatabaseThatCannotBeAskedIsUnavailable(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
	}{
		"throttled":             {400, `{"__type":"com.amazon.coral.availability#ThrottlingException","message":"slow down"}`},
		"beyond its throughput": {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`},
		"beyond the account":    {400, `{"__type":"com.amazonaws.dynamodb.v20120810#RequestLimitExceeded","message":"slow down"}`},
		"forbidden":             {400, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`},
		"without its table":     {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no"}`},
		"an internal error":     {500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"oops"}`},
		"down":                  {503, `<html>down</html>`},
		"answering nonsense":    {200, `<html>captive portal</html>`},
	} {
		t.Run(name, func(t *testing.T) { ledgertest.Unavailable(t, answering(t, row.status, row.body)) })
	}
	t.Run("refusing connections", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		ledgertest.Unavailable(t, storeAt(server.URL))
	})
}

func TestACancelledCallIsUnavailableAndSaysWhy(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := answering(t, http.StatusOK, `{}`).Read(ctx, ledger.Key{Partition: "p", Sort: "s"})
	if !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want ErrUnavailable and context.Canceled", err)
	}
}

func TestFault_32_AFailedConditionIsAConflict(t *testing.T) {
	s := answering(t, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`)
	key := ledger.Key{Partition: "p", Sort: "s"}
	for what, err := range map[string]error{
		"write":              s.Write(t.Context(), ledger.Record{Key: key}),
		"write on a version": s.Write(t.Context(), ledger.Record{Key: key, Version: 1}),
		"delete":             s.Delete(t.Context(), key, 1),
	} {
		if !errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrConflict", what, err)
		}
	}
}

func TestAnItemOfAnotherWriterIsNotTakenForARecord(t *testing.T) {
	for name, item := range map[string]string{
		"no version":             `{"pk":{"S":"p"},"sk":{"S":"s"},"body":{"S":"{}"}}`,
		"a version that is text": `{"pk":{"S":"p"},"sk":{"S":"s"},"version":{"S":"1"}}`,
		"a version of zero":      `{"pk":{"S":"p"},"sk":{"S":"s"},"version":{"N":"0"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, http.StatusOK, `{"Item":`+item+`}`).Read(t.Context(), ledger.Key{Partition: "p", Sort: "s"})
			if err == nil || !strings.Contains(err.Error(), "the ledger did not write it") || errors.Is(err, ledger.ErrAbsent) {
				t.Fatalf("got %v, want a refusal", err)
			}
		})
	}
}
