package handler_test

import (
	"errors"
	"testing"

	"github.com/eks-steward/eks-steward/events"
)

const pauseWord = `{"rollout":{"verb":"pause","why":"the sale begins"}}`

func TestACommandOfAPersonReachesTheFunctionThatCarriesRolloutsOut(t *testing.T) {
	b := newBench(t)
	rollouts := &line{}
	b.Orders["nodegroup-rollout"] = rollouts
	if b.deliver(person, pauseWord, 1) {
		t.Fatalf("SQS has to bring it again: %s", b.log.String())
	}
	if len(rollouts.messages) != 1 || len(b.orders.messages) != 0 {
		t.Fatalf("sent %q and %q", rollouts.messages, b.orders.messages)
	}
	e, err := events.Decode(rollouts.messages[0])
	c, ok := e.(*events.RolloutCommand)
	if err != nil || !ok || c.ID != "command/m1" || !c.Time.Equal(b.now) || c.Verb != events.VerbPause || c.Why != "the sale begins" || c.By != person || c.Via != events.ViaCommandLine {
		t.Errorf("the command is %s: %v", rollouts.messages[0], err)
	}
}

func TestFault_57_ACommandThatDoesNotCountIsRefusedAndLogged(t *testing.T) {
	for name, tt := range map[string]struct {
		sender, why string
		without     bool // the deployment carries no rollouts out
	}{
		"a sender that SQS does not name":  {"", "SQS does not say", false},
		"the function itself":              {self, "itself cannot", false},
		"a deployment that renews nothing": {person, "maxMode.nodegroupRollout", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			rollouts := &line{}
			if !tt.without {
				b.Orders["nodegroup-rollout"] = rollouts
			}
			if b.deliver(tt.sender, pauseWord, 1) {
				t.Error("SQS has to bring it again, which changes nothing")
			}
			if len(rollouts.messages) > 0 {
				t.Errorf("sent %q", rollouts.messages)
			}
			b.refused(tt.why)
		})
	}
}

func TestACommandThatCannotBePassedOnComesAgain(t *testing.T) {
	b := newBench(t)
	b.Orders["nodegroup-rollout"] = &line{err: errors.New("no queue")}
	if !b.deliver(person, pauseWord, 1) {
		t.Error("the command is lost")
	}
}
