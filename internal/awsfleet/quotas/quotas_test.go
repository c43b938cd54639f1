package quotas_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/quotas"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var target = fleet.Target{Account: "111122223333", Region: "eu-west-1"}

func world(t *testing.T) *sim.World {
	t.Helper()
	w, err := sim.New(sim.Fleet{Home: target.Account, Accounts: []sim.Account{{ID: target.Account, Regions: []sim.Region{
		{Name: target.Region, Quotas: map[string]float64{"L-6D54EA21": 60}},
	}}}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// through reads what a handler answers, without a connection.
func through(h http.Handler) quotas.Reader {
	return quotas.New(awsfleet.New(aws.Config{
		Region: target.Region, HTTPClient: inprocess.Client{Handler: h},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	}))
}

func TestQuotasAreThoseOfTheAccount(t *testing.T) {
	r := through(world(t).Handler())
	clusters, err := r.Clusters(t.Context(), target)
	if err != nil || clusters != 100 {
		t.Errorf("%d clusters, %v; want 100", clusters, err)
	}
	nodegroups, err := r.Nodegroups(t.Context(), target)
	if err != nil || nodegroups != 60 {
		t.Errorf("%d nodegroups, %v; want 60", nodegroups, err)
	}
}

// unchanged knows no applied value, as Service Quotas does of some quotas, and
// answers with a default, which the world does not simulate.
func unchanged(w *sim.World, answer string) http.Handler {
	w.Faults().Script(edge.Step{Operation: "GetServiceQuota", Times: edge.Always, Do: edge.Answer(http.StatusBadRequest, "NoSuchResourceException", "The specified resource does not exist.")})
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetAWSDefaultServiceQuota") {
			w.Handler().ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.Contains(answer, "__type") {
			rw.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(rw, answer)
	})
}

func TestAQuotaThatNobodyHasChangedIsAWSsDefault(t *testing.T) {
	got, err := through(unchanged(world(t), `{"Quota":{"QuotaCode":"L-1194D53C","Value":100.0}}`)).Clusters(t.Context(), target)
	if err != nil || got != 100 {
		t.Errorf("%d, %v; want 100", got, err)
	}
}

func TestAQuotaThatCannotBeReadSaysWhichActionWouldShowIt(t *testing.T) {
	const message = "User: arn:aws:iam::111122223333:user/simulated is not authorized to perform: servicequotas:GetServiceQuota because no identity-based policy allows the action"
	refusing := world(t)
	refusing.Faults().Script(edge.Step{Operation: "GetServiceQuota", Times: edge.Always, Do: edge.Answer(http.StatusBadRequest, "AccessDeniedException", message)})
	for name, tt := range map[string]struct {
		handler http.Handler
		kind    fleet.TroubleKind
		action  string
	}{
		"the applied value is denied":    {refusing.Handler(), fleet.Denied, "servicequotas:GetServiceQuota"},
		"the default is denied":          {unchanged(world(t), `{"__type":"AccessDeniedException","Message":"no"}`), fleet.Denied, "servicequotas:GetAWSDefaultServiceQuota"},
		"the answer holds no value":      {unchanged(world(t), `{"Quota":{}}`), fleet.Failed, "servicequotas:GetAWSDefaultServiceQuota"},
		"the answer holds nothing":       {unchanged(world(t), `{}`), fleet.Failed, "servicequotas:GetAWSDefaultServiceQuota"},
		"there is not even that default": {unchanged(world(t), `{"__type":"NoSuchResourceException","Message":"no"}`), fleet.Failed, "servicequotas:GetAWSDefaultServiceQuota"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := through(tt.handler).Clusters(t.Context(), target)
			if !errors.Is(err, tt.kind) || fleet.TroubleOf(err).Action != tt.action {
				t.Errorf("%v, want %s of %s", err, tt.kind, tt.action)
			}
		})
	}
}
