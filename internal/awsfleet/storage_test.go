package awsfleet_test

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// one is a member's region with one cluster.
var one = sim.Fleet{Home: target.Account, Accounts: []sim.Account{{
	ID: member.Account, Regions: []sim.Region{{Name: member.Region, Clusters: []sim.Cluster{{Name: "c0000", Version: "1.34"}}}},
}}}

// serve answers /metrics as an API server would, and is described so by EKS.
func serve(t *testing.T, status int, page string) fleet.Cluster {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return fleet.Cluster{
		ID:     member.Cluster("c0000"),
		Server: fleet.APIServer{URL: server.URL, CA: base64.StdEncoding.EncodeToString(ca), Public: true},
	}
}

func TestStorageIsTheLargestMembersSize(t *testing.T) {
	f, _ := enter(t, one)
	c := serve(t, http.StatusOK, "apiserver_storage_size_bytes{cluster=\"etcd-0\"} 7e+09\napiserver_storage_size_bytes{cluster=\"etcd-1\"} 7.2e+09\n")
	now := time.Now()
	size, inUse, err := f.Storage(t.Context(), member, c, now)
	if err != nil || len(size.Points) != 1 || size.Points[0] != (fleet.Point{At: now, Bytes: 7.2e9}) || len(inUse.Points) != 0 {
		t.Errorf("size %v, in use %v, %v; want 7.2e9 now, and nothing in use", size, inUse, err)
	}
}

// TestFault_43_A401SaysWhichOfTwoThingsIsWrong asks EKS what the API server
// cannot tell.
func TestFault_43_A401SaysWhichOfTwoThingsIsWrong(t *testing.T) {
	f, w := enter(t, one)
	c := serve(t, http.StatusUnauthorized, "")
	says := func(words string) {
		t.Helper()
		if _, _, err := f.Storage(t.Context(), member, c, time.Now()); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
	says("has no access entry")
	if err := w.Admit(c.ID, member.Role); err != nil {
		t.Fatal(err)
	}
	says("which has an access entry there")
	w.Faults().Script(edge.Step{Operation: "DescribeAccessEntry", Times: edge.Always, Do: edge.Answer(403, "AccessDeniedException", "not authorized to perform: eks:DescribeAccessEntry")})
	says("does not know the caller") // what the API server alone can tell
}
