package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// keyUse says which key encrypts the secrets of a cluster.
type keyUse struct {
	Cluster fleet.ClusterID `json:"cluster"`
	Key     string          `json:"key"` // ARN
}

// keyUses is one partition: an event about a key names neither the account of the
// clusters that use it nor, for a multi-Region key, their region. It holds some
// 200 bytes for each cluster, so that thousands are one page of a query.
const keyUses = "key-use"

// NoteKeyUse sets down which key a cluster uses, by ARN; none removes what is
// known. The same key again is not written.
func (l *Ledger) NoteKeyUse(ctx context.Context, c fleet.ClusterID, key string) error {
	use := keyUse{Cluster: c, Key: key}
	err := revise(ctx, l, Key{Partition: keyUses, Sort: c.String()}, unplaced, func(known *keyUse) (*keyUse, error) {
		switch {
		case key == "":
			return nil, nil // the use is to go
		case known != nil && *known == use:
			return known, nil
		}
		return &use, nil
	})
	if err != nil {
		return fmt.Errorf("note the key of %s: %w", c, err)
	}
	return nil
}

// KeyUsers lists the clusters that use a key, in their order. The replicas of a
// multi-Region key count as one key: what happens to the primary ends with them.
// Those that could be read are returned along with an error about the others.
func (l *Ledger) KeyUsers(ctx context.Context, key string) ([]fleet.ClusterID, error) {
	uses, err := l.keyUses(ctx)
	var users []fleet.ClusterID
	for _, u := range uses {
		if sameKey(u.Key, key) {
			users = append(users, u.Cluster)
		}
	}
	return users, err
}

// KeysInUse lists the ARNs of the keys of an account and region that any cluster
// uses, sorted. Those that could be read are returned along with an error about
// the others.
func (l *Ledger) KeysInUse(ctx context.Context, account, region string) ([]string, error) {
	uses, err := l.keyUses(ctx)
	var keys []string
	for _, u := range uses {
		if strings.Contains(u.Key, ":kms:"+region+":"+account+":key/") {
			keys = append(keys, u.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), err
}

func (l *Ledger) keyUses(ctx context.Context) ([]keyUse, error) {
	uses, err := documents[keyUse](l, l.store.Range(ctx, keyUses, ""))
	if err != nil {
		err = fmt.Errorf("read which keys are used: %w", err)
	}
	return uses, err
}

// sameKey compares the ARNs of keys. Those of a multi-Region key differ in the
// region alone, and their id begins with mrk-:
// https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
func sameKey(a, b string) bool {
	if a == b {
		return true
	}
	x, y := strings.Split(a, ":"), strings.Split(b, ":")
	const region, account, id, parts = 3, 4, 5, 6
	return len(x) == parts && len(y) == parts && strings.HasPrefix(x[id], "key/mrk-") && x[id] == y[id] && x[account] == y[account]
}
