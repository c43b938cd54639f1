//go:build unix

package coupled_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/e2e/cluster"
	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
	"github.com/eks-steward/eks-steward/e2e/coupled"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
)

const (
	operator = "arn:aws:iam::111122223333:role/team/operator"
	session  = "arn:aws:sts::111122223333:assumed-role/operator/test"
)

var payments = fleet.ClusterID{Account: "111122223333", Region: coupled.Region, Name: "payments"}

// One control plane takes seconds, so all that follows shares it.
func TestARealClusterFollowsTheEKSAPI(t *testing.T) {
	control := cluster.Start(t, cluster.Options{Name: payments.Name, Workloads: true})
	client, mirror := follow(t, control, sim.Nodegroup{Name: "first", Version: "1.34", Nodes: 1, Surge: sim.Surge{Strategy: "MINIMAL"}})
	name := &payments.Name
	described, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: name})
	if err != nil || *described.Cluster.Endpoint != control.Endpoint || *described.Cluster.CertificateAuthority.Data != control.CA {
		t.Fatalf("DescribeCluster does not lead to the API server: %+v, %v", described, err)
	}

	t.Run("an access entry lets a role in, as whom it says, until it is deleted", func(t *testing.T) {
		key := control.STS.Issue(session)
		if status, _ := whoAmI(t, control, key); status != http.StatusUnauthorized {
			t.Errorf("before: got %d, want 401", status)
		}
		if _, err := client.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: name, PrincipalArn: aws.String(operator), KubernetesGroups: []string{"operators"}}); err != nil {
			t.Fatal(err)
		}
		if status, me := whoAmI(t, control, key); status != http.StatusCreated || me.Username != operator || !slices.Contains(me.Groups, "operators") {
			t.Errorf("got %d as %+v, want 201 as %s of operators", status, me, operator)
		}
		if _, err := client.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: name, PrincipalArn: aws.String(operator)}); err != nil {
			t.Fatal(err)
		}
		if status, _ := whoAmI(t, control, control.STS.Issue(session)); status != http.StatusUnauthorized {
			t.Errorf("after: got %d, want 401", status)
		}
	})
	t.Run("a nodegroup has as many nodes as it wants", func(t *testing.T) {
		ready(t, control, "first", 1, "v1.34.1-eks-0000000")
		if _, err := client.CreateNodegroup(t.Context(), &eks.CreateNodegroupInput{
			ClusterName: name, NodegroupName: aws.String("Blue_1"), Subnets: []string{"subnet-00000000000000000"},
			NodeRole: aws.String("arn:aws:iam::111122223333:role/nodes"), ReleaseVersion: aws.String("1.35.4-20261020"),
			ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(3), DesiredSize: aws.Int32(3)},
		}); err != nil {
			t.Fatal(err)
		}
		active := eks.NewNodegroupActiveWaiter(client, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay = time.Millisecond })
		if err := active.Wait(t.Context(), &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("Blue_1")}, 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		ready(t, control, "Blue_1", 3, "v1.35.4-eks-0000000")
		if _, err := client.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{
			ClusterName: name, NodegroupName: aws.String("Blue_1"), ScalingConfig: &types.NodegroupScalingConfig{DesiredSize: aws.Int32(1)},
		}); err != nil {
			t.Fatal(err)
		}
		ready(t, control, "Blue_1", 1, "v1.35.4-eks-0000000")
		if err := active.Wait(t.Context(), &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: aws.String("Blue_1")}, 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, err := client.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: name, NodegroupName: aws.String("Blue_1")}); err != nil {
			t.Fatal(err)
		}
		ready(t, control, "Blue_1", 0, "")
		ready(t, control, "first", 1, "v1.34.1-eks-0000000")
	})
	t.Run("an update by the strategy MINIMAL takes the old node away before the new one is there", func(t *testing.T) {
		mirror.ReadyTimeout = 0
		u := roll(t, client, "1.35.1-20261101", false)
		if u.Status != types.UpdateStatusFailed || u.Errors[0].ErrorCode != types.ErrorCodeNodeCreationFailure {
			t.Errorf("the update ended as %+v", u)
		}
		ready(t, control, "first", 1, "v1.35.1-eks-0000000")
	})
}

// follow starts a simulated EKS whose cluster is the control plane, and an SDK client of it.
func follow(t *testing.T, control *cluster.Cluster, groups ...sim.Nodegroup) (*eks.Client, *coupled.Mirror) {
	t.Helper()
	c := sim.Cluster{Name: payments.Name, Version: "1.35", Endpoint: control.Endpoint, CA: control.CA, Nodegroups: groups}
	world, err := sim.New(sim.Fleet{
		Home:      payments.Account,
		Durations: sim.Durations{Nodegroup: time.Millisecond},
		Accounts:  []sim.Account{{ID: payments.Account, Regions: []sim.Region{{Name: payments.Region, Clusters: []sim.Cluster{c}}}}},
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	mirror := coupled.New(control)
	if err := world.Couple(payments, mirror); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world.EKS())
	t.Cleanup(server.Close)
	return eks.New(eks.Options{Region: payments.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAHOME000000000000", "simulated", "")}), mirror
}

type user struct {
	Username string
	Groups   []string
}

// whoAmI asks the API server with a presigned token of a key.
func whoAmI(t *testing.T, control *cluster.Cluster, key aws.Credentials) (status int, me user) {
	t.Helper()
	token, err := sts.Token(t.Context(), key, control.Name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, control.Endpoint+"/apis/authentication.k8s.io/v1/selfsubjectreviews",
		bytes.NewBufferString(`{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	ca, err := base64.StdEncoding.DecodeString(control.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}} // no certificate, unlike Admin
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Status struct{ UserInfo user } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); resp.StatusCode == http.StatusCreated && err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer.Status.UserInfo
}

// ready waits until so many nodes of a group are there, all Ready and of a version.
func ready(t *testing.T, control *cluster.Cluster, group string, want int, version string) {
	t.Helper()
	eventually(t, func() error { return nodes(t.Context(), control, group, want, version) })
}

func nodes(ctx context.Context, control *cluster.Cluster, group string, want int, version string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, control.Endpoint+"/api/v1/nodes?labelSelector="+url.QueryEscape("eks.amazonaws.com/nodegroup="+group), nil)
	if err != nil {
		return err
	}
	resp, err := control.Admin.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status string }
				NodeInfo   struct{ KubeletVersion string }
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return err
	}
	if len(list.Items) != want {
		return fmt.Errorf("nodegroup %s has %d nodes, want %d", group, len(list.Items), want)
	}
	for _, n := range list.Items {
		if !slices.Contains(n.Status.Conditions, struct{ Type, Status string }{"Ready", "True"}) {
			return fmt.Errorf("node %s is not Ready: %v", n.Metadata.Name, n.Status.Conditions)
		}
		if n.Status.NodeInfo.KubeletVersion != version {
			return fmt.Errorf("node %s has version %s, want %s", n.Metadata.Name, n.Status.NodeInfo.KubeletVersion, version)
		}
	}
	return nil
}
