package checks_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/eks-steward/eks-steward/internal/checks"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestEncryptionState(t *testing.T) {
	const works, ok = "pass info  key", "pass info"
	customer := checks.SecretsEncryption{Require: checks.CustomerKey}
	oneOf := func(keys ...string) checks.SecretsEncryption {
		return checks.SecretsEncryption{Require: checks.AnyOfKeys, Keys: keys}
	}
	none := func(s *fleet.Snapshot) { s.Cluster.Value.KeyARN, s.Key = "", fleet.Part[fleet.Key]{} }
	state := func(state string) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) { s.Key.Value.State = state }
	}
	reported := func(code string) func(*fleet.Snapshot) {
		return func(s *fleet.Snapshot) {
			s.Cluster.Value.Health = []fleet.Issue{{Code: code, Message: "EKS cannot use the key."}}
			s.Key = refused[fleet.Key]("kms:DescribeKey")
		}
	}
	const replica = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	run(t, "encryption-state", []situation{
		{name: "a customer key where any will do", change: func(*fleet.Snapshot) {}, want: []string{ok, works}},
		{name: "a customer key where one is wanted", rules: customer, change: func(*fleet.Snapshot) {}, want: []string{ok, works}},
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

		{name: "a key listed by its ARN", rules: oneOf("alias/other", keyARN), change: func(*fleet.Snapshot) {}, want: []string{ok, works}},
		{name: "a key listed by its alias", rules: oneOf("alias/eks"), change: func(*fleet.Snapshot) {}, want: []string{ok, works}},
		{
			name: "a key listed by a tag", rules: oneOf("tag:team=security"), want: []string{ok, works},
			change: func(s *fleet.Snapshot) { s.Key.Value.Tags = map[string]string{"team": "security"} },
		},
		{
			name: "a cluster that names its key by an alias", rules: oneOf("alias/eks"), want: []string{ok, works},
			change: func(s *fleet.Snapshot) {
				s.Cluster.Value.KeyARN = "arn:aws:kms:eu-west-1:111122223333:alias/eks"
				s.Key.Value.Aliases = nil
			},
		},
		{name: "FAULT 40 another key than those listed", rules: oneOf("alias/payments", "tag:team=security"), change: func(*fleet.Snapshot) {}, want: []string{"fail warning other-key", works}},
		{
			name: "FAULT 40 a replica of a listed key is another key", rules: oneOf("arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"), want: []string{"fail warning other-key", works},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.KeyARN, s.Key.Value.ARN = replica, replica },
		},
		{
			name: "FAULT 40 a wrong ARN is wrong whatever KMS refuses to tell", rules: oneOf("arn:aws:kms:eu-west-1:111122223333:key/0000"), want: []string{"fail warning other-key", "unknown warning unread key"},
			change: func(s *fleet.Snapshot) { s.Key = refused[fleet.Key]("kms:DescribeKey") },
		},
		{
			name: "FAULT 05 a list of aliases and a key that cannot be read", rules: oneOf("alias/payments"), want: []string{"unknown warning unread", "unknown warning unread key"},
			change: func(s *fleet.Snapshot) { s.Key = refused[fleet.Key]("kms:DescribeKey") },
		},

		{name: "a disabled key", change: state("Disabled"), want: []string{ok, "fail critical disabled key"}},
		{
			name: "a key to be deleted in six days", want: []string{ok, "fail critical pending-deletion key"},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.State, s.Key.Value.Deletion = "PendingDeletion", noon.AddDate(0, 0, 6)
			},
		},
		{
			name: "a key to be deleted within a day", want: []string{ok, "fail critical pending-deletion key"},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.State, s.Key.Value.Deletion = "PendingDeletion", noon.Add(1)
			},
		},
		{name: "FAULT 10 a key to be deleted at an unknown date", change: state("PendingDeletion"), want: []string{ok, "fail critical pending-deletion key"}},
		{name: "a multi-Region primary waits for its replicas", change: state("PendingReplicaDeletion"), want: []string{ok, "fail critical pending-deletion key"}},
		{name: "a key without material", change: state("PendingImport"), want: []string{ok, "fail critical pending-import key"}},
		{name: "a key store that is not connected", change: state("Unavailable"), want: []string{ok, "fail critical unavailable key"}},
		{name: "a key whose primary region changes works", change: state("Updating"), want: []string{ok, works}},
		{name: "FAULT 09 a state that is newer than this version", change: state("Frozen"), want: []string{ok, "unknown warning state-unknown key"}},
		{name: "FAULT 10 a key without a state", change: state(""), want: []string{ok, "unknown warning state-unknown key"}},
		{
			name: "rotation is off", want: []string{ok, "fail info rotation-off key"},
			change: func(s *fleet.Snapshot) { s.Key.Value.Rotation = fleet.RotationOff },
		},
		{
			name: "rotation could not be read", want: []string{ok, works},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.Rotation = fleet.RotationUnknown
				s.Key.Trouble = refused[fleet.Key]("kms:GetKeyRotationStatus").Trouble
			},
		},
		{
			name: "a disabled key of which the rest could not be read", want: []string{ok, "fail critical disabled key"},
			change: func(s *fleet.Snapshot) {
				s.Key.Value.State = "Disabled"
				s.Key.Trouble = refused[fleet.Key]("kms:GetKeyRotationStatus").Trouble
			},
		},
		{name: "FAULT 05 a key that cannot be read", change: func(s *fleet.Snapshot) { s.Key = refused[fleet.Key]("kms:DescribeKey") }, want: []string{ok, "unknown warning unread key"}},
		{name: "a key that nobody asked for", change: func(s *fleet.Snapshot) { s.Key = fleet.Part[fleet.Key]{} }, want: []string{ok, "unknown warning unread key"}},
		{
			name: "a key that KMS does not know", want: []string{ok, "fail critical not-found key"},
			change: func(s *fleet.Snapshot) {
				s.Key = fleet.Read(fleet.Key{}, &fleet.Trouble{Kind: fleet.Gone, Action: "kms:DescribeKey", Err: errors.New("NotFoundException")}, noon)
			},
		},
		{
			name: "an alias that KMS does not know", want: []string{ok, "unknown warning unread key"},
			change: func(s *fleet.Snapshot) {
				s.Cluster.Value.KeyARN = "arn:aws:kms:eu-west-1:111122223333:alias/eks"
				s.Key = fleet.Read(fleet.Key{}, &fleet.Trouble{Kind: fleet.Gone, Action: "kms:DescribeKey", Err: errors.New("NotFoundException")}, noon)
			},
		},

		{name: "EKS reports a disabled key", change: reported("KmsKeyDisabled"), want: []string{ok, "fail critical disabled key"}},
		{name: "EKS reports a key to be deleted", change: reported("KmsKeyMarkedForDeletion"), want: []string{ok, "fail critical pending-deletion key"}},
		{name: "EKS reports a key that is gone", change: reported("KmsKeyNotFound"), want: []string{ok, "fail critical not-found key"}},
		{name: "EKS reports a grant that was revoked", change: reported("KmsGrantRevoked"), want: []string{ok, "fail critical grant-revoked key"}},
		{
			name: "EKS reports a disabled key that KMS says is enabled", want: []string{ok, "fail critical disabled key"},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Health = []fleet.Issue{{Code: "KmsKeyDisabled"}} },
		},
		{
			name: "EKS reports a key that the cluster does not name", want: []string{ok, "fail critical not-found key"},
			change: func(s *fleet.Snapshot) {
				none(s)
				s.Cluster.Value.Health = []fleet.Issue{{Code: "KmsKeyNotFound"}}
			},
		},
		{
			name: "EKS reports a cluster's other troubles", want: []string{ok, works},
			change: func(s *fleet.Snapshot) { s.Cluster.Value.Health = []fleet.Issue{{Code: "Ec2SubnetNotFound"}} },
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

func TestACommandNamesTheRegionAndTheKeyItself(t *testing.T) {
	s := healthy(noon)
	s.Cluster.Value.KeyARN = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/eks"
	s.Key.Value = fleet.Key{ARN: "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1", State: "Disabled"}
	f := judge("encryption-state", s, defaults, noon)[1]
	want := "1. Enable it: aws kms enable-key --region us-gov-west-1 --key-id " + s.Key.Value.ARN + ".\n2. "
	if got := fmt.Sprintf("%.*s", len(want), f.Remedy); got != want {
		t.Errorf("the remedy begins with %q, want %q", got, want)
	}
}
