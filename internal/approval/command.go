package approval

import (
	"errors"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/events"
)

// A Command is what a person wants of rollouts. Its fields are those of
// events.RolloutCommand, which says what they mean.
type Command struct {
	Verb     string   `json:"verb"`
	Rollout  string   `json:"rollout,omitempty"`
	Clusters []string `json:"clusters,omitempty"`
	Forced   []string `json:"forced,omitempty"`
	Skip     []string `json:"skip,omitempty"`
	Group    string   `json:"group,omitempty"`
	Why      string   `json:"why,omitempty"`
}

// ErrNoWhy says that a command has to be explained: others read it in the middle of
// a rollout that stands still, or renews nodes that are new.
var ErrNoWhy = errors.New("say why: whoever sees the rollout reads it")

// Event is the command as the function that carries rollouts out takes it.
func (c Command) Event(head events.Header, v Voice) *events.RolloutCommand {
	return &events.RolloutCommand{
		Header: head, Verb: c.Verb, Rollout: c.Rollout, Clusters: c.Clusters, Forced: c.Forced,
		Skip: c.Skip, Group: c.Group, Why: c.Why, By: v.By, Via: v.Via,
	}
}

// valid refuses what that function would refuse, and what is not explained.
func (c Command) valid() error {
	if c.Why == "" && (c.Verb == events.VerbPause || c.Verb == events.VerbAbort || len(c.Forced) > 0) {
		return ErrNoWhy
	}
	head := events.Header{ID: "command", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} // any: SQS says the one that counts
	_, err := events.Message(c.Event(head, Voice{By: "somebody", Via: events.ViaCommandLine}))
	if m := (*events.Malformed)(nil); errors.As(err, &m) {
		return errors.New("the command's " + strings.TrimPrefix(m.Where, "detail.") + " " + m.What)
	}
	return err
}
