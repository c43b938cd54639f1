package awsfleet_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestClientsShareTheirConnections(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	f := awsfleet.New(aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: aws.AnonymousCredentials{}})
	here := fleet.Target{Account: "111122223333", Region: "eu-west-1"}
	for range 10 {
		client := cloudwatch.NewFromConfig(f.Config(here))
		if _, err := client.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{}); err == nil {
			t.Fatal("the call was answered")
		}
	}
	// net/http gives up a connection whose request it has not seen written 50 ms after
	// the answer, as on a machine that is busy.
	if n := opened.Load(); n > 2 {
		t.Errorf("10 clients opened %d connections, want 1", n)
	}
}
