package handler

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/eks-steward/eks-steward/internal/approval"
)

// patience is how long a request may take in all. Slack waits three seconds and
// then tells the user that the app did not answer:
// https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
const patience = 2500 * time.Millisecond

// Request answers a press of a button in Slack. It only checks who pressed and
// leaves the rest to the queue, as Slack does not wait for more.
func (h *Handler) Request(ctx context.Context, r awsevents.LambdaFunctionURLRequest) awsevents.LambdaFunctionURLResponse {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	press, err := h.take(ctx, r)
	status := statusOf(err)
	if errors.Is(err, approval.ErrLink) {
		return answer(status) // somebody read on: nothing to note
	}
	attrs := []slog.Attr{
		slog.String("function", "approve"), slog.String("request_id", r.RequestContext.RequestID), slog.Int("status", status),
	}
	if press.User != "" {
		attrs = append(attrs, slog.String("plan", press.Plan), slog.String("user", press.User), slog.String("team", press.Team))
	}
	if err == nil {
		h.Log.LogAttrs(ctx, slog.LevelInfo, "request taken", attrs...)
		return answer(status)
	}
	// Slack's user sees no body of ours, only that a status is not 200.
	if status == http.StatusOK {
		attrs = append(attrs, h.tell(ctx, press.Reply, "Not approved: "+err.Error()+".", false)...)
	}
	h.Log.LogAttrs(ctx, slog.LevelWarn, "request refused", append(attrs, slog.String("reason", err.Error()))...)
	return answer(status)
}

// take verifies a request and puts the word of the user into the own queue. The
// press is only filled in once the signature is known to be Slack's.
func (h *Handler) take(ctx context.Context, r awsevents.LambdaFunctionURLRequest) (approval.Press, error) {
	if h.Signing == nil {
		return approval.Press{}, errNoSlack
	}
	if r.RequestContext.HTTP.Method != http.MethodPost {
		return approval.Press{}, errMethod
	}
	body, err := bodyOf(r)
	if err != nil {
		return approval.Press{}, err
	}
	signed := approval.Request{
		Timestamp: r.Headers["x-slack-request-timestamp"], Signature: r.Headers["x-slack-signature"], Body: body,
	}
	if err := h.verify(ctx, signed); err != nil {
		return approval.Press{}, err
	}
	press, err := approval.ReadPress(body)
	if err != nil {
		return approval.Press{}, err
	}
	if err := h.Allowed.Admit(press); err != nil {
		return press, err
	}
	message, err := approval.Word{Plan: press.Plan, Slack: &press}.Message()
	if err != nil {
		return press, err
	}
	if err := h.Own.Send(ctx, message); err != nil {
		return press, errors.Join(errQueue, err)
	}
	return press, nil
}

var (
	errNoSlack = errors.New("this deployment takes no approvals from Slack")
	errMethod  = errors.New("the request is no POST")
	errSecret  = errors.New("the signing secret cannot be read")
	errQueue   = errors.New("the approval was not taken down")
)

// bodyOf is the body in the bytes that Slack sent. Lambda encodes one that it
// does not take for text, and says so.
func bodyOf(r awsevents.LambdaFunctionURLRequest) ([]byte, error) {
	if len(r.Body) > base64.StdEncoding.EncodedLen(approval.MaxBody) {
		return nil, approval.ErrTooLarge
	}
	if !r.IsBase64Encoded {
		return []byte(r.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return nil, approval.ErrMalformed
	}
	return body, nil
}

// verify holds a request against the signing secret, and once more against the
// one of now when it may have been changed.
func (h *Handler) verify(ctx context.Context, r approval.Request) error {
	now := h.Now()
	secret, err := h.Signing.Value(ctx)
	if err != nil {
		return errors.Join(errSecret, err)
	}
	err = r.Verify(secret, now)
	if !errors.Is(err, approval.ErrForged) {
		return err
	}
	fresh, refreshErr := h.Signing.Refresh(ctx)
	if refreshErr != nil {
		return errors.Join(errSecret, refreshErr)
	}
	return r.Verify(fresh, now)
}

// statusOf is what Slack, or whoever it is, gets to see. A user whom Slack vouches
// for is told in words instead.
func statusOf(err error) int {
	switch {
	case err == nil, errors.Is(err, approval.ErrLink), errors.Is(err, approval.ErrTeam), errors.Is(err, approval.ErrStranger):
		return http.StatusOK
	case errors.Is(err, errNoSlack):
		return http.StatusNotFound
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errSecret), errors.Is(err, errQueue):
		return http.StatusServiceUnavailable
	case errors.Is(err, approval.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, approval.ErrUnsigned), errors.Is(err, approval.ErrOld), errors.Is(err, approval.ErrForged):
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

// answer has no body: a message in it would replace the one with the button.
func answer(status int) awsevents.LambdaFunctionURLResponse {
	return awsevents.LambdaFunctionURLResponse{StatusCode: status}
}

// tell answers the one who pressed, if there is a way to. What was decided does
// not depend on it, so that a failure is only logged.
func (h *Handler) tell(ctx context.Context, address, text string, everybody bool) []slog.Attr {
	if address == "" || h.Slack == nil {
		return nil
	}
	if err := h.Slack.Reply(ctx, address, text, everybody); err != nil {
		return []slog.Attr{slog.String("not_told", err.Error())}
	}
	return nil
}
