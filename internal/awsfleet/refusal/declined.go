package refusal

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

var (
	busy = []string{"ResourceInUseException"}
	// ClientException is for a caller that may not use the resource, or names one
	// that is not valid (EKS API reference).
	refusals = []string{"InvalidParameterException", "InvalidRequestException", "ClientException", "KMSInvalidStateException"}
)

// Declined is Of for a call that changes something: it tells a service that is
// busy, and one that refuses, from trouble that may pass. EKS passes on what
// another service denied it as an error of its own.
func Declined(action string, err error) *fleet.Trouble {
	t := *Of(action, err)
	var api smithy.APIError
	if t.Kind != fleet.Failed || !errors.As(err, &api) {
		return &t
	}
	switch code := api.ErrorCode(); {
	case slices.Contains(busy, code):
		t.Kind = fleet.Busy
	case !slices.Contains(refusals, code):
	case strings.Contains(api.ErrorMessage(), "not authorized to launch instances"):
		t.Kind, t.Action = fleet.Denied, "ec2:RunInstances" // of a nodegroup's launch template
	case strings.Contains(api.ErrorMessage(), "not authorized to perform"):
		t.Kind, t.Action = fleet.Denied, missing(action, err)
	default:
		t.Kind = fleet.Refused
	}
	return &t
}
