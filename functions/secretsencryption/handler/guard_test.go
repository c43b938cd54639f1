package handler_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// guarded is a bench whose cluster uses the key, as the daily check has noted.
func guarded(t *testing.T) *bench {
	t.Helper()
	c := plain("prod")
	c.KeyARN = key
	b := newBench(t, config.Report, c)
	if err := b.records.NoteKeyUse(t.Context(), prod, key); err != nil {
		t.Fatal(err)
	}
	return b
}

// hurt has KMS say that the key is in a state, until it is healed.
func (b *bench) hurt(state string) {
	b.world.Faults().Script(edge.Step{
		Operation: "DescribeKey", Times: edge.Always,
		Do: edge.Raw(200, "application/x-amz-json-1.1", `{"KeyMetadata":{"KeyId":"`+keyID+`","Arn":"`+key+`","KeyState":"`+state+`","KeySpec":"SYMMETRIC_DEFAULT","KeyUsage":"ENCRYPT_DECRYPT","DeletionDate":1796000000}}`),
	})
}

func TestAKeyThatIsHurtIsCriticalUntilItWorksAgain(t *testing.T) {
	b := guarded(t)
	b.hurt("PendingDeletion")
	b.handle(t, b.kms(events.ScheduleKeyDeletion, key))
	b.handle(t, b.kms(events.ScheduleKeyDeletion, key))
	b.wantMoves(t, "prod key-guard opened pending-deletion")
	b.world.Faults().Clear()
	b.now = b.now.Add(time.Hour)
	b.handle(t, b.kms(events.CancelKeyDeletion, key))
	b.wantMoves(t, "prod key-guard opened pending-deletion", "prod key-guard resolved")
}

func TestACallThatNamesNoKeyLooksAtThoseInUse(t *testing.T) {
	b := guarded(t)
	b.hurt("Disabled")
	b.handle(t, b.kms(events.DisableKey))
	b.wantMoves(t, "prod key-guard opened disabled")
}

func TestAKeyThatNoClusterUsesIsNotEvenRead(t *testing.T) {
	b := guarded(t)
	if said := b.handle(t, b.kms(events.DisableKey, "arn:aws:kms:eu-west-1:111122223333:key/other")); said["skipped"] == nil || len(b.world.Calls()) > 0 {
		t.Errorf("said %v, want it skipped", said)
	}
}

func TestFault_61_ARetiredGrantOfAnotherServiceSaysNothing(t *testing.T) {
	b := guarded(t)
	for _, call := range []string{events.RetireGrant, events.RevokeGrant} {
		b.handle(t, b.kms(call, key))
	}
	b.wantMoves(t)
	if b.granted.asked != 2 {
		t.Errorf("EKS's grant was asked for %d times, want with the two calls about grants", b.granted.asked)
	}
}

func TestFault_61_APolicyThatHurtsNobodyIsANoticeThatCostsNoOtherLook(t *testing.T) {
	b := guarded(t)
	b.handle(t, b.kms(events.PutKeyPolicy, key))
	before := b.world.Calls()
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod key-guard opened policy-changed")
	if after := b.world.Calls(); !reflect.DeepEqual(before, after) {
		t.Errorf("calls %v, want those of the event: clustercheck looks every day", after)
	}
}

// report has EKS say of the cluster what is wrong with its key.
func (b *bench) report(t *testing.T, code string) {
	t.Helper()
	c := plain("prod")
	c.KeyARN, c.Health = key, []sim.Issue{{Code: code}}
	b.world.Remove(prod)
	if err := b.world.Add(account, region, c); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyThatWasMendedIsNoTroubleHoweverLateEKSSeesIt(t *testing.T) {
	b := guarded(t)
	b.hurt("Disabled")
	b.handle(t, b.kms(events.DisableKey, key))
	b.world.Faults().Clear()
	b.report(t, "KmsKeyDisabled")
	for range 2 { // the event, and the daily look
		b.now = b.now.Add(time.Hour)
		b.handle(t, b.kms(events.EnableKey, key))
		b.handle(t, b.daily())
		b.wantMoves(t, "prod key-guard opened disabled", "prod key-guard resolved")
	}
}

func TestAThrottledReadOfGrantsIsRepeated(t *testing.T) {
	b := guarded(t)
	b.granted.err = &fleet.Trouble{Kind: fleet.Throttled, Action: "kms:ListGrants", Err: errors.New("slow down")}
	if _, err := b.Handle(t.Context(), b.kms(events.RetireGrant, key)); err == nil {
		t.Error("no error although nobody knows of the grant")
	}
	b.wantMoves(t)
}

func TestACallAboutAnotherKeyIsNotHeldAgainstThisOne(t *testing.T) {
	const before = "arn:aws:kms:eu-west-1:111122223333:key/before"
	b := guarded(t)
	if err := b.records.NoteKeyUse(t.Context(), prod, before); err != nil {
		t.Fatal(err)
	}
	b.granted.has = false
	b.handle(t, b.kms(events.RevokeGrant, before))
	b.handle(t, b.kms(events.PutKeyPolicy, before))
	b.wantMoves(t)
}

func TestFault_61_ARetiredGrantDoesNotTurnCriticalByWaiting(t *testing.T) {
	b := guarded(t)
	b.granted.has = false
	b.handle(t, b.kms(events.RetireGrant, key))
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod key-guard opened grant-unread")
}

func TestAGrantThatIsGoneStaysCriticalUntilItIsBack(t *testing.T) {
	b := guarded(t)
	b.granted.has = false
	b.handle(t, b.kms(events.RevokeGrant, key))
	b.handle(t, b.kms(events.EnableKey, key)) // says nothing of grants
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod key-guard opened grant-revoked")
	b.granted.has = true
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod key-guard opened grant-revoked", "prod key-guard resolved")
}

func TestAKeyThatTheClusterUsesNoLongerIsNoTrouble(t *testing.T) {
	b := guarded(t)
	b.hurt("Disabled")
	b.handle(t, b.kms(events.DisableKey, key))
	b.world.Faults().Clear()
	b.world.Remove(prod)
	if err := b.world.Add(account, region, plain("prod")); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(24 * time.Hour)
	b.handle(t, b.daily())
	b.wantMoves(t, "prod key-guard opened disabled", "prod key-guard resolved")
	b.handle(t, b.kms(events.DisableKey, key))
	if users, err := b.records.KeyUsers(t.Context(), key); err != nil || len(users) > 0 {
		t.Errorf("users %v, %v; want none: the cluster is another one", users, err)
	}
}

func TestInEnforceWhatWasDoneToAKeyIsUndoneAndBothAreTold(t *testing.T) {
	for _, tt := range []struct {
		name              string
		file, most, turn  string
		moves             []string
		cancels, enabling int
	}{
		{"where both allow it", config.Enforce, config.Enforce, "off", []string{"prod key-guard opened pending-deletion", "prod key-guard resolved"}, 1, 1},
		{"not where the file does not", config.Report, config.Enforce, "off", []string{"prod key-guard opened pending-deletion"}, 0, 0},
		{"not where the deployment does not", config.Enforce, config.Report, "off", []string{"prod key-guard opened pending-deletion"}, 0, 0},
		{"not while the kill switch is on", config.Enforce, config.Enforce, "on", []string{"prod key-guard opened pending-deletion"}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := plain("prod")
			c.KeyARN = "arn:aws:kms:eu-west-1:111122223333:key/leaving"
			b := newBench(t, config.Report, c)
			if err := b.records.NoteKeyUse(t.Context(), prod, c.KeyARN); err != nil {
				t.Fatal(err)
			}
			b.now = b.now.Add(time.Second)
			b.configure(t, func(s *config.SecretsEncryption) { s.KeyGuard = tt.file })
			b.MaxKeyGuard = tt.most
			b.kill.on = tt.turn == "on"
			b.handle(t, b.kms(events.ScheduleKeyDeletion, c.KeyARN))
			b.wantMoves(t, tt.moves...)
			for op, want := range map[string]int{"CancelKeyDeletion": tt.cancels, "EnableKey": tt.enabling} {
				n := 0
				for k, calls := range b.world.Calls() {
					if k.Operation == op {
						n += calls.Total()
					}
				}
				if n != want {
					t.Errorf("%d calls of %s, want %d", n, op, want)
				}
			}
		})
	}
}

func TestTheGuardIsOfTheCheckThatTheIncidentNames(t *testing.T) {
	b := guarded(t)
	b.hurt("Disabled")
	b.handle(t, b.kms(events.DisableKey, key))
	inc, err := b.records.Incident(t.Context(), prod.String()+"/"+keyguard.Check+"/"+keyguard.Key)
	if err != nil || inc.Finding.Severity != fleet.Critical {
		t.Errorf("incident %+v, %v; want it critical, and the one that the daily look of clustercheck has too", inc.Finding, err)
	}
}
