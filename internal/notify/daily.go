package notify

import (
	"context"
	"errors"
	"strings"

	"github.com/eks-steward/eks-steward/internal/incident"
)

// daily posts the daily digests that are due. A day is noted only once its digest
// was taken, so that every later look tries again.
func (r *round) daily(ctx context.Context) error {
	var (
		now = r.Now() // midnight may pass meanwhile
		due []Route
	)
	for _, route := range r.Slack {
		day := route.digestDay(now, r.Rules.Location)
		if day == "" || r.report.SlackDown != "" {
			continue
		}
		last, err := r.Ledger.DigestDay(ctx, route.ID)
		if err != nil {
			return err
		}
		if last < day {
			due = append(due, route)
		}
	}
	if len(due) == 0 || r.left(ctx) < margin {
		return nil
	}
	open, err := r.open(ctx)
	partly := err != nil
	for _, route := range due {
		m := PlanDaily(open, route, r.Rules, now)
		if partly {
			m.Note = strings.TrimSpace("Not all incidents could be read: there may be more. " + m.Note)
		}
		err = errors.Join(err, r.postDaily(ctx, route, m, route.digestDay(now, r.Rules.Location)))
	}
	return err
}

// open reads all incidents that are open. Those that could be read are returned
// along with an error about the others.
func (r *round) open(ctx context.Context) (open []incident.Incident, err error) {
	found := make([][]incident.Incident, len(r.Targets))
	err = each(len(r.Targets), func(i int) (err error) {
		found[i], err = r.Ledger.OpenIncidents(ctx, r.Targets[i])
		return err
	})
	for _, incs := range found {
		open = append(open, incs...)
	}
	return open, err
}

// postDaily posts the digest of a day, or leaves it to a later look. One that was
// refused would be at every other look today: it counts as had, once SNS has what
// it left to this digest.
func (r *round) postDaily(ctx context.Context, route Route, m Message, day string) error {
	if len(m.Notices) > 0 {
		_, _, err := r.deliver(ctx, route, Delivery{Act: Post, Message: m})
		refused := (*Refused)(nil)
		switch {
		case err == nil:
		case !errors.As(err, &refused), !r.dailyToSNS(ctx, route, m, refused):
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recording)
	defer cancel()
	return r.Ledger.NoteDigest(ctx, route.ID, day)
}

// dailyToSNS publishes a digest that its place refused, if SNS left to it what is in
// there, and reports whether nothing of it is lost.
func (r *round) dailyToSNS(ctx context.Context, route Route, m Message, refused *Refused) bool {
	if !route.DigestOnly || r.SNS == nil || len(r.SNS.Behind) == 0 {
		return true
	}
	m.Note = strings.TrimSpace(refusal(route, refused) + " " + m.Note)
	if _, err := r.SNS.Channel.Post(ctx, m); err != nil {
		r.report.SNSFailed = err.Error()
		return false
	}
	r.report.Posted++
	return true
}
