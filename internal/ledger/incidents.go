package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
)

// The queues of incidents. Which one an incident stands in follows from its body
// on every write, so that neither can be forgotten.
const (
	outbox = "outbox" // the bus has not heard of its newest revision
	untold = "untold" // the bus has, but people may not have, or not all that is due by now
)

// remembered is how long an incident that is over and told stays readable.
const remembered = 90 * 24 * time.Hour

// Observe applies a finding to the incident it belongs to and returns what that
// did. Quiet wrote nothing: there was no trouble, or the numbers are what they
// were a short while ago. A transition that is lost to the caller, because a race
// was lost or the process died, is not lost to the outbox.
func (l *Ledger) Observe(ctx context.Context, f fleet.Finding) (incident.Incident, incident.Transition, error) {
	id := incident.ID(f)
	key, err := findingKey(f)
	if err != nil {
		return incident.Incident{}, incident.Quiet, err
	}
	var (
		now        = l.now()
		seen       incident.Incident
		transition incident.Transition
	)
	err = revise(ctx, l, key, placeIncident, func(known *incident.Incident) (*incident.Incident, error) {
		next, t := incident.Next(known, f, now)
		if t == incident.Refreshed && sameNumbers(known.Finding, next.Finding) {
			next, t = known.Again(f.At)
		}
		seen, transition = next, t
		if t == incident.Quiet {
			return known, nil
		}
		return &next, nil
	})
	if err != nil {
		return incident.Incident{}, incident.Quiet, fmt.Errorf("observe incident %s: %w", id, err)
	}
	return seen, transition, nil
}

// Incident reads one incident, or ErrAbsent.
func (l *Ledger) Incident(ctx context.Context, id string) (incident.Incident, error) {
	key, err := incidentKey(id)
	if err != nil {
		return incident.Incident{}, err
	}
	i, _, err := read[incident.Incident](ctx, l, key)
	if err == nil && i == nil {
		err = ErrAbsent
	}
	if err != nil {
		return incident.Incident{}, fmt.Errorf("read incident %s: %w", id, err)
	}
	return *i, nil
}

// OpenIncidents lists the open incidents of a target, of all checks. Those that
// could be read are returned along with an error about the others.
func (l *Ledger) OpenIncidents(ctx context.Context, t fleet.Target) ([]incident.Incident, error) {
	all, err := documents[incident.Incident](l, l.store.Range(ctx, incidentPartition(t.Account, t.Region), ""))
	if err != nil {
		err = fmt.Errorf("read incidents of %s: %w", t, err)
	}
	var open []incident.Incident
	for _, i := range all {
		if i.State == incident.Open {
			open = append(open, i)
		}
	}
	return open, err
}

// Unpublished lists the incidents whose newest revision the bus has not heard
// of, the oldest change first. Those that could be read are returned along with
// an error about the others.
func (l *Ledger) Unpublished(ctx context.Context) ([]incident.Incident, error) {
	return l.waiting(ctx, outbox)
}

// Untold lists the published incidents that somebody may have to hear of by now,
// the longest due first. Those that could be read are returned along with an
// error about the others.
func (l *Ledger) Untold(ctx context.Context) ([]incident.Incident, error) {
	return l.waiting(ctx, untold)
}

func (l *Ledger) waiting(ctx context.Context, queue string) ([]incident.Incident, error) {
	waiting, err := documents[incident.Incident](l, l.store.Due(ctx, queue, l.now()))
	if err != nil {
		err = fmt.Errorf("read incidents in queue %s: %w", queue, err)
	}
	return waiting, err
}

// Published records that the bus has heard of the incident up to revision.
func (l *Ledger) Published(ctx context.Context, id string, revision int) error {
	return l.reviseIncident(ctx, id, revision, func(i *incident.Incident) bool {
		if i.Published >= revision {
			return false
		}
		i.Published = revision
		return true
	})
}

// Told records what a route has heard of the incident. A delivery that arrives
// after a newer one changes nothing.
func (l *Ledger) Told(ctx context.Context, id, route string, told incident.Told) error {
	return l.reviseIncident(ctx, id, told.Revision, func(i *incident.Incident) bool {
		last, heard := i.Told[route]
		if heard && !newer(told, last) {
			return false
		}
		if i.Told == nil {
			i.Told = map[string]incident.Told{}
		}
		i.Told[route] = told
		return true
	})
}

// newer reports whether a delivery came after last: it is about a later revision,
// or the same one was said again, such as in a reminder.
func newer(told, last incident.Told) bool {
	if told.Revision != last.Revision {
		return told.Revision > last.Revision
	}
	return latest(told.At, told.Updated, told.Reminded).After(latest(last.At, last.Updated, last.Reminded))
}

// Settle records that every route has heard what it has to hear of the incident as
// it was read, and when to look at it again; a zero look is never. What moved since
// it was read is not settled: a new revision is still to be told, and numbers that
// came meanwhile keep their own time to look.
func (l *Ledger) Settle(ctx context.Context, read incident.Incident, look time.Time) error {
	return l.reviseIncident(ctx, read.ID(), read.Revision, func(i *incident.Incident) bool {
		next := look
		if !i.Finding.At.Equal(read.Finding.At) && !i.Look.IsZero() && (look.IsZero() || i.Look.Before(look)) {
			next = i.Look
		}
		if i.Settled > read.Revision || i.Settled == read.Revision && i.Look.Equal(next) {
			return false
		}
		i.Settled, i.Look = read.Revision, next
		return true
	})
}

// reviseIncident changes an incident about one of its revisions; change reports
// whether there was anything to do. A revision that the incident has not reached
// is refused: to note it as done would keep people from hearing of it.
func (l *Ledger) reviseIncident(ctx context.Context, id string, revision int, change func(*incident.Incident) bool) error {
	key, err := incidentKey(id)
	if err != nil {
		return err
	}
	err = revise(ctx, l, key, placeIncident, func(known *incident.Incident) (*incident.Incident, error) {
		if known == nil {
			return nil, ErrAbsent
		}
		if revision > known.Revision {
			return nil, fmt.Errorf("revision %d is newer than %d, the newest there is", revision, known.Revision)
		}
		next := *known
		next.Told = maps.Clone(known.Told)
		if !change(&next) {
			return known, nil
		}
		return &next, nil
	})
	if err != nil {
		return fmt.Errorf("update incident %s: %w", id, err)
	}
	return nil
}

// placeIncident derives the queue and the expiry of an incident.
func placeIncident(i incident.Incident) Record {
	switch {
	case i.Published < i.Revision:
		return Record{Queue: outbox, Due: i.Changed}
	case i.Settled < i.Revision:
		return Record{Queue: untold, Due: i.Changed}
	case !i.Look.IsZero():
		return Record{Queue: untold, Due: i.Look}
	case i.State == incident.Resolved:
		return Record{Expires: i.Changed.Add(remembered)}
	}
	return Record{}
}

// sameNumbers reports whether two findings differ in nothing but the time at
// which the state was read. It compares what would be stored, where an empty
// list of facts is none.
func sameNumbers(a, b fleet.Finding) bool {
	a.At, b.At = time.Time{}, time.Time{}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func incidentPartition(account, region string) string { return "incident#" + account + "/" + region }

// findingKey is where the incident of a finding lies. A cluster or a check whose
// name holds the separator would share the id of another incident.
func findingKey(f fleet.Finding) (Key, error) {
	if strings.Contains(f.Cluster.Name, "/") || strings.Contains(f.Check, "/") {
		return Key{}, fmt.Errorf("finding of check %q about cluster %q: neither name may hold a slash", f.Check, f.Cluster.Name)
	}
	return incidentKey(incident.ID(f))
}

// incidentKey is the inverse of incident.ID, as far as a key needs it:
// account/region/cluster/check/resource, where the cluster of a finding about
// the target itself and the resource may be empty, and the resource may hold
// slashes.
func incidentKey(id string) (Key, error) {
	parts := strings.SplitN(id, "/", 5)
	if len(parts) < 5 || parts[3] == "" {
		return Key{}, fmt.Errorf("%q is not the id of an incident: want account/region/cluster/check/resource", id)
	}
	account, region, cluster := parts[0], parts[1], parts[2]
	err := errors.Join(fleet.ValidAccount(account), fleet.ValidRegion(region))
	if cluster != "" {
		err = errors.Join(err, fleet.ValidClusterName(cluster))
	}
	if err != nil {
		return Key{}, fmt.Errorf("%q is not the id of an incident: %w", id, err)
	}
	return Key{Partition: incidentPartition(account, region), Sort: strings.Join(parts[2:], "/")}, nil
}
