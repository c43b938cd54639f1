package nodegroup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/nodefreshness"
	"github.com/eks-steward/eks-steward/internal/nodegrouprollout"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

const (
	operation = "UpdateNodegroupVersion"
	action    = "eks:UpdateNodegroupVersion"
)

// order is for the newest nodes of the control plane's version.
func order(token string) nodegrouprollout.Order {
	return nodegrouprollout.Order{Cluster: "payments", Group: "blue", To: nodefreshness.Nodes{Version: "1.34", Release: "1.34.2-20261110"}, Token: token}
}

func TestAGroupIsRolledAsTheWriterRoleAlone(t *testing.T) {
	w := enter(t, payments())
	id, err := w.writer.Roll(t.Context(), target, order("token-1"))
	if err != nil || id == "" {
		t.Fatalf("update %q, %v", id, err)
	}
	got := w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Update: id, Brief: true})
	if u := got.Update.Value; u.Type != "VersionUpdate" || u.Version != "1.34" || u.Release != "1.34.2-20261110" || got.Group.Value.Status != "UPDATING" {
		t.Errorf("it began %+v of %+v", got.Update, got.Group)
	}
	w.now = noon.Add(time.Hour)
	got = w.reader.Around(t.Context(), target, "payments", "blue", nodegrouprollout.Look{Update: id, Brief: true})
	if g := got.Group.Value; got.Update.Value.Status != "Successful" || g.Version != "1.34" || g.Release != "1.34.2-20261110" {
		t.Errorf("it ended with %+v of %+v", got.Update, g)
	}
	for role, writes := range map[string]bool{readerRole: false, writerRole: true} {
		if actions := w.Actions()[role]; slices.Contains(actions, action) != writes {
			t.Errorf("%s used %q", role, actions)
		}
	}
}

func TestFault_20_ARepeatedTokenBeginsNoSecondUpdate(t *testing.T) {
	w := enter(t, payments())
	first, err := w.writer.Roll(t.Context(), target, order("token-1"))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := w.writer.Roll(t.Context(), target, order("token-1")); err != nil || second != first {
		t.Errorf("update %q, %v; want that of before, %q", second, err, first)
	}
	_, err = w.writer.Roll(t.Context(), target, order("token-2"))
	trouble(t, err, fleet.Busy, action)
}

// asked keeps what an update was asked for.
type asked struct {
	inprocess.Client

	body map[string]any
}

func (a *asked) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/update-version") {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		_ = json.Unmarshal(b, &a.body)
	}
	return a.Client.Do(r)
}

func TestAnOrderIsSentAsItIs(t *testing.T) {
	bare, full := order("token-1"), order("token-1")
	bare.To.Release = ""
	full.Force, full.To.Template = true, fleet.TemplateVersion{ID: "lt-1", Version: "3"}
	for name, tt := range map[string]struct {
		order nodegrouprollout.Order
		want  map[string]any
	}{
		"a version, and EKS chooses the release": {bare, map[string]any{"version": "1.34", "clientRequestToken": "token-1"}},
		"a version and a release":                {order("token-1"), map[string]any{"version": "1.34", "releaseVersion": "1.34.2-20261110", "clientRequestToken": "token-1"}},
		"a launch template, and by force": {full, map[string]any{
			"version": "1.34", "releaseVersion": "1.34.2-20261110", "clientRequestToken": "token-1", "force": true,
			"launchTemplate": map[string]any{"id": "lt-1", "version": "3"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := enter(t, payments())
			sent := &asked{Client: inprocess.Client{Handler: w.Handler()}}
			w.reach(sent)
			_, _ = w.writer.Roll(t.Context(), target, tt.order) // the simulated group has no launch template
			if !reflect.DeepEqual(sent.body, tt.want) {
				t.Errorf("sent %v, want %v", sent.body, tt.want)
			}
		})
	}
}

func TestFault_16_AnOrderWithoutAVersionReachesNoEKS(t *testing.T) {
	unversioned, tokenless := order("token-1"), order("")
	unversioned.To = nodefreshness.Nodes{Template: fleet.TemplateVersion{ID: "lt-1", Version: "3"}}
	for name, o := range map[string]nodegrouprollout.Order{"no version": unversioned, "no token": tokenless} {
		w := enter(t, payments())
		_, err := w.writer.Roll(t.Context(), target, o)
		trouble(t, err, fleet.Refused, action)
		if n := w.Calls().Of(operation).Total(); n != 0 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
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
		{"FAULT 14 the group is being changed", 409, "ResourceInUseException", "Nodegroup cannot be updated as it is currently not in Active State", fleet.Busy, action},
		{"FAULT 19 nodes would pass their control plane", 400, "InvalidParameterException", "Requested Nodegroup release version 1.35.0-20261101 is invalid. Allowed release version is 1.34.", fleet.Refused, action},
		{"FAULT 16 a release for an image of the owner's", 400, "InvalidRequestException", "You cannot specify releaseVersion with a custom AMI", fleet.Refused, action},
		{"the client is wrong", 400, "ClientException", "No", fleet.Refused, action},
		{"FAULT 05 the launch template may not be started", 400, "InvalidRequestException", "You are not authorized to launch instances with this launch template. Encoded authorization failure message: abc", fleet.Denied, "ec2:RunInstances"},
		{"FAULT 05 IAM denied the call", 403, "AccessDeniedException", "User: x is not authorized to perform: eks:UpdateNodegroupVersion on resource: *", fleet.Denied, action},
		{"FAULT 03 the group is gone", 404, "ResourceNotFoundException", "No node group found for name: blue.", fleet.Gone, action},
		{"EKS fails", 500, "ServerException", "Internal error", fleet.Failed, action},
		{"EKS is not there", 503, "ServiceUnavailableException", "Service unavailable", fleet.Failed, action},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, payments())
			w.Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: edge.Answer(tt.status, tt.code, tt.message)})
			_, err := w.writer.Roll(t.Context(), target, order("token-1"))
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

func TestFault_01_AThrottledUpdateIsCalledAgainWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := enter(t, payments())
		throttled := edge.Answer(http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded")
		w.Faults().Script(edge.Step{Operation: operation, Times: 2, Do: throttled})
		if id, err := w.writer.Roll(t.Context(), target, order("token-1")); err != nil || id == "" {
			t.Fatalf("update %q, %v", id, err)
		}
		w.Faults().Clear()
		w.Faults().Script(edge.Step{Operation: operation, Times: edge.Always, Do: throttled})
		_, err := w.writer.Roll(t.Context(), target, order("token-1"))
		trouble(t, err, fleet.Throttled, action)
	})
}

// A breaking client loses the connection of the first update, before or after the
// service has got it.
type breaking struct {
	inprocess.Client

	after  bool
	broken bool
}

func (b *breaking) Do(r *http.Request) (*http.Response, error) {
	lost := !b.broken && strings.HasSuffix(r.URL.Path, "/update-version")
	b.broken = b.broken || lost
	if lost && !b.after {
		return nil, &net.OpError{Op: "write", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	resp, err := b.Client.Do(r)
	if lost {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
	return resp, err
}

func TestFault_20_AnUpdateWhoseConnectionBreaksIsMadeOnce(t *testing.T) {
	for name, after := range map[string]bool{"before EKS got it": false, "after EKS began it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enter(t, payments())
				w.reach(&breaking{Client: inprocess.Client{Handler: w.Handler()}, after: after})
				id, err := w.writer.Roll(t.Context(), target, order("token-1"))
				if err != nil || id == "" {
					t.Fatalf("update %q, %v", id, err)
				}
				u, found, err := w.reader.LastUpdate(t.Context(), target, "payments", "blue", noon)
				if err != nil || !found || u.ID != id {
					t.Errorf("EKS has %+v, %t, %v; want %s", u, found, err, id)
				}
			})
		})
	}
}

func TestFault_10_AnAnswerWithoutAnUpdateIsTrouble(t *testing.T) {
	for _, body := range []string{`{}`, `{"update":{}}`} {
		w := enter(t, payments())
		w.Faults().Script(edge.Step{Operation: operation, Do: edge.Raw(200, "application/json", body)})
		_, err := w.writer.Roll(t.Context(), target, order("token-1"))
		trouble(t, err, fleet.Failed, action)
	}
}

func TestFault_06_AWriterRoleThatIsNotThereIsUnreachable(t *testing.T) {
	w := enter(t, payments())
	w.Faults().Script(denied("AssumeRole", "sts:AssumeRole"))
	_, err := w.writer.Roll(t.Context(), target, order("token-1"))
	trouble(t, err, fleet.Unreachable, "sts:AssumeRole")
	if err != nil && !strings.Contains(err.Error(), writerRole) {
		t.Errorf("%q does not name the role", err)
	}
}
