// Package killswitch reads the parameter that stops every write to AWS. It never
// writes it, keeps no answer for the next time, and takes whatever it cannot read
// for a switch that is on.
//
// The IAM action is ssm:GetParameter on the parameter.
package killswitch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Client is the one call that a Switch makes.
type Client interface {
	GetParameter(ctx context.Context, in *ssm.GetParameterInput, options ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// A Switch is one parameter of Systems Manager that holds on or off. It may be
// used by several goroutines.
type Switch struct {
	client Client
	name   string
}

// New returns the switch in a parameter, such as /eks-steward/kill-switch.
func New(client Client, name string) Switch { return Switch{client, name} }

// On reads the switch. It is on with any error, which says what to do.
func (s Switch) On(ctx context.Context) (bool, error) {
	out, err := s.client.GetParameter(ctx, &ssm.GetParameterInput{Name: &s.name})
	if err != nil {
		return true, s.unread(err)
	}
	value := ""
	if out.Parameter != nil {
		value = strings.TrimSpace(aws.ToString(out.Parameter.Value))
	}
	switch value {
	case "off":
		return false, nil
	case "on":
		return true, nil
	}
	return true, fmt.Errorf("the kill switch %s holds neither on nor off, which counts as on: %s", s.name, s.turnOff())
}

func (s Switch) unread(err error) error {
	t := refusal.Of("ssm:GetParameter", err)
	todo := "writes go on when it can be read again"
	switch absent := (*types.ParameterNotFound)(nil); {
	case errors.As(err, &absent):
		todo = "it does not exist: " + s.turnOff()
	case errors.Is(t, fleet.Denied):
		todo = fmt.Sprintf("allow %s on it to the function's role", t.Action)
	}
	return fmt.Errorf("the kill switch %s cannot be read, which counts as on: %w: %s", s.name, t, todo)
}

func (s Switch) turnOff() string {
	return fmt.Sprintf("set it with aws ssm put-parameter --name %s --type String --overwrite --value off", s.name)
}
