// Package secret reads one secret from AWS Secrets Manager and keeps it in
// memory. It decides when a value is old: after five minutes it is read again at
// its next use, and goes on serving when that fails. Who is refused with it asks
// for a fresh one before that. It never shows the value, not even a bad one.
package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Client is the one call that a Secret makes.
type Client interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

const (
	// maxAge is how long a value is used before it is read again: who changes a
	// secret need not know which processes live, and one that leaked and was replaced
	// opens nothing any more by then.
	maxAge = 5 * time.Minute
	// pause is from a reading that failed to the next one, so that an outage of
	// Secrets Manager adds no call to every message.
	pause = time.Minute
	// patience is how long a use that has a value waits for a newer one.
	patience = time.Second
)

// Secret is one text secret. It may be used by several goroutines.
type Secret struct {
	client  Client
	id      string
	clock   func() time.Time
	guarded bool

	mu    sync.Mutex
	value string    // empty until it was read
	tried time.Time // when it was read last, or could not be
	err   error     // of that time
}

// New returns the secret of that name or ARN. Nothing is read yet.
func New(client Client, id string, now func() time.Time) *Secret {
	return &Secret{client: client, id: id, clock: now}
}

// NewGuarded returns a secret that strangers are held against: whatever they send,
// it is read once a minute at most, as each reading costs money. One that fails
// stands for that minute.
func NewGuarded(client Client, id string, now func() time.Time) *Secret {
	s := New(client, id, now)
	s.guarded = true
	return s
}

// Format prints the name, whatever the verb: not even by mistake is the value in a
// log.
func (s *Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secret "+s.id) }

// Value returns the secret as it was within the last five minutes, or as it was
// last read when it cannot be read now: that is no error.
func (s *Secret) Value(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == "" {
		return s.renew(ctx)
	}
	if s.old() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, _ = s.renew(ctx) // what is known serves until the next try
	}
	return s.value, nil
}

// Refresh reads the secret again and returns it: it may have been rotated since.
// When it cannot be read the error says so, and Value goes on with the old one. One
// that is guarded and was tried within the last minute is returned as it is.
func (s *Secret) Refresh(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renew(ctx)
}

// now leaves the monotonic clock out, which does not count the time that a machine
// is suspended (clock_gettime(2)): Lambda freezes a process between two messages.
func (s *Secret) now() time.Time { return s.clock().Round(0) }

// old reports whether it is time for another reading.
func (s *Secret) old() bool {
	wait := maxAge
	if s.err != nil {
		wait = pause
	}
	return s.now().Sub(s.tried) >= wait
}

// renew reads the secret, unless it is guarded and the last reading still stands.
// The caller holds the lock.
func (s *Secret) renew(ctx context.Context) (string, error) {
	now := s.now()
	if s.guarded && now.Sub(s.tried) < pause {
		if s.value != "" {
			return s.value, nil
		}
		return "", s.err
	}
	value, err := s.read(ctx)
	s.tried, s.err = now, err
	if err == nil {
		s.value = value
	}
	return value, err
}

// read fetches the current version.
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
