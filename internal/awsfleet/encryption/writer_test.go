package encryption_test

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

const operation = "AssociateEncryptionConfig"

func TestAKeyIsAssociatedAsTheWriterRoleAlone(t *testing.T) {
	w := enter(t, payments())
	id, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
	if err != nil || id == "" {
		t.Fatalf("update %q, %v", id, err)
	}
	if u, err := w.reader.Update(t.Context(), target, "payments", id); err != nil || u.Type != operation {
		t.Errorf("it began %+v, %v", u, err)
	}
	w.now = noon.Add(time.Hour)
	if c, err := w.reader.Cluster(t.Context(), target, "payments"); err != nil || c.KeyARN != keyARN {
		t.Errorf("it ended with %+v, %v", c, err)
	}
	for role, writes := range map[string]bool{readerRole: false, writerRole: true} {
		if actions := w.Actions()[role]; slices.Contains(actions, "eks:AssociateEncryptionConfig") != writes {
			t.Errorf("%s used %q", role, actions)
		}
	}
}

func TestFault_20_ARepeatedTokenBeginsNoSecondAssociation(t *testing.T) {
	w := enter(t, payments())
	first, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1"); err != nil || second != first {
		t.Errorf("update %q, %v; want that of before, %q", second, err, first)
	}
	_, err = w.writer.Associate(t.Context(), target, "payments", keyARN, "token-2")
	trouble(t, err, fleet.Busy, "eks:AssociateEncryptionConfig")
}

func TestWhatEKSAnswersIsToldByWhatToDoAboutIt(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		code    string
		message string
		kind    fleet.TroubleKind
		action  string
	}{
		{"FAULT 14 the cluster is being changed", 409, "ResourceInUseException", "Cannot AssociateEncryptionConfig because cluster payments is UPDATING", fleet.Busy, "eks:AssociateEncryptionConfig"},
		{"FAULT 63 the version cannot have it", 400, "InvalidRequestException", "Not supported for this version", fleet.Refused, "eks:AssociateEncryptionConfig"},
		{"FAULT 63 a parameter is wrong", 400, "InvalidParameterException", "Encryption is already enabled on the cluster", fleet.Refused, "eks:AssociateEncryptionConfig"},
		{"FAULT 63 the client is wrong", 400, "ClientException", "The key is of no use", fleet.Refused, "eks:AssociateEncryptionConfig"},
		{"FAULT 5 KMS denied the grant", 400, "InvalidRequestException", "User not authorized to perform kms:CreateGrant operation", fleet.Denied, "kms:CreateGrant"},
		{"FAULT 5 something else is denied", 400, "ClientException", "User is not authorized to perform that", fleet.Denied, "eks:AssociateEncryptionConfig"},
		{"FAULT 5 IAM denied the call", 403, "AccessDeniedException", "User: x is not authorized to perform: eks:AssociateEncryptionConfig on resource: *", fleet.Denied, "eks:AssociateEncryptionConfig"},
		{"FAULT 2 the cluster is gone", 404, "ResourceNotFoundException", "No cluster found for name: payments.", fleet.Gone, "eks:AssociateEncryptionConfig"},
		{"EKS fails", 500, "ServerException", "Internal error", fleet.Failed, "eks:AssociateEncryptionConfig"},
		{"EKS is not there", 503, "ServiceUnavailableException", "Service unavailable", fleet.Failed, "eks:AssociateEncryptionConfig"},
		{"the session is over", 400, "ExpiredTokenException", "The security token included in the request is expired", fleet.Failed, "eks:AssociateEncryptionConfig"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, payments())
			w.answers(operation, edge.Always, tt.status, tt.code, tt.message)
			_, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
			trouble(t, err, tt.kind, tt.action)
			if err == nil || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("%v does not say what EKS did", err)
			}
			if n := w.Calls().Of(operation).Total(); n != 1 {
				t.Errorf("%d calls, want one: what EKS answered is for the caller to judge", n)
			}
		})
	}
}

func TestFault_01_AThrottledAssociationIsCalledAgainWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enter(t, payments())
		w.answers(operation, 2, http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded")
		if id, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1"); err != nil || id == "" {
			t.Fatalf("update %q, %v", id, err)
		}
		w.Faults().Clear()
		w.answers(operation, edge.Always, http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded")
		_, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
		trouble(t, err, fleet.Throttled, "eks:AssociateEncryptionConfig")
	})
}

// A breaking client loses the connection of the first call of an operation, before
// or after the service has got it.
type breaking struct {
	inprocess.Client

	path   string
	after  bool
	broken bool
}

func (b *breaking) Do(r *http.Request) (*http.Response, error) {
	lost := !b.broken && strings.Contains(r.URL.Path, b.path)
	if lost && !b.after {
		b.broken = true
		return nil, &net.OpError{Op: "write", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	resp, err := b.Client.Do(r)
	if lost {
		b.broken = true
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	return resp, err
}

func TestFault_20_AnAssociationWhoseConnectionBreaksIsMadeOnce(t *testing.T) {
	for name, after := range map[string]bool{"before EKS got it": false, "after EKS began it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enter(t, payments())
				w.reach(&breaking{Client: inprocess.Client{Handler: w.Handler()}, path: "encryption-config", after: after})
				id, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
				if err != nil || id == "" {
					t.Fatalf("update %q, %v", id, err)
				}
				u, found, err := w.reader.Association(t.Context(), target, "payments", noon)
				if err != nil || !found || u.ID != id {
					t.Errorf("EKS has %+v, %t, %v; want %s", u, found, err, id)
				}
			})
		})
	}
}

func TestAnAnswerWithoutAnUpdateIsTrouble(t *testing.T) {
	for _, body := range []string{`{}`, `{"update":{}}`} {
		w := enter(t, payments())
		w.Faults().Script(edge.Step{Operation: operation, Do: edge.Raw(200, "application/json", body)})
		_, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
		trouble(t, err, fleet.Failed, "eks:AssociateEncryptionConfig")
	}
}

func TestFault_06_AWriterRoleThatIsNotThereIsUnreachable(t *testing.T) {
	w := enter(t, payments())
	w.Faults().Script(edge.Step{Operation: "AssumeRole", Times: edge.Always, Do: denied("sts:AssumeRole")})
	_, err := w.writer.Associate(t.Context(), target, "payments", keyARN, "token-1")
	trouble(t, err, fleet.Unreachable, "sts:AssumeRole")
	if err != nil && !strings.Contains(err.Error(), writerRole) {
		t.Errorf("%q does not name the role", err)
	}
}

func TestAKeyIsSavedAsTheWriterRole(t *testing.T) {
	w := enter(t, sim.Region{Keys: []sim.Key{{ID: keyARN, DeletionIn: 7 * 24 * time.Hour}}})
	state := func() string {
		k, err := w.reader.Key(t.Context(), target, keyARN)
		if err != nil {
			t.Fatal(err)
		}
		return k.State
	}
	err := w.writer.Enable(t.Context(), target, keyARN)
	trouble(t, err, fleet.Refused, "kms:EnableKey")
	if err := w.writer.CancelDeletion(t.Context(), target, keyARN); err != nil || state() != "Disabled" {
		t.Errorf("the key is %s, %v", state(), err)
	}
	if err := w.writer.Enable(t.Context(), target, keyARN); err != nil || state() != "Enabled" {
		t.Errorf("the key is %s, %v", state(), err)
	}
	err = w.writer.CancelDeletion(t.Context(), target, keyARN)
	trouble(t, err, fleet.Refused, "kms:CancelKeyDeletion")
	if actions := w.Actions()[writerRole]; !slices.Equal(actions, []string{"kms:CancelKeyDeletion", "kms:EnableKey"}) {
		t.Errorf("the writer used %q", actions)
	}
}
