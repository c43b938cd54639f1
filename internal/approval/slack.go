package approval

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxBody is the most bytes of a request that are read. A press of a button comes
// with the message that it stands in, which is a few KB.
const MaxBody = 64 << 10

// window is how old a signature may be, and how far ahead of our clock:
// https://docs.slack.dev/authentication/verifying-requests-from-slack
const window = 5 * time.Minute

// The reasons why a request does not count. None repeats what the request holds.
var (
	ErrTooLarge  = errors.New("the request has more than 64 KB")
	ErrUnsigned  = errors.New("the request is not signed")
	ErrOld       = errors.New("the request was signed more than five minutes ago, or ahead of time")
	ErrForged    = errors.New("the signature is not Slack's: if Slack's signing secret was changed, store the new one")
	ErrMalformed = errors.New("the request is no press of a button as Slack documents it")
	ErrNoPlan    = errors.New("the button stands for no plan")
	ErrLink      = errors.New("the button only opens a page")
	ErrTeam      = errors.New("the user is of another workspace than the one that may approve")
	ErrStranger  = errors.New("the user is not among those who may approve")
)

// A Request is what came over HTTP, as it came: the signature covers the bytes.
type Request struct {
	Timestamp string // header X-Slack-Request-Timestamp, seconds since 1970
	Signature string // header X-Slack-Signature
	Body      []byte
}

// Verify says whether Slack sent the request in the last minutes. secret is the
// app's signing secret.
func (r Request) Verify(secret string, now time.Time) error {
	if len(r.Body) > MaxBody {
		return ErrTooLarge
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(r.Signature, "v0="))
	if err != nil || r.Timestamp == "" || !strings.HasPrefix(r.Signature, "v0=") {
		return ErrUnsigned
	}
	at, err := strconv.ParseInt(r.Timestamp, 10, 64)
	if err != nil {
		return ErrUnsigned
	}
	if at < now.Add(-window).Unix() || at > now.Add(window).Unix() {
		return ErrOld
	}
	// Anybody can sign with an empty secret.
	if secret == "" || !hmac.Equal(sum, signature(secret, r.Timestamp, r.Body)) {
		return ErrForged
	}
	return nil
}

func signature(secret, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":"))
	mac.Write(body)
	return mac.Sum(nil)
}

// Action is the id of the button that approves a plan.
const Action = "approve-plan"

// LinkAction begins the ids of buttons that only open a page. Slack sends their
// presses too, and wants them acknowledged.
const LinkAction = "link-"

// Value is what the button carries.
func Value(plan, nonce string) string { return plan + ":" + nonce }

// A Press is somebody's press of the button that approves a plan.
type Press struct {
	Plan  string `json:"plan"`
	Nonce string `json:"nonce"`
	Team  string `json:"team"` // id of the workspace
	User  string `json:"user"` // id
	Name  string `json:"name"` // for people; chosen by the user
	// Reply is where an answer to the press is posted, within 30 minutes
	// (https://docs.slack.dev/interactivity/handling-user-interaction). Who has it
	// can post: it is never logged.
	Reply string `json:"reply,omitempty"`
}

// Who names the user: the id, which is the truth, and the name if it is a plain one.
func (p Press) Who() string {
	plain := strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	if p.Name == "" || len(p.Name) > 80 || !plain {
		return p.User
	}
	return p.Name + " (" + p.User + ")"
}

// ReadPress reads the body of a request that was verified:
// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
func ReadPress(body []byte) (Press, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["payload"]) != 1 {
		return Press{}, ErrMalformed
	}
	var payload struct {
		Type string `json:"type"`
		Team struct {
			ID string `json:"id"`
		} `json:"team"`
		User struct {
			ID     string `json:"id"`
			Name   string `json:"username"`
			TeamID string `json:"team_id"`
		} `json:"user"`
		Actions []struct {
			ID    string `json:"action_id"`
			Value string `json:"value"`
		} `json:"actions"`
		ResponseURL string `json:"response_url"`
	}
	if err := json.Unmarshal([]byte(form.Get("payload")), &payload); err != nil {
		return Press{}, ErrMalformed
	}
	if payload.Type != "block_actions" || len(payload.Actions) != 1 || payload.User.ID == "" {
		return Press{}, ErrMalformed
	}
	if strings.HasPrefix(payload.Actions[0].ID, LinkAction) {
		return Press{}, ErrLink
	}
	p := Press{Team: payload.Team.ID, User: payload.User.ID, Name: payload.User.Name, Reply: payload.ResponseURL}
	if payload.User.TeamID != "" {
		p.Team = payload.User.TeamID // in a channel that two workspaces share, the user's own
	}
	var found bool
	p.Plan, p.Nonce, found = strings.Cut(payload.Actions[0].Value, ":")
	if payload.Actions[0].ID != Action || !found || len(p.Plan) != wholePlan || ValidPlan(p.Plan) != nil || !isNonce(p.Nonce) {
		return Press{}, ErrNoPlan
	}
	return p, nil
}

// Allowed is who may approve in Slack. Nobody may whom it does not name.
type Allowed struct {
	Team  string   // id of the workspace, such as T0123
	Users []string // ids, such as U0123
}

// Admit says whether the one who pressed may approve.
func (a Allowed) Admit(p Press) error {
	switch {
	case a.Team == "" || p.Team != a.Team:
		return ErrTeam
	case !slices.Contains(a.Users, p.User):
		return ErrStranger
	}
	return nil
}
