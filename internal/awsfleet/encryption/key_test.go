package encryption_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

func TestAKeyIsResolvedFromAnythingThatNamesIt(t *testing.T) {
	r := payments()
	r.Leftovers = []sim.Leftover{
		{ARN: keyARN, Tags: map[string]string{"use": "eks"}},
		{ARN: otherKey, Tags: map[string]string{"use": "ebs"}},
		{ARN: "arn:aws:ec2:eu-west-1:444455556666:volume/vol-1", Tags: map[string]string{"use": "eks"}},
	}
	for _, ref := range []string{keyARN, "alias/eks", "tag:use=eks"} {
		t.Run(ref, func(t *testing.T) {
			w := enter(t, r)
			k, err := w.reader.Key(t.Context(), target, ref)
			if err != nil || k.ARN != keyARN || k.Spec != "SYMMETRIC_DEFAULT" || k.Usage != "ENCRYPT_DECRYPT" || k.State != "Enabled" || k.Rotation != fleet.RotationOn {
				t.Errorf("got %+v, %v", k, err)
			}
			if !slices.Equal(k.Aliases, []string{"alias/eks"}) || !maps.Equal(k.Tags, map[string]string{"use": "eks"}) {
				t.Errorf("it is called %q, %v", k.Aliases, k.Tags)
			}
		})
	}
}

func TestAKeyThatATagDoesNotTellIsNotGuessed(t *testing.T) {
	tagged := func(keys ...string) sim.Region {
		r := payments()
		for _, k := range keys {
			r.Leftovers = append(r.Leftovers, sim.Leftover{ARN: k, Tags: map[string]string{"use": "eks"}})
		}
		return r
	}
	tests := []struct {
		name string
		keys []string
		kind fleet.TroubleKind
		says []string
	}{
		{"no key has the tag", nil, fleet.Gone, []string{"no key in 444455556666/eu-west-1 has the tag use=eks", "name the key by its ARN"}},
		{"two keys have the tag", []string{keyARN, otherKey}, fleet.Refused, []string{"2 keys", keyARN, otherKey, "leave the tag on one of them"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enter(t, tagged(tt.keys...))
			_, err := w.reader.Key(t.Context(), target, "tag:use=eks")
			trouble(t, err, tt.kind, "tag:GetResources")
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestFault_39_WhatIsWrongWithAKeyIsTold(t *testing.T) {
	tests := []struct {
		name string
		key  sim.Key
		want fleet.Key
	}{
		{"disabled", sim.Key{State: "Disabled"}, fleet.Key{State: "Disabled", Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT"}},
		{"to be deleted", sim.Key{DeletionIn: 72 * time.Hour}, fleet.Key{State: "PendingDeletion", Deletion: noon.Add(72 * time.Hour), Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT"}},
		{"asymmetric", sim.Key{Spec: "RSA_2048", Usage: "SIGN_VERIFY"}, fleet.Key{State: "Enabled", Spec: "RSA_2048", Usage: "SIGN_VERIFY"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.key.ID = keyARN
			w := enter(t, sim.Region{Keys: []sim.Key{tt.key}})
			k, err := w.reader.Key(t.Context(), target, keyARN)
			if err != nil || k.State != tt.want.State || !k.Deletion.Equal(tt.want.Deletion) || k.Spec != tt.want.Spec || k.Usage != tt.want.Usage {
				t.Errorf("got %+v, %v; want %+v", k, err, tt.want)
			}
		})
	}
}

func TestAKeyThatCannotBeReadSaysWhy(t *testing.T) {
	w := enter(t, payments())
	_, err := w.reader.Key(t.Context(), target, "alias/nobody")
	trouble(t, err, fleet.Gone, "kms:DescribeKey")
	_, err = w.reader.Key(t.Context(), target, strings.Replace(keyARN, account, "777788889999", 1))
	trouble(t, err, fleet.Denied, "kms:DescribeKey")
	w.Faults().Script(edge.Step{Operation: "ListAliases", Times: edge.Always, Do: denied("kms:ListAliases")})
	_, err = w.reader.Key(t.Context(), target, keyARN)
	trouble(t, err, fleet.Denied, "kms:ListAliases")
}

func TestRotationThatCannotBeReadIsUnknownAndNoObstacle(t *testing.T) {
	w := enter(t, payments())
	w.Faults().Script(edge.Step{Operation: "GetKeyRotationStatus", Times: edge.Always, Do: denied("kms:GetKeyRotationStatus")})
	if k, err := w.reader.Key(t.Context(), target, keyARN); err != nil || k.Rotation != fleet.RotationUnknown || k.State != "Enabled" {
		t.Errorf("got %+v, %v", k, err)
	}
}

func TestAnotherAccountsKeyIsNotAskedForItsNames(t *testing.T) {
	const foreign = "arn:aws:kms:eu-west-1:777788889999:key/00000000-0000-4000-8000-000000000009"
	w := enter(t, payments())
	w.Faults().Script(
		edge.Step{Operation: "DescribeKey", Do: edge.Raw(200, "application/x-amz-json-1.1", `{"KeyMetadata":{"KeyId":"x","Arn":"`+foreign+`","KeyState":"Enabled","KeySpec":"SYMMETRIC_DEFAULT","KeyUsage":"ENCRYPT_DECRYPT"}}`)},
		edge.Step{Operation: "DescribeKey", Nth: 2, Do: edge.Raw(200, "application/x-amz-json-1.1", `{"KeyMetadata":{"KeyId":"x"}}`)},
	)
	if k, err := w.reader.Key(t.Context(), target, foreign); err != nil || k.ARN != foreign || k.State != "Enabled" {
		t.Errorf("got %+v, %v", k, err)
	}
	if n := w.Calls().Of("ListAliases").Total() + w.Calls().Of("ListResourceTags").Total(); n != 0 {
		t.Errorf("%d calls for names that KMS tells only to the key's account", n)
	}
	_, err := w.reader.Key(t.Context(), target, foreign)
	trouble(t, err, fleet.Failed, "kms:DescribeKey")
}
