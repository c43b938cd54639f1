package awsfleet_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

func TestAccessEntriesAreListedOverAllPagesAndDescribed(t *testing.T) {
	f, w := enter(t, sim.Fleet{Home: target.Account, Accounts: []sim.Account{crowd(target.Account, 1)}})
	const cluster, last = "c0000", "arn:aws:iam::111122223333:role/team/r149"
	for i := range 150 {
		if err := w.Admit(target.Cluster(cluster), fmt.Sprintf("arn:aws:iam::111122223333:role/team/r%03d", i), "readers", "others"); err != nil {
			t.Fatal(err)
		}
	}
	principals, err := f.AccessEntries(t.Context(), target, cluster)
	if err != nil || len(principals) != 150 || principals[149] != last {
		t.Fatalf("%d principals, %v", len(principals), err)
	}
	if groups, err := f.AccessGroups(t.Context(), target, cluster, last); err != nil || !slices.Equal(groups, []string{"readers", "others"}) {
		t.Errorf("groups %q, %v", groups, err)
	}
	_, err = f.AccessGroups(t.Context(), target, cluster, last+"x")
	trouble(t, err, fleet.Gone)
	_, err = f.AccessEntries(t.Context(), target, "nobody")
	trouble(t, err, fleet.Gone)
}

func TestFault_04_LoopingAccessEntriesStop(t *testing.T) {
	f, w := enter(t, sim.Fleet{Home: target.Account, Accounts: []sim.Account{crowd(target.Account, 1)}})
	w.Faults().Script(edge.Step{Operation: "ListAccessEntries", Times: edge.Always, Do: edge.RepeatToken()})
	_, err := f.AccessEntries(t.Context(), target, "c0000")
	if tr := trouble(t, err, fleet.LoopingPages); tr.Action != "eks:ListAccessEntries" {
		t.Errorf("action %s", tr.Action)
	}
}

func TestFault_06_WhoReadsATargetIsItsRole(t *testing.T) {
	account := crowd(member.Account, 1)
	account.Roles = []sim.Role{{Name: "steward-reader"}}
	f, _ := enter(t, sim.Fleet{Home: target.Account, Accounts: []sim.Account{account}})
	if id, arn, err := f.IdentityIn(t.Context(), member); err != nil || id != member.Account || arn != "arn:aws:sts::444455556666:assumed-role/steward-reader/eks-steward" {
		t.Errorf("a member is read as %s of %s, %v", arn, id, err)
	}
	if id, _, err := f.IdentityIn(t.Context(), target); err != nil || id != target.Account {
		t.Errorf("the own account is read as %s, %v", id, err)
	}
	stranger := member
	stranger.Role += "-of-nobody"
	_, _, err := f.IdentityIn(t.Context(), stranger)
	trouble(t, err, fleet.Unreachable)
}
