package secretsencryption_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

func TestFault_39_AKeyThatCannotBeUsedSaysWhyAndWhatToDo(t *testing.T) {
	var page strings.Builder
	for _, c := range []struct {
		name   string
		change func(*fleet.Key)
	}{
		{"disabled", func(k *fleet.Key) { k.State = "Disabled" }},
		{"deleted in six days", func(k *fleet.Key) { k.State, k.Deletion = "PendingDeletion", noon.AddDate(0, 0, 6) }},
		{"deleted in one day", func(k *fleet.Key) { k.State, k.Deletion = "PendingDeletion", noon.Add(47*time.Hour) }},
		{"deleted within a day", func(k *fleet.Key) { k.State, k.Deletion = "PendingDeletion", noon.Add(time.Hour) }},
		{"deleted at a time that is over", func(k *fleet.Key) { k.State, k.Deletion = "PendingDeletion", noon }},
		{"deleted at an unknown date", func(k *fleet.Key) { k.State = "PendingDeletion" }},
		{"a primary that waits for its replicas", func(k *fleet.Key) { k.State = "PendingReplicaDeletion" }},
		{"without material", func(k *fleet.Key) { k.State = "PendingImport" }},
		{"in a store that is not connected", func(k *fleet.Key) { k.State = "Unavailable" }},
		{"in change", func(k *fleet.Key) { k.State = "Updating" }},
		{"in no state", func(k *fleet.Key) { k.State = "" }},
		{"asymmetric", func(k *fleet.Key) { k.Spec = "RSA_4096" }},
		{"of no kind", func(k *fleet.Key) { k.Spec = "" }},
		{"for signatures", func(k *fleet.Key) { k.Spec, k.Usage = "ECC_NIST_P256", "SIGN_VERIFY" }},
		{"for authentication codes", func(k *fleet.Key) { k.Spec, k.Usage = "HMAC_256", "GENERATE_VERIFY_MAC" }},
		{"for something newer", func(k *fleet.Key) { k.Usage = "KEY_AGREEMENT" }},
		{"for nothing that KMS said", func(k *fleet.Key) { k.Usage = "" }},
		{"managed by AWS", func(k *fleet.Key) { k.Aliases = []string{"alias/aws/ebs"} }},
		{"in another region", func(k *fleet.Key) { k.ARN = strings.Replace(keyARN, "eu-west-1", "us-east-1", 1) }},
		{"a multi-Region key in another region", func(k *fleet.Key) {
			k.ARN = "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
		}},
	} {
		k := good(keyARN)
		c.change(&k)
		err := secretsencryption.Usable(k, target.Region, noon)
		if err == nil {
			t.Errorf("a key that is %s can be used", c.name)
		}
		fmt.Fprintf(&page, "== %s\n%v\n", c.name, err)
	}
	golden.Check(t, "unusable.txt", page.String())
	unrotated := good(keyARN)
	unrotated.Rotation = fleet.RotationOff
	if err := secretsencryption.Usable(unrotated, target.Region, noon); err != nil {
		t.Errorf("a key without rotation: %v, want it usable", err)
	}
}

func TestChooseTakesTheFirstKeyThatCanBeUsed(t *testing.T) {
	w := newWorld()
	disabled := good(otherKey)
	disabled.State = "Disabled"
	w.keys = map[string]fleet.Key{"alias/old": disabled, "alias/eks": good(keyARN), "tag:team=security": good(otherKey)}
	elsewhere := strings.Replace(keyARN, "eu-west-1", "us-east-1", 1)
	c, err := secretsencryption.Choose(t.Context(), w, target, []string{elsewhere, "alias/old", "alias/none", "alias/eks", "tag:team=security"}, noon)
	if err != nil || c.Key.ARN != keyARN {
		t.Fatalf("chose %+v, %v", c, err)
	}
	var refs []string
	for _, o := range c.Obstacles {
		refs = append(refs, o.Ref)
		if o.Why == "" {
			t.Errorf("%s has no reason", o.Ref)
		}
	}
	if want := []string{elsewhere, "alias/old", "alias/none"}; !slices.Equal(refs, want) {
		t.Errorf("obstacles %q, want %q", refs, want)
	}
	if want := []string{"key", "key", "key"}; !slices.Equal(w.seen, want) {
		t.Errorf("asked KMS %d times, want 3: a key of another region is not looked for, nor one after the chosen", len(w.seen))
	}
}

func TestTheSecondKeyIsNotChosenBecauseTheFirstCouldNotBeReadJustNow(t *testing.T) {
	for kind, passes := range map[fleet.TroubleKind]bool{
		fleet.Throttled: true, fleet.Failed: true, fleet.Unreachable: true, fleet.ClockSkew: true,
		fleet.Denied: false, fleet.Gone: false, fleet.Refused: false,
	} {
		w := newWorld()
		w.keyErr = refusal(kind, "kms:DescribeKey", "no")
		c, err := secretsencryption.Choose(t.Context(), w, target, []string{"alias/eks", keyARN}, noon)
		if passes && (!errors.Is(err, kind) || len(w.seen) != 1) {
			t.Errorf("%s: %+v, %v; want that error at once", kind, c, err)
		}
		if !passes && (err != nil || len(c.Obstacles) != 2 || c.Key.ARN != "") {
			t.Errorf("FAULT 39 %s: %+v, %v; want two obstacles and no key", kind, c, err)
		}
	}
}
