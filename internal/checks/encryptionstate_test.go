package checks_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestEncryptionState(t *testing.T) {
	const ok, rotated = "pass info", "pass info  rotation"
	customer := checks.SecretsEncryption{Require: checks.CustomerKey}
	oneOf := func(keys ...string) checks.SecretsEncryption {
		return checks.SecretsEncryption{Require: checks.AnyOfKeys, Keys: keys}
	}
	none := func(s *fleet.Snapshot) { s.Cluster.Value.KeyARN, s.Key = "", fleet.Part[fleet.Key]{} }
	const replica = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	run(t, "encryption-state", []situation{
		{name: "a customer key where any will do", change: func(*fleet.Snapshot) {}, want: []string{ok, rotated}},
		{name: "a customer key where one is wanted", rules: customer, change: func(*fleet.Snapshot) {}, want: []string{ok, rotated}},
		{name: "FAULT 41 an AWS-owned key is never called unencrypted", change: none, want: []string{ok}},
		{name: "FAULT 41 an AWS-owned key where a customer key is wanted", rules: customer, change: none, want: []string{"fail warning aws-owned-key"}},
		{name: "FAULT 41 an AWS-owned key where one of some keys is wanted", rules: oneOf(keyARN), change: none, want: []string{"fail warning aws-owned-key"}},
		{
			name: "FAULT 41 the first version with an AWS-owned key", want: []string{ok},
			change: func(s *fleet.Snapshot) { none(s); s.Cluster.Value.Version = "1.28" },
		},
		{
			name: "the last version without", want: []string{"fail warning no-key"},
			change: func(s *fleet.Snapshot) { none(s); s.Cluster.Value.Version = "1.27" },
		},
		{
			name: "FAULT 11 an old version is told from a new one by number", want: []string{"fail warning no-key"},
			change: func(s *fleet.Snapshot) { none(s); s.Cluster.Value.Version = "1.9" },
		},
		{
			name: "FAULT 10 no key and no version", want: []string{"unknown warning version-unknown"},
			change: func(s *fleet.Snapshot) { none(s); s.Cluster.Value.Version = "" },
		},

		{name: "a key listed by its ARN", rules: oneOf("alias/other", keyARN), change: func(*fleet.Snapshot) {}, want: []string{ok, rotated}},
		{name: "a key listed by its alias", rules: oneOf("alias/eks"), change: func(*fleet.Snapshot) {}, want: []string{ok, rotated}},
		{
			name: "a key listed by a tag", rules: oneOf("tag:team=security"), want: []string{ok, rotated},
			change: func(s *fleet.Snapshot) { s.Key.Value.Tags = map[string]string{"team": "security"} },
		},
		{
			name: "a cluster that names its key by an alias", rules: oneOf("alias/eks"), want: []string{ok, rotated},
			change: func(s *fleet.Snapshot) {
				s.Cluster.Value.KeyARN = "arn:aws:kms:eu-west-1:111122223333:alias/eks"
				s.Key.Value.Aliases = nil
			},
		},
		{name: "FAULT 40 another key than those listed", rules: oneOf("alias/payments", "tag:team=security"), change: func(*fleet.Snapshot) {}, want: []string{"fail warning other-key", rotated}},
		{
			name: "FAULT 40 a replica of a listed key is another key", rules: oneOf("arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"), want: []string{"fail warning other-key", rotated},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.KeyARN, s.Key.Value.ARN = replica, replica },
		},
		{
			name: "FAULT 40 a wrong ARN is wrong whatever KMS refuses to tell", rules: oneOf("arn:aws:kms:eu-west-1:111122223333:key/0000"), want: []string{"fail warning other-key", "unknown info unread rotation"},
			change: func(s *fleet.Snapshot) { s.Key = refused[fleet.Key]("kms:DescribeKey") },
		},
		{
			name: "FAULT 05 a list of aliases and a key that cannot be read", rules: oneOf("alias/payments"), want: []string{"unknown warning unread", "unknown info unread rotation"},
			change: func(s *fleet.Snapshot) { s.Key = refused[fleet.Key]("kms:DescribeKey") },
		},
		{
			name: "rotation is off", want: []string{ok, "fail info rotation-off rotation"},
			change: func(s *fleet.Snapshot) { s.Key.Value.Rotation = fleet.RotationOff },
		},
		{
			name: "a key to be deleted is not rotated, whatever is set", want: []string{ok, "not-applicable info  rotation"},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.State, s.Key.Value.Rotation = "PendingDeletion", fleet.RotationOff
			},
		},
		{
			name: "a key that KMS does not rotate", want: []string{ok, "not-applicable info  rotation"},
			change: func(s *fleet.Snapshot) { s.Key.Value.Rotation = fleet.RotationUnknown },
		},
		{
			name: "rotation could not be read", want: []string{ok, "unknown info unread rotation"},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.Rotation = fleet.RotationUnknown
				s.Key.Trouble = refused[fleet.Key]("kms:GetKeyRotationStatus").Trouble
			},
		},
		{name: "FAULT 05 a cluster that cannot be described", change: func(s *fleet.Snapshot) { s.Cluster = refused[fleet.Cluster]("eks:DescribeCluster") }, want: []string{"unknown warning unread"}},
		{name: "FAULT 10 a snapshot with nothing in it", change: func(s *fleet.Snapshot) { *s = fleet.Snapshot{ID: s.ID} }, want: []string{"unknown warning unread"}},
	})
}

func TestFault_40_TheStateNeverClaimsThatAnythingIsChanged(t *testing.T) {
	s := healthy(noon)
	r := defaults
	r.SecretsEncryption = checks.SecretsEncryption{Require: checks.AnyOfKeys, Keys: []string{"alias/payments"}}
	f := judge("encryption-state", s, r, noon)[0]
	if want := "This is reported, never changed: the key of a cluster cannot be changed."; f.Meaning[len(f.Meaning)-len(want):] != want {
		t.Errorf("the meaning %q does not end with %q", f.Meaning, want)
	}
}
