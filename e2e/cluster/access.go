//go:build unix

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/e2e/cluster/sts"
)

// access is the file that the authenticator reads, which is what EKS's access entries come to.
type access struct {
	path string

	mu    sync.Mutex
	roles map[string]mapping
}

// A mapping is one role in the file.
type mapping struct {
	RoleARN  string   `json:"rolearn"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// startAuthenticator comes before startAPIServer, which is told where the webhook is.
func (p *plane) startAuthenticator(c *Cluster) {
	p.t.Helper()
	address := p.address()
	_, port, _ := net.SplitHostPort(address)
	c.authenticator = "https://" + address
	if err := c.access.write(); err != nil {
		p.t.Fatal(err)
	}
	p.pair("authenticator", "aws-iam-authenticator", "", loopback) // as it names them in its state
	config, err := json.Marshal(map[string]any{
		"clusterID": c.Name,
		"server":    map[string]any{"dynamicfilepath": c.access.path},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	environment := slices.Concat(c.STS.Environment(), []string{"AWS_EC2_METADATA_DISABLED=true"})
	authenticator := p.start("aws-iam-authenticator", p.programs.Authenticator, environment,
		"server", "--config="+p.write("authenticator.json", config),
		"--address="+loopback, "--port="+port,
		"--backend-mode=DynamicFile",
		"--state-dir="+filepath.Join(p.dir, "authenticator"), "--kubeconfig-pregenerated",
	)
	c.webhook = p.client("authenticator")
	p.until(authenticator, c.webhook, c.authenticator+"/healthz")
}

// Grant lets a role in as a user of some groups, as an access entry does, and returns when the
// authenticator knows. It replaces what the role had.
func (c *Cluster) Grant(t testing.TB, roleARN, username string, groups ...string) {
	t.Helper()
	if err := c.Map(t.Context(), roleARN, username, groups...); err != nil {
		t.Fatal(err)
	}
}

// Revoke takes back what Grant gave. The API server believes a token that it has let in for ten
// seconds more; a token of another access key, or of another second, it refuses at once.
func (c *Cluster) Revoke(t testing.TB, roleARN string) {
	t.Helper()
	if err := c.Unmap(t.Context(), roleARN); err != nil {
		t.Fatal(err)
	}
}

// Map is Grant for who has no test to fail.
func (c *Cluster) Map(ctx context.Context, roleARN, username string, groups ...string) error {
	c.access.set(mapping{RoleARN: withoutPath(roleARN), Username: username, Groups: groups})
	return c.settle(ctx, roleARN, func(known *mapping) bool {
		return known != nil && known.Username == username && slices.Equal(known.Groups, groups)
	})
}

// Unmap is Revoke for who has no test to fail.
func (c *Cluster) Unmap(ctx context.Context, roleARN string) error {
	c.access.remove(withoutPath(roleARN))
	return c.settle(ctx, roleARN, func(known *mapping) bool { return known == nil })
}

// settle writes the file until the authenticator decides about the role as it should. It reads
// the file before it watches it, and so misses a change between the two.
func (c *Cluster) settle(ctx context.Context, roleARN string, done func(known *mapping) bool) error {
	key := c.STS.Issue(session(roleARN))
	err := eventually(ctx, nil, func() error {
		if err := c.access.write(); err != nil {
			return err
		}
		token, err := sts.Token(ctx, key, c.Name)
		if err != nil {
			return err
		}
		known, err := c.review(ctx, token)
		if err == nil && !done(known) {
			return errors.New("it does not follow its file")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change the access of %s: aws-iam-authenticator: %w", roleARN, err)
	}
	return nil
}

// review asks the authenticator whose token it is; nil is nobody's.
func (c *Cluster) review(ctx context.Context, token string) (*mapping, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/v1beta1", "kind": "TokenReview",
		"spec": map[string]string{"token": token},
	})
	if err != nil {
		return nil, err
	}
	answer, err := request(ctx, c.webhook, http.MethodPost, c.authenticator+"/authenticate", "application/json", body)
	if refused := (*StatusError)(nil); errors.As(err, &refused) && refused.Code == http.StatusForbidden {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err != nil {
		return nil, err
	}
	var reviewed struct {
		Status struct {
			Authenticated bool    `json:"authenticated"`
			User          mapping `json:"user"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &reviewed); err != nil {
		return nil, fmt.Errorf("read a TokenReview: %w", err)
	}
	if !reviewed.Status.Authenticated {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	return &reviewed.Status.User, nil
}

func (a *access) set(m mapping) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.roles == nil {
		a.roles = map[string]mapping{}
	}
	a.roles[m.RoleARN] = m
}

func (a *access) remove(roleARN string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.roles, roleARN)
}

// write writes in place: the authenticator looks only once a second for a file that replaced
// the one it watches.
func (a *access) write() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	content, err := json.Marshal(map[string]any{
		"LastUpdatedDateTime": strconv.FormatInt(time.Now().Unix(), 10),
		"Version":             "1",
		"mapRoles":            slices.AppendSeq([]mapping{}, maps.Values(a.roles)),
		"mapUsers":            []any{}, "mapAccounts": []any{},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(a.path, content, 0o600)
}

// withoutPath is the ARN that the authenticator compares: that of a session has no path.
func withoutPath(roleARN string) string {
	resource, name := strings.Index(roleARN, "/"), strings.LastIndex(roleARN, "/")
	if resource < 0 {
		return roleARN
	}
	return roleARN[:resource] + roleARN[name:]
}

// session is the ARN of one session of a role.
func session(roleARN string) string {
	return strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(withoutPath(roleARN)) + "/test"
}
