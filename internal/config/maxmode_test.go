package config_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

const modes = `schemaVersion: 1
targets:
  - account: "111122223333"
    regions: [eu-west-1]
secretsEncryption:
  require: keys
  keys: [alias/eks-secrets]
  mode: approve
overrides:
  - match: {names: ["lab-*"]}
    secretsEncryption: {mode: enforce, keyGuard: enforce}
    nodegroupRollout: {mode: approve}
  - match: {names: ["dev-*"]}
    secretsEncryption: {mode: report}
  - match: {names: ["prod-*"]}
    etcdSize: {warnPercent: 60}
`

func TestAFileMayNotAskForMoreThanTheDeploymentAllows(t *testing.T) {
	const (
		file     = `steward.yaml:8: secretsEncryption.mode is "approve", but the deployment allows report: want that, or deploy with maxMode.secretsEncryption approve`
		override = `steward.yaml:11: overrides[0].secretsEncryption.mode is "enforce", but the deployment allows approve: want that, or deploy with maxMode.secretsEncryption enforce`
		guard    = `steward.yaml:11: overrides[0].secretsEncryption.keyGuard is "enforce", but the deployment allows report: want that, or deploy with secretsEncryption.keyGuard true`
		nodes    = `steward.yaml:12: overrides[0].nodegroupRollout.mode is "approve", but the deployment allows report: want that, or deploy with maxMode.nodegroupRollout approve`
		lowest   = `steward.yaml:11: overrides[0].secretsEncryption.mode is "enforce", but the deployment allows report: want that, or deploy with maxMode.secretsEncryption enforce`
	)
	for name, c := range map[string]struct {
		most config.MaxMode
		want string
	}{
		"all is allowed":                    {config.MaxMode{SecretsEncryption: config.Enforce, KeyGuard: config.Enforce, NodegroupRollout: config.Approve}, ""},
		"nodes are another matter":          {config.MaxMode{SecretsEncryption: config.Enforce, KeyGuard: config.Enforce}, nodes},
		"an override asks for too much":     {config.MaxMode{SecretsEncryption: config.Approve, KeyGuard: config.Report, NodegroupRollout: config.Enforce}, override + "\n" + guard},
		"what is inherited is told once":    {config.MaxMode{SecretsEncryption: config.Report, KeyGuard: config.Enforce, NodegroupRollout: config.Enforce}, file + "\n" + lowest},
		"no word of it allows report alone": {config.MaxMode{}, file + "\n" + lowest + "\n" + guard + "\n" + nodes},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, modes)
			for range 2 { // the second time as it comes back from the ledger
				err, said := f.Within(c.most), ""
				var problems config.Problems
				if errors.As(err, &problems) {
					said = problems.Error()
				}
				if said != c.want || (err == nil) != (c.want == "") {
					t.Errorf("said   %v\nwanted %s", err, c.want)
				}
				stored, err := config.Encode(f)
				if err != nil {
					t.Fatal(err)
				}
				if f, err = config.Decode(stored); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestTheModeOfAClusterIsThatOfItsOverride(t *testing.T) {
	f := parse(t, modes)
	for name, want := range map[string][2]string{
		"lab-a": {config.Enforce, config.Enforce}, "dev-a": {config.Report, config.Report}, "prod-a": {config.Approve, config.Report}, "other": {config.Approve, config.Report},
	} {
		id := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: name}
		if got := [2]string{f.EncryptionModeFor(id), f.KeyGuardFor(id)}; got != want {
			t.Errorf("%s has the mode and the guard %q, want %q", name, got, want)
		}
	}
}

func TestAFileThatSaysNothingOnlyReports(t *testing.T) {
	f := config.Default()
	if mode, guard := f.EncryptionModeFor(fleet.ClusterID{}), f.KeyGuardFor(fleet.ClusterID{}); mode != config.Report || guard != config.Report {
		t.Errorf("the mode is %q and the guard %q", mode, guard)
	}
}

// Whatever is said, in whatever order, and with words that are no modes: what
// allows least decides.
func TestTheLowestModeIsNeverAboveAnyOfThem(t *testing.T) {
	rank := map[string]int{config.Report: 0, config.Approve: 1, config.Enforce: 2} // what is no mode counts as the first
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.SampledFrom(append([]string{"", "Enforce", "always"}, config.Modes...)), 1, 4).Draw(t, "said")
		want := 2
		for _, s := range said {
			want = min(want, rank[s])
		}
		if got := config.LowestMode(said...); config.Modes[want] != got {
			t.Errorf("of %q the lowest is %q, want %q", said, got, config.Modes[want])
		}
	})
}

func TestFault_08_TheWriterIsInThePartitionOfItsRegion(t *testing.T) {
	for want, target := range map[string]fleet.Target{
		"arn:aws:iam::111122223333:role/steward-encryption-writer":    {Account: "111122223333", Region: "eu-west-1", Role: "arn:aws:iam::111122223333:role/ops/reader"},
		"arn:aws-cn:iam::111122223333:role/steward-encryption-writer": {Account: "111122223333", Region: "cn-north-1", Role: "arn:aws-cn:iam::111122223333:role/steward-reader"},
		"": {Account: "111122223333", Region: "eu-west-1"}, // nothing is assumed there
	} {
		if got := config.EncryptionWriter(target); got != want {
			t.Errorf("%v: the writer is %q, want %q", target, got, want)
		}
		want = strings.Replace(want, "encryption", "rollout", 1)
		if got := config.RolloutWriter(target); got != want {
			t.Errorf("%v: the writer of nodegroups is %q, want %q", target, got, want)
		}
	}
}
