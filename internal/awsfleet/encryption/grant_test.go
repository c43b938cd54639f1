package encryption_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

type object = map[string]any

// granted answers ListGrants with these grants, as KMS words them.
func granted(next string, grants ...object) edge.Action {
	b, err := json.Marshal(object{"Grants": grants, "NextMarker": next, "Truncated": next != ""})
	if err != nil {
		panic(err)
	}
	return edge.Raw(200, "application/x-amz-json-1.1", strings.ReplaceAll(string(b), `"NextMarker":"",`, ""))
}

// byEKS is a grant of the form that is known of EKS.
func byEKS(cluster, issuer string) object {
	return object{
		"Name": "eks-grant-" + cluster, "GranteePrincipal": "eks.eu-west-1.amazonaws.com", "IssuingAccount": "arn:aws:iam::" + issuer + ":root",
		"Operations": []string{"Decrypt", "Encrypt"}, "Constraints": object{"EncryptionContextEquals": object{"aws:eks:context": "a0000000-0000-4000-8000-000000000000"}},
	}
}

func to(grantee string) object {
	return object{"GranteePrincipal": grantee, "Operations": []string{"Decrypt"}}
}

func TestFault_61_TheClustersOwnGrantIsToldFromOthers(t *testing.T) {
	const clusterRole, service = "arn:aws:iam::444455556666:role/eks-cluster", "autoscaling.amazonaws.com"
	unnamed := byEKS("payments", account)
	delete(unnamed, "Name")
	shapeless := object{"GranteePrincipal": "somebody", "Constraints": unnamed["Constraints"]}
	china := byEKS("payments", account)
	china["GranteePrincipal"] = "eks.cn-north-1.amazonaws.com.cn"
	yes, no, unknown := "yes", "no", "unknown"
	tests := []struct {
		name   string
		grants []object
		want   string
	}{
		{"its own", []object{to(service), byEKS("payments", account)}, yes},
		{"its own in another partition", []object{china}, yes},
		{"none at all", nil, no},
		{"that of another cluster", []object{byEKS("payments-2", account), byEKS("pay", account)}, no},
		{"those of other services and people", []object{to(service), to("arn:aws:iam::444455556666:role/somebody"), to("eks-nodegroup.amazonaws.com")}, no},
		{"a person's grant of the cluster's name", []object{{"Name": "eks-grant-payments", "GranteePrincipal": "arn:aws:iam::444455556666:role/somebody"}}, no},
		{"one of EKS without a name", []object{unnamed}, unknown},
		{"one with EKS's encryption context for somebody", []object{shapeless}, unknown},
		{"a cluster of that name in another account", []object{byEKS("payments", "777788889999")}, unknown},
		{"a doubtful one beside its own", []object{unnamed, byEKS("payments", account)}, yes},
		{"one of the cluster's role", []object{to(clusterRole)}, unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, payments())
			w.Faults().Script(edge.Step{Operation: "ListGrants", Times: edge.Always, Do: granted("", tt.grants...)})
			ok, err := w.reader.Granted(t.Context(), target, "payments", keyARN)
			if tt.want == unknown {
				trouble(t, err, fleet.Failed, "kms:ListGrants")
			} else if err != nil || ok != (tt.want == yes) {
				t.Errorf("got %t, %v; want %s", ok, err, tt.want)
			}
		})
	}
}

func TestFault_61_ARetiredGrantIsMissedOnlyWhereItIsTheClusters(t *testing.T) {
	w := enter(t, payments())
	ids := map[string]*string{}
	for name, grantee := range map[string]string{"eks-grant-payments": "eks.eu-west-1.amazonaws.com", "of-a-volume": "arn:aws:iam::444455556666:role/somebody"} {
		g, err := w.kms().CreateGrant(t.Context(), &kms.CreateGrantInput{
			KeyId: aws.String(keyARN), Name: &name, GranteePrincipal: &grantee, Operations: []types.GrantOperation{types.GrantOperationDecrypt},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = g.GrantId
	}
	for _, retired := range []string{"of-a-volume", "eks-grant-payments"} {
		if _, err := w.kms().RevokeGrant(t.Context(), &kms.RevokeGrantInput{KeyId: aws.String(keyARN), GrantId: ids[retired]}); err != nil {
			t.Fatal(err)
		}
		if ok, err := w.reader.Granted(t.Context(), target, "payments", keyARN); err != nil || ok != (retired == "of-a-volume") {
			t.Errorf("without %s: %t, %v", retired, ok, err)
		}
	}
}

func TestGrantsAreReadOverPagesUntilTheClustersOwn(t *testing.T) {
	w := enter(t, payments())
	for i := range 5 {
		next, page := fmt.Sprint(i+1), []object{to("autoscaling.amazonaws.com")}
		if i == 2 {
			page = append(page, byEKS("payments", account))
		}
		w.Faults().Script(edge.Step{Operation: "ListGrants", Nth: i + 1, Do: granted(next, page...)})
	}
	if ok, err := w.reader.Granted(t.Context(), target, "payments", keyARN); err != nil || !ok {
		t.Errorf("got %t, %v", ok, err)
	}
	if n := w.Calls().Of("ListGrants").Total(); n != 3 {
		t.Errorf("%d pages were read, want 3", n)
	}
}

func TestAGrantThatCannotBeReadIsNotCalledLost(t *testing.T) {
	tests := []struct {
		name   string
		region sim.Region
		step   edge.Step
		kind   fleet.TroubleKind
		action string
	}{
		{"FAULT 5 the list is denied", payments(), edge.Step{Operation: "ListGrants", Times: edge.Always, Do: denied("kms:ListGrants")}, fleet.Denied, "kms:ListGrants"},
		{"FAULT 4 the list loops", payments(), edge.Step{Operation: "ListGrants", Times: edge.Always, Do: granted("same")}, fleet.LoopingPages, "kms:ListGrants"},
		{"FAULT 2 the cluster is gone, and its grant with it", sim.Region{Keys: payments().Keys}, edge.Step{}, fleet.Gone, "eks:DescribeCluster"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, tt.region)
			w.Faults().Script(tt.step)
			ok, err := w.reader.Granted(t.Context(), target, "payments", keyARN)
			trouble(t, err, tt.kind, tt.action)
			if ok {
				t.Error("it is there")
			}
		})
	}
}
