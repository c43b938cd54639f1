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
	b.later(t, 15*time.Minute)
	b.wantMoves(t)
	if b.granted.asked != 3 {
		t.Errorf("EKS's grant was asked for %d times, want once when one was revoked, and again after both calls", b.granted.asked)
	}
}

func TestFault_61_HundredsOfRetiredGrantsAreOneLookWhenTheyAreThrough(t *testing.T) {
	b := guarded(t)
	for range 100 {
		b.handle(t, b.kms(events.RetireGrant, key))
		b.handle(t, b.kms(events.RetireGrant))
	}
	if len(b.world.Calls()) > 0 || b.granted.asked > 0 {
		t.Errorf("AWS was asked %v and for grants %d times, want nothing yet", b.world.Calls(), b.granted.asked)
	}
	b.granted.has = false
	b.later(t, 15*time.Minute)
	b.wantMoves(t, "prod key-guard opened grant-unread")
	b.wantCalls(t, "DescribeCluster", 1)
	b.quiet(t)
}

func TestARetiredGrantOfWhichTheEventIsLateIsNotLookedAtAtOnceEither(t *testing.T) {
	b := guarded(t)
	late := b.kms(events.RetireGrant, key)
	b.now = b.now.Add(time.Hour)
	for range 100 {
		b.handle(t, late)
	}
	b.later(t, 5*time.Minute)
	b.wantCalls(t, "DescribeCluster", 1)
	b.quiet(t)
}

func TestTheLastOfManyRetiredGrantsIsFollowedToo(t *testing.T) {
	b := guarded(t)
	for range 12 {
		b.handle(t, b.kms(events.RetireGrant, key))
		b.later(t, 5*time.Minute)
	}
	last := b.granted.asked
	b.granted.has = false
	b.handle(t, b.kms(events.RetireGrant, key))
	b.later(t, 15*time.Minute)
	if last < 10 || last > 12 {
		t.Errorf("EKS's grant was asked for %d times within an hour, want once in five minutes", last)
	}
	b.wantMoves(t, "prod key-guard opened grant-unread")
	b.quiet(t)
}

// What KMS says right after a call may be from before it (KMS Developer Guide,
// Eventual consistency).
func TestThatAllIsWellRightAfterACallThatHurtsIsNotBelieved(t *testing.T) {
	const disabled = "Disabled"
	for _, tt := range []struct {
		call string
		keys []string
		then string // the state that KMS says when the call has settled
		want string
	}{
		{events.DisableKey, []string{key}, disabled, "prod key-guard opened disabled"},
		{events.ScheduleKeyDeletion, []string{key}, "PendingDeletion", "prod key-guard opened pending-deletion"},
		{events.DeleteImportedKeyMaterial, []string{key}, "PendingImport", "prod key-guard opened pending-import"},
		{events.DeleteExpiredKeyMaterial, []string{key}, "PendingImport", "prod key-guard opened pending-import"},
		{events.DisconnectCustomKeyStore, nil, "Unavailable", "prod key-guard opened unavailable"},
		{events.RevokeGrant, []string{key}, "", "prod key-guard opened grant-revoked"},
	} {
		t.Run(tt.call, func(t *testing.T) {
			b := guarded(t)
			for range 3 {
				b.handle(t, b.kms(tt.call, tt.keys...))
			}
			b.wantMoves(t)
			if b.granted.has = tt.then != ""; tt.then != "" {
				b.hurt(tt.then)
			}
			called := b.now
			b.later(t, 15*time.Minute)
			b.wantMoves(t, tt.want)
			b.wantCalls(t, "DescribeCluster", 4) // for each event, and the look that follows them all
			resource := keyguard.Key
			if tt.then == "" {
				resource = keyguard.Grant
			}
			b.wantBlamed(t, resource, tt.call+" at "+called.Format(time.RFC3339), "arn:aws:iam::111122223333:role/admin")
			b.quiet(t)
		})
	}
}

// wantBlamed checks whom an incident about the key names.
func (b *bench) wantBlamed(t *testing.T, resource, call, caller string) {
	t.Helper()
	inc, err := b.records.Incident(t.Context(), prod.String()+"/"+keyguard.Check+"/"+resource)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range inc.Finding.Facts {
		got[f.Label] = f.Value
	}
	if got["Call"] != call || got["Caller"] != caller {
		t.Errorf("blamed is %q by %q, want %q by %q", got["Call"], got["Caller"], call, caller)
	}
}

func TestWhatIsBelievedIsNotLookedAtAgain(t *testing.T) {
	for _, tt := range []struct {
		name, call, state string
		age               time.Duration
	}{
		{"a call that heals", events.EnableKey, "", 0},
		{"a policy that was changed", events.PutKeyPolicy, "", 0},
		{"a key of which KMS says that it is hurt", events.DisableKey, "Disabled", 0},
		{"a call that has settled", events.DisableKey, "", 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := guarded(t)
			if tt.state != "" {
				b.hurt(tt.state)
			}
			e := b.kms(tt.call, key)
			e.Time = e.Time.Add(-tt.age)
			b.handle(t, e)
			b.quiet(t)
		})
	}
}

func TestTheLookThatFollowsACallWaitsUntilTheCallHasSettled(t *testing.T) {
	for _, after := range []time.Duration{0, 3*time.Minute - time.Second, 3 * time.Minute, 7 * time.Minute} {
		b := guarded(t)
		b.now = start.Add(after) // the minutes 17 to 24
		called := b.now
		b.handle(t, b.kms(events.DisableKey, key))
		if b.now = called.Add(5*time.Minute - time.Second); len(b.due(t)) > 0 {
			t.Errorf("a call at %s is followed within five minutes", called)
		}
		if b.now = called.Add(10 * time.Minute); len(b.due(t)) != 1 {
			t.Errorf("a call at %s is not followed within ten minutes", called)
		}
	}
}

func TestOnlyAPrincipalIsOurOwn(t *testing.T) {
	b := guarded(t)
	b.hurt("Disabled")
	e := b.kms(events.DisableKey, key)
	e.Principal = "a service:iam::111122223333:role/steward-encryption-writer"
	b.handle(t, e)
	b.wantBlamed(t, keyguard.Key, events.DisableKey+" at "+b.now.Format(time.RFC3339), e.Principal)
}

func TestTheLookThatFollowsACallIsNotFollowedByAnother(t *testing.T) {
	b := guarded(t)
	b.handle(t, b.kms(events.DisableKey, key))
	b.handle(t, b.kms(events.RevokeGrant, key))
	b.later(t, 30*time.Minute)
	b.wantMoves(t)
	b.wantCalls(t, "DescribeCluster", 4)
	b.quiet(t)
}

func TestClustersThatShareAKeyShareTheLookThatFollows(t *testing.T) {
	other := target.Cluster("other")
	b := newBench(t, config.Report, sim.Cluster{Name: "prod", Version: "1.34", KeyARN: key}, sim.Cluster{Name: "other", Version: "1.34", KeyARN: key})
	for _, c := range []fleet.ClusterID{prod, other} {
		if err := b.records.NoteKeyUse(t.Context(), c, key); err != nil {
			t.Fatal(err)
		}
	}
	b.handle(t, b.kms(events.DisableKey, key))
	b.hurt("Disabled")
	b.now = b.now.Add(10 * time.Minute)
	if due := b.due(t); len(due) != 1 {
		t.Errorf("follow-ups %+v, want one", due)
	}
	b.later(t, 5*time.Minute)
	b.wantMoves(t, "other key-guard opened disabled", "prod key-guard opened disabled")
}

func TestNobodyElseIsBlamedForWhatWasDoneToAKey(t *testing.T) {
	const admin, writer = "arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:role/steward-encryption-writer"
	b := guarded(t)
	b.hurt("PendingDeletion")
	b.handle(t, b.kms(events.ScheduleKeyDeletion, key))
	blamed := events.ScheduleKeyDeletion + " at " + b.now.Format(time.RFC3339)
	b.now = b.now.Add(time.Minute)
	undo, policy := b.kms(events.CancelKeyDeletion, key), b.kms(events.PutKeyPolicy, key)
	undo.Principal, policy.Principal = writer, "arn:aws:iam::111122223333:role/somebody"
	b.world.Faults().Clear()
	b.hurt("Disabled") // the second half of our undo was refused
	for _, e := range []*events.KMSCall{undo, policy} {
		b.handle(t, e)
		b.wantBlamed(t, keyguard.Key, blamed, admin)
	}
	b.world.Faults().Clear()
	enable := b.kms(events.EnableKey, key)
	enable.Principal = writer
	b.handle(t, enable)
	b.wantBlamed(t, keyguard.Key, "", "") // it is over, and our own call is none that people look for
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
	if _, err := b.Handle(t.Context(), b.kms(events.RevokeGrant, key)); err == nil {
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
	b.later(t, 15*time.Minute)
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
				b.wantCalls(t, op, want)
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
