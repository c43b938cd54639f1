// Package secret reads one secret from AWS Secrets Manager and keeps it in
// memory. It decides nothing about when a secret is stale: who is refused with
// it asks for a fresh one. It never shows the value, not even a bad one.
package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Client is the one call that a Secret makes.
type Client interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Secret is one text secret. It may be used by several goroutines.
type Secret struct {
	client Client
	id     string

	mu    sync.Mutex
	value string // empty until it was read
}

// New returns the secret of that name or ARN. Nothing is read yet.
func New(client Client, id string) *Secret { return &Secret{client: client, id: id} }

// Format prints the name, whatever the verb: not even by mistake is the value in a
// log.
func (s *Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secret "+s.id) }

// Value returns the secret, read once in the life of the process.
func (s *Secret) Value(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value != "" {
		return s.value, nil
	}
	return s.read(ctx)
}

// Refresh reads the secret again and returns it: it may have been rotated since.
// When it cannot be read the error says so, and Value goes on with the old one.
func (s *Secret) Refresh(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(ctx)
}

// read fetches the current version. The caller holds the lock.
func (s *Secret) read(ctx context.Context) (string, error) {
	const action = "secretsmanager:GetSecretValue"
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.id})
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", s.id, advised(refusal.Of(action, err)))
	}
	value := strings.TrimSpace(aws.ToString(out.SecretString))
	if value == "" {
		return "", fmt.Errorf("read secret %s: it holds no text: store the value as plain text with aws secretsmanager put-secret-value", s.id)
	}
	s.value = value
	return value, nil
}

// advised adds what to do where a person has to do it.
func advised(t *fleet.Trouble) error {
	switch {
	case errors.Is(t, fleet.Gone):
		return fmt.Errorf("%w: create the secret, or correct its name in the function's environment", t)
	case errors.Is(t, fleet.Denied):
		return fmt.Errorf("%w: allow %s on the secret, and kms:Decrypt on its key, to the function's role", t, t.Action)
	}
	return t
}
