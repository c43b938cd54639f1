package keyguard

import (
	"cmp"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// An Undo is a call of KMS that takes back what was done to a key.
type Undo string

// The undos. They follow each other: a key whose deletion was cancelled is
// disabled (KMS API, CancelKeyDeletion).
const (
	CancelKeyDeletion Undo = "CancelKeyDeletion"
	EnableKey         Undo = "EnableKey"
)

// Undos are the calls that make a key work again, in order; none where it works or
// where no call does.
func Undos(k fleet.Key) []Undo {
	switch k.State {
	case "PendingDeletion", "PendingReplicaDeletion":
		return []Undo{CancelKeyDeletion, EnableKey}
	case "Disabled":
		return []Undo{EnableKey}
	}
	return nil
}

// Command is the undo of a key for the AWS CLI.
func (u Undo) Command(key string) string { return u.verb() + Flags(key) }

func (u Undo) verb() string {
	return map[Undo]string{CancelKeyDeletion: "aws kms cancel-key-deletion ", EnableKey: "aws kms enable-key "}[u]
}

// undoing is the remedy for a key that is like k.
func (u Use) undoing(k fleet.Key) string {
	words := map[Undo]string{CancelKeyDeletion: "Cancel the deletion, which leaves the key disabled: ", EnableKey: "Enable the key: "}
	var steps []string
	for _, undo := range Undos(k) {
		steps = append(steps, words[undo]+undo.verb()+u.flags()+".")
	}
	return fleet.Steps(append(steps, "Find out in CloudTrail who did it, and why.")...)
}

// Until says when something happens that is only known by its date, such as "in 6
// days".
func Until(at, now time.Time) string {
	days := int(at.Sub(now).Hours()) / 24
	switch {
	case at.IsZero():
		return "soon"
	case !at.After(now):
		return "any moment"
	case days == 0:
		return "within a day"
	}
	return "in " + fleet.Count(days, "day")
}

// Flags name a key to the AWS CLI by its ARN.
func Flags(key string) string { return "--region " + region(key) + " --key-id " + key }

// key names the key in a command: by its own ARN where it is known, as most calls
// take no alias.
func (u Use) key() string { return cmp.Or(u.Key.Value.ARN, u.ARN) }

func (u Use) flags() string {
	if u.key() == "" {
		return "--region " + u.region() + " --key-id ARN OF THE KEY"
	}
	return Flags(u.key())
}

// region is where the key is asked: its own, else the cluster's.
func (u Use) region() string { return cmp.Or(region(u.key()), u.Cluster.Region) }

func region(arn string) string {
	part := strings.Split(arn, ":")
	if len(part) < 6 {
		return ""
	}
	return part[3]
}
