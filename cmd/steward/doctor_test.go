package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/doctor"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

const webhookAddress = "https://hooks.slack.com/services/T0CANARY/B0CANARY/xCANARY"

// channels answers for the two services that the simulated world does not have,
// in their wire protocols.
func channels(world http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch signed := r.Header.Get("Authorization"); {
		case strings.Contains(signed, "/eu-west-1/secretsmanager/"):
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_ = json.NewEncoder(w).Encode(map[string]string{"Name": "steward", "SecretString": webhookAddress})
		case strings.Contains(signed, "/eu-central-1/sns/") && strings.HasSuffix(r.FormValue("TopicArn"), ":findings"):
			fmt.Fprint(w, `<GetTopicAttributesResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><GetTopicAttributesResult><Attributes>`+
				`<entry><key>SubscriptionsConfirmed</key><value>2</value></entry><entry><key>SubscriptionsPending</key><value>1</value></entry>`+
				`</Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>`)
		case strings.Contains(signed, "/eu-central-1/sns/"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>`)
		default:
			world.ServeHTTP(w, r)
		}
	})
}

// hospital is a simulated AWS with a healthy region (us-east-1), one whose
// cluster has no datapoint (eu-west-1) and one that is not enabled.
func hospital(t *testing.T) *sim.World {
	t.Helper()
	healthy := sim.Cluster{Name: "web", Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}
	world, err := sim.New(sim.Fleet{Home: "111122223333", Accounts: []sim.Account{{ID: "111122223333", Regions: []sim.Region{
		{Name: "us-east-1", Clusters: []sim.Cluster{healthy}},
		{Name: "eu-west-1", Clusters: []sim.Cluster{{Name: "old", Version: "1.27"}}},
		{Name: "me-south-1", Refuses: sim.NotOptedIn},
	}}}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(channels(world.Handler()))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIASIMULATED0000000", "AWS_SECRET_ACCESS_KEY": "simulated", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return world
}

func TestExitCodesOfDoctor(t *testing.T) {
	world := hospital(t)
	world.Faults().Script(edge.Step{Region: "ap-south-1", Operation: "GetMetricData", Times: edge.Always, Do: edge.Answer(403, "AccessDeniedException",
		"User: arn:aws:iam::111122223333:user/simulated is not authorized to perform: cloudwatch:GetMetricData because no identity-based policy allows the cloudwatch:GetMetricData action")})
	world.Faults().Script(edge.Step{Region: "ap-south-2", Operation: "GetResources", Times: edge.Always, Do: edge.Answer(400, "AccessDeniedException", "no")})
	conf := filepath.Join(t.TempDir(), "steward.yaml")
	if err := os.WriteFile(conf, []byte("schemaVersion: 1\ntargets:\n  - account: \"444455556666\"\n    regions: [us-east-1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string // on either output
	}{
		"a healthy region":                  {[]string{"--region", "us-east-1"}, exitOK, "Deploying makes sense"},
		"a cluster without datapoints":      {nil, exitFindings, "clusters: old"},
		"one of two regions is sick":        {[]string{"--region", "us-east-1,eu-west-1"}, exitFindings, "Mend what failed"},
		"a region that is not enabled":      {[]string{"--region", "us-east-1,me-south-1", "-o", "json"}, exitFindings, "enable the region"},
		"only a region that is not enabled": {[]string{"--region", "me-south-1", "-o", "json"}, exitIncomplete, "begin with a region that is"},
		"a missing action":                  {[]string{"--region", "ap-south-1"}, exitFindings, "Attach this policy to arn:aws:iam::111122223333:user/simulated"},
		"a missing action of clustercheck":  {[]string{"--region", "ap-south-2", "-o", "json"}, exitFindings, "allow tag:GetResources to arn:aws:iam::111122223333:user/simulated: the policy is below"},
		"an account that nobody enters":     {[]string{"-f", conf}, exitIncomplete, "Not everything could be examined"},
		"a file without the wanted region":  {[]string{"-f", conf, "--region", "eu-west-1"}, exitUsage, "no target"},
		"a file that is not there":          {[]string{"-f", conf + "x"}, exitUsage, "steward.yamlx"},
		"an output that nobody knows":       {[]string{"-o", "yaml"}, exitUsage, "want table or json"},
		"a region that is none":             {[]string{"--region", "Frankfurt"}, exitUsage, "--region"},
		"a topic that is none":              {[]string{"--topic", "findings"}, exitUsage, "want the ARN of an SNS topic"},
		"the secret in place of its name":   {[]string{"--slack-secret", webhookAddress}, exitUsage, "never the webhook's address"},
		"a topic for machines that is none": {[]string{"--machines-topic", "machines"}, exitUsage, "want the ARN of an SNS topic"},
		"a topic for machines":              {[]string{"--region", "us-east-1", "-o", "json", "--machines-topic", "arn:aws:sns:eu-central-1:111122223333:findings"}, exitOK, "SNS topic for machines"},
		"the token in place of its name":    {[]string{"--slack-secret", "xoxb-CANARY"}, exitUsage, "or the token itself"},
		"a topic that exists":               {[]string{"--region", "us-east-1", "-o", "json", "--topic", "arn:aws:sns:eu-central-1:111122223333:findings"}, exitOK, "2 subscriptions confirmed, 1 pending"},
		"a topic that does not":             {[]string{"--region", "us-east-1", "-o", "json", "--topic", "arn:aws:sns:eu-central-1:111122223333:nothing"}, exitFindings, "there is no such topic"},
		"a secret of another region":        {[]string{"--region", "us-east-1", "-o", "json", "--slack-secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:steward-a1b2c3"}, exitOK, "an address of the right form"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := runSteward(t, append([]string{"doctor"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.says) {
				t.Errorf("exit code %d, want %d and %q\n%s%s", code, c.code, c.says, out, errs)
			}
			if strings.Contains(out+errs, "CANARY") {
				t.Errorf("the secret is shown:\n%s%s", out, errs)
			}
		})
	}
}

func TestDoctorWritesJSON(t *testing.T) {
	hospital(t)
	code, out, errs := runSteward(t, "doctor", "-o", "json")
	var got doctor.Report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("standard output is not JSON: %v\n%s", err, out)
	}
	if code != exitFindings || got.Verdict != doctor.Mend || errs != "" {
		t.Errorf("exit code %d, verdict %s, %q on standard error", code, got.Verdict, errs)
	}
	for _, e := range got.Examinations {
		if e.Subject == "metric" && (e.Outcome != fleet.Fail || len(e.Clusters) != 1 || e.Where != "111122223333/eu-west-1") {
			t.Errorf("the metric is told as %+v", e)
		}
	}
	if !strings.Contains(out, `"policies": []`) {
		t.Errorf("no policy is missing, so want an empty list:\n%s", out)
	}
}

// The whole table, as somebody sees it whose clusters have much and who may not
// see all.
func TestTheTableOfDoctor(t *testing.T) {
	const key = "arn:aws:kms:eu-west-2:111122223333:key/00000000-0000-4000-8000-000000000001"
	world := hospital(t)
	for _, name := range []string{"payments", "search", "web"} {
		c := sim.Cluster{Name: name, Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}}
		if name == "search" {
			c.KeyARN, c.Nodegroups, c.Addons = key, []sim.Nodegroup{{Name: "blue", Nodes: 2}}, []sim.Addon{{Name: "vpc-cni", Version: "v1.20.4-eksbuild.2"}}
		}
		if err := world.Add("111122223333", "eu-west-2", c); err != nil {
			t.Fatal(err)
		}
	}
	for operation, action := range map[string]string{"DescribeKey": "kms:DescribeKey", "ListInsights": "eks:ListInsights"} {
		world.Faults().Script(edge.Step{Region: "eu-west-2", Operation: operation, Times: edge.Always, Do: edge.Answer(403, "AccessDeniedException",
			"User: arn:aws:iam::111122223333:user/simulated is not authorized to perform: "+action+" because no identity-based policy allows the "+action+" action")})
	}
	code, out, errs := runSteward(t, "doctor", "--region", "eu-west-2")
	if code != exitFindings {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	path := filepath.Join("testdata", "doctor.golden")
	if *update {
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || out != string(want) {
		t.Errorf("%v; got\n%s\nwant\n%s", err, out, want)
	}
}

// apiServer gives the cluster web of us-east-1 an API server, and the CA that it
// has or another one.
func apiServer(t *testing.T, world *sim.World, status int, body string, rightCA bool) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer k8s-aws-v1."):
			w.WriteHeader(http.StatusTeapot)
		case r.URL.Path != "/metrics":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a refused handshake is wanted here
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := server.Certificate().Raw
	if !rightCA {
		certificate = strangersCA(t)
	}
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	web := sim.Cluster{Name: "web", Version: "1.34", Etcd: &sim.Etcd{Curve: sim.Curve{SizeGB: 1}}, Endpoint: server.URL, CA: ca}
	if err := world.Add("111122223333", "us-east-1", web); err != nil {
		t.Fatal(err)
	}
}

func TestFault_43_DoctorReadsAPIServersThatDescribeClusterNames(t *testing.T) {
	for name, tt := range map[string]struct {
		status  int
		body    string
		rightCA bool
		outcome fleet.Outcome
		says    string
	}{
		"a page of metrics":       {200, "apiserver_storage_size_bytes{storage_cluster_id=\"etcd-0\"} 1e+09\n", true, fleet.Pass, "it can be read"},
		"a page without sizes":    {200, "up 1\n", true, fleet.Unknown, ""},
		"somebody it knows not":   {401, "", true, fleet.Unknown, "does not know the caller"},
		"somebody who may not":    {403, "", true, fleet.Unknown, "does not let the caller read /metrics"},
		"a certificate of others": {200, "", false, fleet.Fail, "did not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			world := hospital(t)
			if err := world.Admit(fleet.ClusterID{Account: "111122223333", Region: "us-east-1", Name: "web"}, "arn:aws:iam::111122223333:role/steward-reader", kubeapi.Group); err != nil {
				t.Fatal(err)
			}
			apiServer(t, world, tt.status, tt.body, tt.rightCA)
			code, out, errs := runSteward(t, "doctor", "--region", "us-east-1", "--api-servers", "-o", "json")
			var got doctor.Report
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK {
				t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
			}
			seen := map[string]doctor.Examination{}
			for _, e := range got.Examinations {
				seen[e.Subject] = e
			}
			if e := seen["API servers"]; e.Outcome != tt.outcome || !strings.Contains(e.Seen, tt.says) {
				t.Errorf("%+v, want %s and %q", e, tt.outcome, tt.says)
			}
			if e := seen["access entries"]; e.Outcome != fleet.Pass {
				t.Errorf("%+v", e)
			}
			if e := seen["Kubernetes objects"]; !e.Optional || e.Outcome == fleet.Pass || !strings.Contains(e.Tried, "nodes, kube-proxy, backups of Velero, pods with their budgets of cluster web") {
				t.Errorf("%+v", e)
			}
			if strings.Contains(out+errs, "k8s-aws-v1.") {
				t.Errorf("the token is shown:\n%s", out)
			}
		})
	}
}

// strangersCA is a certificate whose key no server here has.
func strangersCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
