package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// spoken is a word of the queue with what SQS says about it.
type spoken struct {
	events.Header
	approval.Word
	sender string
	again  bool // SQS brought it before
}

// Decode reads a message of the queue.
func Decode(m awsevents.SQSMessage) (events.Event, error) {
	word, err := approval.Parse([]byte(m.Body))
	if err != nil {
		return nil, err
	}
	s := &spoken{Word: word, sender: m.Attributes["SenderId"]}
	s.ID = m.MessageId
	if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
		s.Time = time.UnixMilli(ms).UTC()
	}
	received, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	s.again = err == nil && received > 1
	return s, nil
}

// Handle grants the approval that a word gives, or passes on what somebody wants of
// a rollout, and so wakes the function that carries it out. A word that does not
// count ends here: saying it again changes nothing.
func (h *Handler) Handle(ctx context.Context, e events.Event) ([]slog.Attr, error) {
	s, ok := e.(*spoken)
	if !ok {
		return nil, fmt.Errorf("approve has no use for a %T: only approvals and commands belong into its queue", e)
	}
	attrs := []slog.Attr{slog.String("sender", s.sender)}
	if s.Rollout == nil {
		attrs = append(attrs, slog.String("plan", s.Plan))
	} else {
		attrs = append(attrs, slog.String("verb", s.Rollout.Verb))
	}
	self, err := h.Self(ctx)
	if err != nil {
		return attrs, fmt.Errorf("ask AWS who this function is: %w", err)
	}
	voice, err := s.Voice(s.sender, self)
	if err != nil {
		return attrs, refuse(err.Error())
	}
	attrs = append(attrs, slog.String("by", voice.By), slog.String("via", voice.Via))
	if s.Rollout != nil {
		return attrs, h.pass(ctx, s, voice)
	}
	granted, err := h.grant(ctx, s, voice)
	if why := reason(granted, err); why != "" {
		return append(attrs, h.reply(ctx, s, "Not approved: "+why+".", false)...), refuse(why)
	}
	if err != nil {
		return attrs, err
	}
	attrs = append(attrs, slog.String("granted", granted.Plan))
	if err := h.wake(ctx, granted); err != nil {
		return attrs, err
	}
	text := fmt.Sprintf("Approved by %s: %s Plan %s is carried out now, if nothing has changed since.", granted.By, granted.Text, approval.Short(granted.Plan))
	return append(attrs, h.reply(ctx, s, text, true)...), nil
}

// grant notes the approval. One that this very message has granted before, by a
// run that ended too early, counts as granted now: the function that it should
// have woken may not have heard.
func (h *Handler) grant(ctx context.Context, s *spoken, v approval.Voice) (ledger.Approval, error) {
	plan, err := h.Ledger.ResolvePlan(ctx, s.Plan)
	if err != nil {
		return ledger.Approval{}, err
	}
	a, err := h.Ledger.Grant(ctx, plan, v.Nonce, v.By, v.Via)
	mine := a.State == ledger.Approved && a.By == v.By && a.Via == v.Via
	if errors.Is(err, ledger.ErrDecided) && s.again && mine {
		return a, nil
	}
	return a, err
}

// reason says why an approval is refused for good, and is empty when it is not.
func reason(a ledger.Approval, err error) string {
	switch {
	case errors.Is(err, ledger.ErrAbsent):
		return "no plan of this name waits for approval: the state that it was made from has changed, or it is long over"
	case errors.Is(err, ledger.ErrWrongNonce):
		return "this button is not the one of the plan's last message: use the newest message"
	case errors.Is(err, ledger.ErrDecided) && a.State == ledger.Voided:
		return "the plan is void (" + a.Why + "): wait for the message with the new one"
	case errors.Is(err, ledger.ErrDecided):
		return fmt.Sprintf("%s has approved the plan already, at %s", a.By, a.Decided.UTC().Format(time.RFC3339))
	case errors.Is(err, ledger.ErrExpired):
		return "the plan could be approved until " + a.Expires.UTC().Format(time.RFC3339) + ": wait for the message with the new one"
	}
	return ""
}

// refuse ends a message: it is neither brought again nor a failure.
func refuse(why string) error { return &events.Ignored{Reason: "refused: " + why} }

// reply answers a user of Slack; there is no way to answer a person who sent a
// message to a queue.
func (h *Handler) reply(ctx context.Context, s *spoken, text string, everybody bool) []slog.Attr {
	if s.Slack == nil {
		return nil
	}
	return h.tell(ctx, s.Slack.Reply, text, everybody)
}

// wake tells the function of the plan's capability that it may look again.
func (h *Handler) wake(ctx context.Context, a ledger.Approval) error {
	queue := h.Orders[a.Capability]
	if queue == nil {
		return fmt.Errorf("plan %s is one of %q, which this deployment does not carry out: deploy all functions in one version", a.Plan, a.Capability)
	}
	message, err := events.Message(&events.PlanApproved{
		Header: events.Header{ID: "approved/" + a.Plan + "/" + a.Decided.UTC().Format(time.RFC3339Nano), Account: a.Cluster.Account, Region: a.Cluster.Region, Time: h.Now()},
		Plan:   a.Plan, Capability: a.Capability, Cluster: a.Cluster, By: a.By, Via: a.Via,
	})
	if err != nil {
		return fmt.Errorf("encode the approval of plan %s: %w", a.Plan, err)
	}
	return queue.Send(ctx, message)
}

// pass gives what somebody wants of a rollout to the function that carries it out.
func (h *Handler) pass(ctx context.Context, s *spoken, v approval.Voice) error {
	queue := h.Orders[rollout.Check]
	if queue == nil {
		return refuse("this deployment carries no rollouts out: deploy it with maxMode.nodegroupRollout approve or enforce")
	}
	head := s.Header
	head.ID = "command/" + s.ID
	message, err := events.Message(s.Rollout.Event(head, v))
	if err != nil {
		return fmt.Errorf("encode the command to %s: %w", s.Rollout.Verb, err)
	}
	return queue.Send(ctx, message)
}
