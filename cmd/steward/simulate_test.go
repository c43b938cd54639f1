package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// TestSimulateServesAThrottledFleet runs the program as the README says, until
// its context ends.
func TestSimulateServesAThrottledFleet(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	root := rootCommand(nil)
	root.SetArgs([]string{"simulate", "--listen", "127.0.0.1:0", "--rate", "0.001", "--burst", "1"})
	root.SetOut(in)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()

	said := make([]byte, 4096)
	n, err := out.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(string(said[:n]))
	client := eks.New(eks.Options{
		Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIASIMULATED0000000", "simulated", ""),
	})
	if _, err := client.ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
		t.Errorf("the first call: %v", err)
	}
	if _, err := client.ListClusters(t.Context(), &eks.ListClustersInput{}); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("the second call: %v, want it throttled", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("simulate ended with %v", err)
	}
}
