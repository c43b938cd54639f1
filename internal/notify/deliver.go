package notify

import (
	"context"
	"errors"
	"time"

	"github.com/eks-steward/eks-steward/internal/incident"
)

// deliver does what a delivery says, and reports how it went. A message that was
// to be changed and is gone is put up anew; the delivery that is returned says so.
// While Slack is down nothing is tried: to ask again would take as long for the
// same.
func (r *round) deliver(ctx context.Context, route Route, d Delivery) (Delivery, Receipt, error) {
	if r.report.SlackDown != "" {
		return d, "", &Down{Err: errors.New("it did not answer before")}
	}
	err := r.edit(ctx, route, d)
	var receipt Receipt
	if lost := (*Lost)(nil); d.Act == Post || errors.As(err, &lost) {
		d.Act = Post
		err = r.call(ctx, route.ID, func(ctx context.Context) (err error) {
			receipt, err = route.Channel.Post(ctx, d.Message)
			return err
		})
	}
	r.report.note(route.ID, err)
	return d, receipt, err
}

// edit changes a message and answers in its thread, as the act wants it.
func (r *round) edit(ctx context.Context, route Route, d Delivery) error {
	editor, ok := route.Channel.(Editor)
	if !ok || d.Act == Post {
		return nil
	}
	earlier := Receipt(d.Message.Notices[0].Before.Receipt)
	if d.Act != Reply {
		err := r.call(ctx, route.ID, func(ctx context.Context) error { return editor.Update(ctx, earlier, d.Message) })
		if err != nil || d.Act == Refresh {
			return err
		}
	}
	return r.call(ctx, route.ID, func(ctx context.Context) error { return editor.Reply(ctx, earlier, d.Message) })
}

// after is what a route has heard of a notice once it was delivered. A message
// that says something in its thread only is behind, and has no hash.
func after(n Notice, act Act, receipt Receipt, now time.Time) incident.Told {
	told, inc := n.Before, n.Incident
	told.Revision, told.State, told.Fingerprint = inc.Revision, inc.State, inc.Fingerprint()
	switch act {
	case Post:
		told.Receipt, told.Hash, told.Updated = string(receipt), "", now
		if receipt != "" {
			told.Hash = hash(inc)
		}
	case Revise, Refresh:
		told.Hash, told.Updated = hash(inc), now
	}
	switch {
	case n.Kind == Reminder:
		told.Reminded = now
	case act != Refresh:
		told.At, told.Severity, told.Reminded = now, n.Severity(), time.Time{}
		if act == Reply {
			told.Hash = ""
		}
	}
	return told
}

// tries is how often Slack is asked to take one message while it is down.
const tries = 3

// call calls a place in Slack at its pace, and waits where that may help and there
// is time: as long as a 429 says, a little longer each time when it does not answer.
func (r *round) call(ctx context.Context, route string, do func(context.Context) error) error {
	backoff := interval
	for try := 1; ; try++ {
		if err := r.pace(ctx, route); err != nil {
			return &Down{Err: err}
		}
		left := r.left(ctx) - margin
		if left <= 0 {
			return &Busy{After: interval}
		}
		err := r.callOnce(ctx, route, do, left)
		var (
			busy    *Busy
			refused *Refused
			lost    *Lost
			wait    = backoff
		)
		switch {
		case err == nil, errors.As(err, &refused), errors.As(err, &lost):
			return err
		case errors.As(err, &busy):
			wait = max(busy.After, interval)
			try-- // Slack answers: only time limits how often it may say "later"
		case try == tries:
			return err
		default:
			backoff *= 2
		}
		if wait >= r.left(ctx)-margin || r.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

func (r *round) callOnce(ctx context.Context, route string, do func(context.Context) error, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	defer func() { r.touched[route] = r.Now() }()
	return do(ctx)
}

// pace waits until a place in Slack may be called again, by this holder of the
// lease or by the next.
func (r *round) pace(ctx context.Context, route string) error {
	last, ok := r.touched[route]
	if !ok {
		return nil
	}
	if wait := interval - r.Now().Sub(last); wait > 0 {
		return r.Sleep(ctx, wait)
	}
	return nil
}
