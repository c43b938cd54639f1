// Package refusal sorts what an AWS service answered into a *fleet.Trouble and
// says it in one sentence that is fit for a log and a ticket. It decides nothing
// about retries: the SDK has made them all by then. It never repeats a request,
// a signature or credentials, whatever the service's message says.
package refusal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Of explains an error of the SDK, which is not nil. A Trouble that is in err
// already comes back as it is. action is the IAM action of the call, such as
// eks:ListClusters; a service that names the action it missed is believed.
func Of(action string, err error) *fleet.Trouble {
	var known *fleet.Trouble
	if errors.As(err, &known) {
		return known
	}
	kind, sentence := sort(err)
	if kind == fleet.Denied || kind == fleet.RegionDisabled {
		action = missing(action, err)
	}
	return &fleet.Trouble{Kind: kind, Action: action, Err: &answer{sentence, err}}
}

// answer shows a sentence in place of the SDK's error, which stays in the chain.
type answer struct {
	sentence string
	cause    error
}

func (a *answer) Error() string { return a.sentence }

func (a *answer) Unwrap() error { return a.cause }

// The error codes that several services share. They differ by protocol: the
// query services say AccessDenied where the JSON ones say AccessDeniedException.
var (
	denials = []string{"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException"}
	// A region that the account has not enabled does not know its credentials.
	foreign = []string{"UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired"}
	// The messages of these repeat the whole request with its session token.
	signatures = []string{"SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"}
	absences   = []string{"ResourceNotFoundException", "NotFoundException", "ParameterNotFound", "InvalidDocument"}
)

func sort(err error) (fleet.TroubleKind, string) {
	var api smithy.APIError
	answered := errors.As(err, &api)
	switch {
	case Throttled(err):
		return fleet.Throttled, "still throttled after every retry: the account calls the service faster than it allows"
	case errors.Is(err, context.DeadlineExceeded):
		return fleet.Failed, "no answer before the run's deadline"
	case errors.Is(err, context.Canceled):
		return fleet.Failed, "the run was stopped before there was an answer"
	case !answered:
		return fleet.Failed, transport(err)
	}
	code, message := api.ErrorCode(), api.ErrorMessage()
	switch {
	case slices.Contains(signatures, code):
		return fleet.ClockSkew, "the request's signature was refused (" + code + "): the clock here is wrong, or the credentials are"
	case slices.Contains(denials, code) && strings.Contains(message, "service control policy"):
		return fleet.RegionDisabled, "denied by a service control policy: " + oneLine(message)
	case slices.Contains(denials, code):
		return fleet.Denied, oneLine(message)
	case slices.Contains(foreign, code):
		return fleet.RegionDisabled, "the region does not accept the account's credentials (" + code + "): it is not enabled for the account, or the credentials are wrong"
	case slices.Contains(absences, code):
		return fleet.Gone, oneLine(cmp.Or(message, code)) // Systems Manager may send the code alone
	}
	return fleet.Failed, oneLine(code + ": " + message)
}

// Throttled reports whether a service refused a call because there were too many.
func Throttled(err error) bool {
	codes := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	return codes.IsErrorThrottle(err) == aws.TrueTernary || status(err) == http.StatusTooManyRequests
}

func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// transport says what is wrong with a connection or an answer that could not be
// understood.
func transport(err error) string {
	var (
		resolve *net.DNSError
		connect *net.OpError
		request *url.Error
	)
	switch {
	case errors.As(err, &resolve):
		return "the service's address could not be resolved: " + oneLine(resolve.Error())
	case errors.As(err, &connect):
		return "the service could not be reached: " + oneLine(connect.Error())
	case errors.As(err, &request): // its own text repeats the URL
		return "the connection to the service failed: " + oneLine(request.Err.Error())
	case status(err) >= http.StatusInternalServerError:
		return fmt.Sprintf("the service failed with HTTP status %d", status(err))
	case status(err) != 0:
		return fmt.Sprintf("the service's answer (HTTP status %d) could not be understood", status(err))
	}
	return "the call failed: " + oneLine(err.Error())
}

// Services differ in the article and in the quotes around the action.
var unauthorized = regexp.MustCompile(`(?:not authorized to perform:?|allows the) ['"]?([a-z0-9-]+:[A-Za-z0-9]+)`)

// missing is the IAM action that the service says is missing, else that of the
// call: one call may need several.
func missing(action string, err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		if m := unauthorized.FindStringSubmatch(api.ErrorMessage()); m != nil {
			return m[1]
		}
	}
	return action
}

// longest bounds a service's message, in runes: it is shown in a notice.
const longest = 400

func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}
