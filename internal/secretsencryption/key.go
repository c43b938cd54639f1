package secretsencryption

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/keyguard"
)

// A Choice is the key that a plan is to name, and what was in the way of those
// listed before it.
type Choice struct {
	Key       fleet.Key // without an ARN when none can be used
	Obstacles []Obstacle
}

// An Obstacle is why a listed key cannot be used: one sentence that says what to
// do.
type Obstacle struct {
	Ref string // as the policy names it
	Why string
}

// Choose finds the first of the listed keys that can encrypt the secrets of a
// cluster of the target. A trouble that may pass is an error: the choice is for
// good, so that the second key must not be taken because the first was throttled.
func Choose(ctx context.Context, r Reader, t fleet.Target, refs []string, now time.Time) (Choice, error) {
	var c Choice
	for _, ref := range refs {
		k, err := read(ctx, r, t, ref, now)
		switch {
		case err == nil:
			c.Key = k
			return c, nil
		case !errors.As(err, new(unusable)):
			return Choice{}, fmt.Errorf("choose a key: %w", err)
		}
		c.Obstacles = append(c.Obstacles, Obstacle{Ref: ref, Why: err.Error()})
	}
	return c, nil
}

// unusable is why a key cannot be used, as one sentence for people.
type unusable string

func (u unusable) Error() string { return string(u) }

func unusablef(format string, values ...any) error { return unusable(fmt.Sprintf(format, values...)) }

// read reads a key that can be used. What is wrong with it is an unusable.
func read(ctx context.Context, r Reader, t fleet.Target, ref string, now time.Time) (fleet.Key, error) {
	// KMS knows the keys of its own region only, and calls all others not found.
	if err := inRegion(ref, t.Region); err != nil {
		return fleet.Key{}, err
	}
	k, err := r.Key(ctx, t, ref)
	switch {
	case errors.Is(err, fleet.Denied):
		return k, unusablef("The key %s cannot be read: allow %s on it to the role that reads the account, in the key's policy too if it is another account's (%s).", ref, fleet.TroubleOf(err).Action, bare(err))
	case errors.Is(err, fleet.Gone):
		return k, unusablef("There is no key %s in %s: correct the configuration or create the key.", ref, t)
	case errors.Is(err, fleet.Refused):
		return k, unusablef("The key %s cannot be told: %s; correct the configuration.", ref, bare(err))
	case err != nil:
		return k, fmt.Errorf("read key %s: %w", ref, err)
	}
	return k, Usable(k, t.Region, now)
}

// Usable says why a key cannot encrypt the secrets of a cluster in a region, as
// one sentence with what to do; nil when it can. EKS wants a symmetric key of the
// same region (EKS User Guide, Encrypt Kubernetes secrets with KMS on existing
// clusters). What KMS did not say is no permission.
func Usable(k fleet.Key, region string, now time.Time) error {
	if err := inRegion(k.ARN, region); err != nil {
		return err
	}
	for _, alias := range k.Aliases {
		if strings.HasPrefix(alias, "alias/aws/") {
			return unusablef("The key %s is managed by AWS as %s: name a key that you manage yourself.", k.ARN, alias)
		}
	}
	switch {
	case k.Usage == "GENERATE_VERIFY_MAC":
		return unusablef("The key %s makes message authentication codes and cannot encrypt: name a symmetric key for ENCRYPT_DECRYPT.", k.ARN)
	case k.Usage == "SIGN_VERIFY":
		return unusablef("The key %s signs and cannot encrypt: name a symmetric key for ENCRYPT_DECRYPT.", k.ARN)
	case k.Usage != "ENCRYPT_DECRYPT":
		return unusablef("The key %s is for %q, and encryption needs ENCRYPT_DECRYPT: name another key.", k.ARN, clip(k.Usage))
	case k.Spec != "SYMMETRIC_DEFAULT":
		return unusablef("The key %s is asymmetric or of an unknown kind (%q), and EKS needs a symmetric one: name a key with the spec SYMMETRIC_DEFAULT.", k.ARN, clip(k.Spec))
	}
	return works(k, now)
}

// works judges the state of a key. "Updating" is left out: the primary Region of
// a multi-Region key is being changed, and a plan can wait for the end of that.
func works(k fleet.Key, now time.Time) error {
	switch k.State {
	case "Enabled":
		return nil
	case "Disabled":
		return unusablef("The key %s is disabled: enable it with %s, or name another key.", k.ARN, keyguard.EnableKey.Command(k.ARN))
	case "PendingDeletion":
		return unusablef("The key %s is deleted %s: cancel that with %s and enable the key, or name another key.", k.ARN, keyguard.Until(k.Deletion, now), keyguard.CancelKeyDeletion.Command(k.ARN))
	case "PendingReplicaDeletion":
		return unusablef("The key %s is deleted as soon as its replicas are: cancel that with %s and enable the key, or name another key.", k.ARN, keyguard.CancelKeyDeletion.Command(k.ARN))
	case "PendingImport":
		return unusablef("The key %s has no material yet: import it, or name another key.", k.ARN)
	case "Unavailable":
		return unusablef("The key %s is in a key store that is not connected: connect it, or name another key.", k.ARN)
	}
	return unusablef("KMS gives the state of the key %s as %q, and only an enabled key can be associated: look at the key, or name another one.", k.ARN, clip(k.State))
}

// inRegion refuses an ARN of another region. The replicas of a multi-Region key
// have its id, so that the one to name instead can be told.
func inRegion(ref, region string) error {
	a, ok := parseARN(ref)
	switch {
	case !ok || a.region == region:
		return nil
	case strings.HasPrefix(a.resource, "key/mrk-"):
		there := a
		there.region = region
		return unusablef("The key %s is in %s and the cluster is in %s: name its replica there, %s, and create that first if there is none.", ref, a.region, region, there)
	}
	return unusablef("The key %s is in %s and the cluster is in %s: name a key of %[3]s.", ref, a.region, region)
}

// keyARN is the ARN of a key, or of an alias.
type keyARN struct{ partition, region, account, resource string }

func parseARN(s string) (keyARN, bool) {
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" {
		return keyARN{}, false
	}
	return keyARN{partition: part[1], region: part[3], account: part[4], resource: part[5]}, true
}

func (a keyARN) String() string {
	return strings.Join([]string{"arn", a.partition, "kms", a.region, a.account, a.resource}, ":")
}

// bare is what a service said, without a full stop.
func bare(err error) string { return strings.TrimRight(clip(err.Error()), ". ") }

// clip bounds what a text from elsewhere can add to a finding.
func clip(s string) string { return fleet.Clip(s, 400) }
