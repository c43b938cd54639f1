package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Quotas tell how many AWS allows.
type Quotas interface {
	Clusters(ctx context.Context, t fleet.Target) (int, error)   // of the region
	Nodegroups(ctx context.Context, t fleet.Target) (int, error) // managed ones of each cluster
}

// quota is the subject of what is told of one.
const quota = "quota"

// near is the share of a quota, in percent, from which it is said to be near: the
// one at which AWS Trusted Advisor turns yellow.
const near = 80

// judgeQuota is about what is used of a quota. It is for the reader's plans:
// eks-steward itself makes nothing.
func judgeQuota(t fleet.Target, who caller, what string, used, allowed int, err error) Examination {
	e := Examination{Subject: quota, Where: t.String(), Optional: true, Tried: "counted " + what}
	switch {
	case errors.Is(err, fleet.Denied):
		e.Seen = fmt.Sprintf("%d; how many may be: %s", used, sentence(err))
		e.Remedy = "allow " + fleet.TroubleOf(err).Action + " to " + who.principal() + " if you want to see, or have nodes renewed: a rollout reads it before it begins"
	case err != nil:
		e.Seen, e.Remedy = fmt.Sprintf("%d; how many may be: %s", used, sentence(err)), "examine again"
	case used >= allowed:
		e.Outcome, e.Seen = fleet.Fail, fmt.Sprintf("%d of %d: used up", used, allowed)
	case used*100 >= allowed*near:
		e.Outcome, e.Seen = fleet.Fail, fmt.Sprintf("%d of %d: near the limit", used, allowed)
	default:
		e.Outcome, e.Seen = fleet.Pass, fmt.Sprintf("%d of %d", used, allowed)
	}
	if e.Outcome == fleet.Fail {
		e.Remedy = "ask for more in Service Quotas before you need them, or delete what nobody uses"
	}
	return e
}
