package killswitch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/internal/killswitch"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/inprocess"
)

var _ secretsencryption.Switch = killswitch.Switch{}

const (
	account = "111122223333"
	region  = "eu-west-1"
	name    = "/eks-steward/kill-switch"
)

// install returns a switch in a simulated world that does not have it yet.
func install(t *testing.T) (killswitch.Switch, *sim.World) {
	t.Helper()
	w, err := sim.New(sim.Fleet{Home: account}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	client := ssm.NewFromConfig(aws.Config{
		Region: region, HTTPClient: inprocess.Client{Handler: w.Handler()}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAHUB", "hubsecret", ""),
	})
	return killswitch.New(client, name), w
}

func TestOnlyOffIsOff(t *testing.T) {
	for value, on := range map[string]bool{"on": true, "off": false, "off\n": false} {
		s, w := install(t)
		w.SetParameter(account, region, name, value)
		if got, err := s.On(t.Context()); err != nil || got != on {
			t.Errorf("%q: got %t, %v; want %t", value, got, err, on)
		}
	}
	for _, value := range []string{" ", "OFF", "false", "no", "offf", "on off"} {
		s, w := install(t)
		w.SetParameter(account, region, name, value)
		on, err := s.On(t.Context())
		counts(t, on, err, "holds neither on nor off", "aws ssm put-parameter --name /eks-steward/kill-switch --type String --overwrite --value off")
	}
}

func TestASwitchThatCannotBeReadIsOnAndSaysWhatToDo(t *testing.T) {
	tests := []struct {
		name string
		step edge.Step
		says []string
	}{
		{"it is not there", edge.Step{}, []string{"it does not exist", "aws ssm put-parameter"}},
		{
			"FAULT 5 it is denied",
			edge.Step{Times: edge.Always, Do: edge.Answer(400, "AccessDeniedException", "User: x is not authorized to perform: ssm:GetParameter on resource: y")},
			[]string{"allow ssm:GetParameter on it to the function's role"},
		},
		{"Systems Manager fails", edge.Step{Times: edge.Always, Do: edge.Answer(500, "InternalServerError", "oops")}, []string{"writes go on when it can be read again"}},
		{"the answer is empty", edge.Step{Times: edge.Always, Do: edge.Raw(200, "application/x-amz-json-1.1", `{}`)}, []string{"holds neither on nor off"}},
		{"the answer is no answer", edge.Step{Times: edge.Always, Do: edge.Raw(200, "text/html", `<html>`)}, []string{"writes go on"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, w := install(t)
			tt.step.Operation = "GetParameter"
			w.Faults().Script(tt.step)
			on, err := s.On(t.Context())
			counts(t, on, err, tt.says...)
		})
	}
}

func TestTheSwitchIsReadEveryTime(t *testing.T) {
	s, w := install(t)
	for _, value := range []string{"off", "on", "off"} {
		w.SetParameter(account, region, name, value)
		if on, err := s.On(t.Context()); err != nil || on != (value == "on") {
			t.Errorf("%s: got %t, %v", value, on, err)
		}
	}
}

// counts fails unless the switch counts as on, with an error that says so.
func counts(t *testing.T, on bool, err error, says ...string) {
	t.Helper()
	if !on || err == nil {
		t.Fatalf("got %t, %v; want on with an error", on, err)
	}
	for _, s := range append(says, name, "counts as on") {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}
