package approval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/approval"
)

var (
	plan  = strings.Repeat("0123456789abcdef", 4)
	nonce = "QWERTYUIOPASDFGHJKLZXCVBNM"
)

const (
	self   = "AROAAAAAAAAAAAAAAAAAA:steward-approve"
	person = "AROABBBBBBBBBBBBBBBBB:alice@example.com"
)

func press() *approval.Press {
	return &approval.Press{Plan: plan, Nonce: nonce, Team: "T0123", User: "U0123", Name: "alice"}
}

func TestWhoSpeaksIsWhatSQSSaysOfTheSender(t *testing.T) {
	for name, tt := range map[string]struct {
		word         approval.Word
		sender, self string
		want         approval.Voice
		err          error
	}{
		"a person speaks for themselves":                     {approval.Word{Plan: plan}, person, self, approval.Voice{By: person, Via: events.ViaCommandLine}, nil},
		"the function speaks for the user who pressed":       {approval.Word{Plan: plan, Slack: press()}, self, self, approval.Voice{By: "alice (U0123)", Via: events.ViaSlack, Nonce: nonce}, nil},
		"FAULT 57 a person cannot speak for a user":          {approval.Word{Plan: plan, Slack: press()}, person, self, approval.Voice{}, approval.ErrPretends},
		"FAULT 57 a role of the same session name cannot":    {approval.Word{Plan: plan, Slack: press()}, "AROACCCCCCCCCCCCCCCCC:steward-approve", self, approval.Voice{}, approval.ErrPretends},
		"FAULT 57 another session of the same role cannot":   {approval.Word{Plan: plan, Slack: press()}, "AROAAAAAAAAAAAAAAAAAA:other", self, approval.Voice{}, approval.ErrPretends},
		"FAULT 57 the function itself approves of nothing":   {approval.Word{Plan: plan}, self, self, approval.Voice{}, approval.ErrNoPress},
		"FAULT 57 a sender that is not known is nobody":      {approval.Word{Plan: plan}, "", self, approval.Voice{}, approval.ErrNobody},
		"FAULT 57 nobody speaks while the own id is unknown": {approval.Word{Plan: plan, Slack: press()}, "", "", approval.Voice{}, approval.ErrNobody},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tt.word.Voice(tt.sender, tt.self); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestAWordIsReadBackAsItWasWritten(t *testing.T) {
	for _, w := range []approval.Word{{Plan: plan}, {Plan: plan[:12]}, {Plan: plan, Slack: press()}} {
		b, err := w.Message()
		if err != nil {
			t.Fatal(err)
		}
		got, err := approval.Parse(b)
		if err != nil || got.Plan != w.Plan || (got.Slack == nil) != (w.Slack == nil) || got.Slack != nil && *got.Slack != *w.Slack {
			t.Errorf("%s became %+v, %v", b, got, err)
		}
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, message := range map[string]string{
		"no JSON":                            plan,
		"nothing":                            "",
		"no plan":                            `{}`,
		"a plan that is too short":           `{"plan":"0123456789a"}`,
		"a plan that is too long":            `{"plan":"` + plan + `0"}`,
		"a plan in other letters":            `{"plan":"` + strings.ToUpper(plan) + `"}`,
		"a name that is not asked for":       `{"plan":"` + plan + `","by":"root"}`,
		"two words":                          `{"plan":"` + plan + `"}{"plan":"` + plan + `"}`,
		"a press of another plan's button":   `{"plan":"` + plan + `","slack":{"plan":"` + strings.Repeat("f", 64) + `","nonce":"` + nonce + `","user":"U1"}}`,
		"a press without a nonce":            `{"plan":"` + plan + `","slack":{"plan":"` + plan + `","nonce":"","user":"U1"}}`,
		"a press of nobody":                  `{"plan":"` + plan + `","slack":{"plan":"` + plan + `","nonce":"` + nonce + `","user":""}}`,
		"a number in the place of the plan":  `{"plan":1}`,
		"a list in the place of the message": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := approval.Parse([]byte(message)); err == nil {
				t.Errorf("taken as %+v", got)
			}
		})
	}
}

func TestANameThatIsNotPlainIsLeftOut(t *testing.T) {
	for given, want := range map[string]string{
		"alice": "alice (U0123)", "a.b-c_1": "a.b-c_1 (U0123)", "": "U0123", "<!channel>": "U0123", "root)\n": "U0123", strings.Repeat("a", 81): "U0123",
	} {
		if got := (approval.Press{User: "U0123", Name: given}).Who(); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
