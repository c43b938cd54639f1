// Package emulator runs moto with what a deployment by the CDK needs beyond it:
// emulator.py says what and why. It plays AWS for everything but EKS, decides
// what each role may do, and remembers every decision. It never speaks to AWS.
package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/eks-steward/eks-steward/e2e/moto"
)

// Emulator is one running emulator.
type Emulator struct{ *moto.Server }

// Start runs an emulator. The caller closes it.
func Start(ctx context.Context) (*Emulator, error) {
	root, err := moto.ModuleRoot()
	if err != nil {
		return nil, err
	}
	server, err := moto.Run(ctx, filepath.Join(root, "emulator", "emulator.py"))
	if err != nil {
		return nil, err
	}
	return &Emulator{server}, nil
}

// A Decision is what became of one action of a role on one resource.
type Decision struct {
	Role     string // name
	Action   string // such as sqs:SendMessage
	Resource string // ARN, or * where IAM knows none
	Allowed  bool
}

// Decisions are all so far, oldest first.
func (e *Emulator) Decisions(ctx context.Context) ([]Decision, error) {
	var out []Decision
	err := e.ask(ctx, http.MethodGet, "/emulator/decisions", nil, &out)
	return out, err
}

// A Question is about an action on a service that is emulated elsewhere.
type Question struct {
	AccessKey string `json:"accessKey"` // of a session
	Region    string `json:"region"`
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	// Conditions are the condition keys that the request has, such as the service's
	// own and the tags of the resource.
	Conditions map[string][]string `json:"conditions,omitempty"`
}

// Authorize says whether the role behind the access key may do it, and counts
// as a decision.
func (e *Emulator) Authorize(ctx context.Context, q Question) (bool, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return false, err
	}
	var answer struct{ Allowed bool }
	err = e.ask(ctx, http.MethodPost, "/emulator/authorize", bytes.NewReader(body), &answer)
	return answer.Allowed, err
}

// A Session of a role, with what signs in its name.
type Session struct {
	ARN    string // of the session, as GetCallerIdentity says it
	Secret string
	Token  string
}

// Session says whose an access key is that the emulator handed out. For any other
// key it is an error.
func (e *Emulator) Session(ctx context.Context, accessKey string) (Session, error) {
	var out Session
	err := e.ask(ctx, http.MethodGet, "/emulator/sessions/"+url.PathEscape(accessKey), nil, &out)
	return out, err
}

func (e *Emulator) ask(ctx context.Context, method, path string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, e.URL+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the emulator: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the emulator answers %s with %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return fmt.Errorf("read the emulator's answer to %s: %w", path, err)
	}
	return nil
}
