package config

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// ReaderRole is the role that the deployment creates in every watched account.
const ReaderRole = "steward-reader"

// EncryptionWriterRole is the role that puts keys on clusters. The deployment
// creates it in the watched accounts only where maxMode allows more than Report.
const EncryptionWriterRole = "steward-encryption-writer"

// EncryptionWriter is the role to assume in a target in order to put a key on one
// of its clusters; empty where nothing is assumed. It has its own name and never
// the target's, which only reads.
func EncryptionWriter(t fleet.Target) string {
	if t.Role == "" {
		return ""
	}
	return roleARN(t.Account, t.Region, EncryptionWriterRole)
}

// RolloutWriterRole is the role that renews the nodes of nodegroups. The
// deployment creates it in the watched accounts only where maxMode allows more
// than Report.
const RolloutWriterRole = "steward-rollout-writer"

// RolloutWriter is the role to assume in a target in order to update one of its
// nodegroups; empty where nothing is assumed.
func RolloutWriter(t fleet.Target) string {
	if t.Role == "" {
		return ""
	}
	return roleARN(t.Account, t.Region, RolloutWriterRole)
}

// Targets are all accounts and regions of the file, in its order, with the role
// to assume; it is empty for the function's own credentials.
func (f *File) Targets() []fleet.Target {
	var targets []fleet.Target
	for _, a := range f.Accounts {
		for _, region := range a.Regions {
			targets = append(targets, a.target(region))
		}
	}
	return targets
}

func (a Account) target(region string) fleet.Target {
	return fleet.Target{Account: a.Account, Region: region, Role: a.roleIn(region)}
}

func (a Account) roleIn(region string) string {
	switch a.Role {
	case OwnCredentials:
		return ""
	case "":
		return roleARN(a.Account, region, ReaderRole)
	}
	return a.Role
}

func roleARN(account, region, name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", Partition(region), account, name)
}

// Partition is the AWS partition that a region belongs to, by the prefixes that
// the AWS SDKs use; a region of no known prefix is in aws.
func Partition(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// EtcdSizeFor are the thresholds that hold for a cluster. Without a name they
// are those of its account and region as a whole.
func (f *File) EtcdSizeFor(c fleet.ClusterID) EtcdSize {
	o, _ := f.rules(c)
	if c.Name != "" {
		o.EtcdSize = o.EtcdSize.readAs(f.EtcdSizeFor(fleet.ClusterID{Account: c.Account, Region: c.Region}))
	}
	return o.EtcdSize
}

// VersionSupportFor are the rules of version-support that hold for a cluster.
func (f *File) VersionSupportFor(c fleet.ClusterID) VersionSupport {
	o, _ := f.rules(c)
	return o.VersionSupport
}

// SecretsEncryptionFor are the rules of encryption-state that hold for a cluster.
func (f *File) SecretsEncryptionFor(c fleet.ClusterID) RequiredKey {
	o, _ := f.rules(c)
	return RequiredKey{Require: o.SecretsEncryption.Require, Keys: o.SecretsEncryption.Keys}
}

// EncryptionModeFor is how far the file lets eks-steward go with the secrets of a
// cluster: Report, Approve or Enforce. The deployment and the cluster's tag may
// hold it lower.
func (f *File) EncryptionModeFor(c fleet.ClusterID) string {
	o, _ := f.rules(c)
	return o.SecretsEncryption.Mode
}

// KeyGuardFor is how far the file lets eks-steward go with the key that a cluster
// uses: Report or Enforce.
func (f *File) KeyGuardFor(c fleet.ClusterID) string {
	o, _ := f.rules(c)
	return o.SecretsEncryption.KeyGuard
}

// NodegroupRolloutFor is what the file says about new nodes for a cluster. The
// deployment and the cluster's tag may hold the mode lower.
func (f *File) NodegroupRolloutFor(c fleet.ClusterID) NodegroupRollout {
	o, _ := f.rules(c)
	return o.NodegroupRollout
}

// readAs takes over what holds for a whole target (Key.PerTarget).
func (s EtcdSize) readAs(target EtcdSize) EtcdSize {
	s.StandardLimitGB, s.History = target.StandardLimitGB, target.History
	return s
}

// rules are the first override that matches, and its path; else the file's own.
func (f *File) rules(c fleet.ClusterID) (Override, string) {
	for i, o := range f.Overrides {
		if o.Match.Matches(c) {
			return o, fmt.Sprintf("overrides[%d]", i)
		}
	}
	return f.unmatched(), ""
}

// Matches tells whether a cluster is among those that are selected.
func (m Match) Matches(c fleet.ClusterID) bool {
	named := func(pattern string) bool {
		ok, err := path.Match(pattern, c.Name)
		return err == nil && ok && c.Name != ""
	}
	return (m.Accounts == nil || slices.Contains(m.Accounts, c.Account)) &&
		(m.Regions == nil || slices.Contains(m.Regions, c.Region)) &&
		(m.Names == nil || slices.ContainsFunc(m.Names, named))
}

// Explained is one effective value and where it comes from.
type Explained struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	From  string `json:"from"` // default, file:line, or the override at file:line
}

// Explain lists the values that hold for a cluster, in the order of the file.
func (f *File) Explain(c fleet.ClusterID) []Explained {
	effective := *f
	rules, override := f.rules(c)
	effective.EtcdSize, effective.VersionSupport = f.EtcdSizeFor(c), rules.VersionSupport
	effective.SecretsEncryption, effective.NodegroupRollout = rules.SecretsEncryption, rules.NodegroupRollout
	_, ofTarget := f.rules(fleet.ClusterID{Account: c.Account, Region: c.Region})
	var all []Explained
	v := reflect.ValueOf(effective)
	for i := range v.NumField() {
		section := v.Type().Field(i).Tag.Get("json")
		if v.Field(i).Kind() != reflect.Struct {
			continue
		}
		for j, name := range names(v.Field(i).Type()) {
			at, by := join(section, name), override
			if key, _ := KeyOf(at); key.PerTarget {
				by = ofTarget
			}
			all = append(all, Explained{Path: at, Value: written(v.Field(i).Field(j)), From: f.from(at, by)})
		}
	}
	return all
}

// from says where the value at path comes from when an override applies.
func (f *File) from(path, override string) string {
	if line, ok := f.lines[join(override, path)]; ok && override != "" {
		return fmt.Sprintf("%s at %s:%d", override, f.name, line)
	}
	if line, ok := f.lines[path]; ok {
		return fmt.Sprintf("%s:%d", f.name, line)
	}
	return "default"
}

// written is a value as the file would have it.
func written(v reflect.Value) string {
	if d, ok := v.Interface().(time.Duration); ok {
		return Brief(d)
	}
	var items []string
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			items = append(items, written(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Struct:
		for i, name := range names(v.Type()) {
			if !empty(v.Field(i)) {
				items = append(items, name+": "+written(v.Field(i)))
			}
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// Brief is a duration as the file has it: 20m instead of the 20m0s of time.Duration.
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
