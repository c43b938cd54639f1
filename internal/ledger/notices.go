package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// notice is what AWS Health announced about one cluster.
type notice struct {
	Cluster string       `json:"cluster"`
	Notice  fleet.Notice `json:"notice"`
	Until   time.Time    `json:"until"`
}

// announced is how long a notice stays after it begins, ends or last changed,
// whichever is the latest: long enough for somebody who asks what happened.
const announced = 30 * 24 * time.Hour

// Announce sets down what AWS Health says of a cluster, in place of what it said
// in the same event before.
func (l *Ledger) Announce(ctx context.Context, c fleet.ClusterID, n fleet.Notice) error {
	doc := notice{Cluster: c.Name, Notice: n, Until: latest(l.now(), n.Start, n.End).Add(announced)}
	err := revise(ctx, l, noticeKey(c, n.ID), placeNotice, func(known *notice) (*notice, error) {
		if known != nil && known.Notice == n {
			return known, nil
		}
		return &doc, nil
	})
	if err != nil {
		return fmt.Errorf("set down notice %s about %s: %w", n.ID, c, err)
	}
	return nil
}

// Withdraw drops a notice; one that is gone already is no error.
func (l *Ledger) Withdraw(ctx context.Context, c fleet.ClusterID, id string) error {
	err := revise(ctx, l, noticeKey(c, id), placeNotice, func(*notice) (*notice, error) {
		return nil, nil // the notice is to go
	})
	if err != nil {
		return fmt.Errorf("withdraw notice %s about %s: %w", id, c, err)
	}
	return nil
}

// Notices lists what AWS Health has announced about the clusters of a target, by
// cluster. Those that could be read are returned along with an error about the
// others.
func (l *Ledger) Notices(ctx context.Context, t fleet.Target) (map[string][]fleet.Notice, error) {
	all, err := documents[notice](l, l.store.Range(ctx, noticePartition(t.Account, t.Region), ""))
	if err != nil {
		err = fmt.Errorf("read notices about %s: %w", t, err)
	}
	by := map[string][]fleet.Notice{}
	for _, n := range all {
		by[n.Cluster] = append(by[n.Cluster], n.Notice)
	}
	return by, err
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func noticePartition(account, region string) string { return "notice#" + account + "/" + region }

// noticeKey orders by cluster: its name holds no slash, the event's ARN does.
func noticeKey(c fleet.ClusterID, id string) Key {
	return Key{Partition: noticePartition(c.Account, c.Region), Sort: c.Name + "/" + id}
}

func placeNotice(n notice) Record { return Record{Expires: n.Until} }
