package secret_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/secret"
	"github.com/eks-steward/eks-steward/internal/secret/secrettest"
)

// reader asks for a secret, and says how often that read it in all.
type reader struct {
	t *testing.T
	*secrettest.Vault
	*secret.Secret
}

func (r reader) uses(want string, reads int) {
	r.t.Helper()
	if got, err := r.Value(r.t.Context()); err != nil || got != want || r.Reads != reads {
		r.t.Fatalf("at %s: got %q, %v after %d reads, want %q after %d", time.Now().Format(time.TimeOnly), got, err, r.Reads, want, reads)
	}
}

func newReader(t *testing.T, known func(secret.Client, string, func() time.Time) *secret.Secret) reader {
	v := secrettest.Holding("https://hooks.example/old\n")
	return reader{t, v, known(v, secrettest.Name, time.Now)}
}

func TestValueOlderThanFiveMinutesIsReadAgainAtItsNextUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, secret.New)
		for range 3 {
			r.uses("https://hooks.example/old", 1)
		}
		r.Put("https://hooks.example/new")
		time.Sleep(5*time.Minute - time.Second)
		r.uses("https://hooks.example/old", 1)
		time.Sleep(time.Second)
		r.uses("https://hooks.example/new", 2)
		time.Sleep(time.Hour) // without a use there is no read
		r.uses("https://hooks.example/new", 3)
		r.uses("https://hooks.example/new", 3)
	})
}

func TestFault_55_OldValueServesWhileSecretsManagerIsDown(t *testing.T) {
	for name, err := range map[string]error{
		"throttled": &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"},
		"down":      &smithy.GenericAPIError{Code: "InternalServiceError", Message: "down"},
		"denied":    &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"},
		"emptied":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReader(t, secret.New)
				r.uses("https://hooks.example/old", 1)
				r.Put(" ")
				r.Err = err
				time.Sleep(5 * time.Minute)
				for range 60 { // a use a second
					r.uses("https://hooks.example/old", 2)
					time.Sleep(time.Second)
				}
				r.uses("https://hooks.example/old", 3)
				r.Put("https://hooks.example/new")
				r.Err = nil
				time.Sleep(time.Minute)
				r.uses("https://hooks.example/new", 4)
				time.Sleep(5*time.Minute - time.Second)
				r.uses("https://hooks.example/new", 4)
			})
		})
	}
}

func TestSecretsManagerThatDoesNotAnswerHoldsNothingUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, secret.New)
		r.uses("https://hooks.example/old", 1)
		r.Silent = true
		time.Sleep(5 * time.Minute)
		began := time.Now()
		r.uses("https://hooks.example/old", 2)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a use with a value at hand took %s", took)
		}
	})
}

func TestFault_55_StrangersHaveAGuardedSecretReadOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, secret.NewGuarded)
		r.Err = &smithy.GenericAPIError{Code: "InternalServiceError", Message: "down"}
		forged := func(want string, reads int) {
			t.Helper()
			for range 3 {
				if _, err := r.Value(t.Context()); err == nil {
					_, _ = r.Refresh(t.Context()) // what a bad signature leads to
				}
			}
			if got, err := r.Value(t.Context()); got != want || (err == nil) != (want != "") || r.Reads != reads {
				t.Errorf("got %q, %v after %d reads, want %q after %d", got, err, r.Reads, want, reads)
			}
		}
		forged("", 1)
		time.Sleep(time.Minute - time.Second)
		forged("", 1)
		r.Err = nil
		time.Sleep(time.Second)
		forged("https://hooks.example/old", 2)
		r.Put("https://hooks.example/new")
		time.Sleep(time.Minute)
		forged("https://hooks.example/new", 3)
		r.Err = &smithy.GenericAPIError{Code: "InternalServiceError", Message: "down"}
		for reads := 4; reads < 20; reads++ { // past the time at which the value is old
			time.Sleep(time.Minute)
			forged("https://hooks.example/new", reads)
		}
	})
}

func TestNoVerbPrintsTheValue(t *testing.T) {
	s := secret.New(secrettest.Holding(canary.Token), secrettest.Name, time.Now)
	if _, err := s.Value(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("read", "secret", s, "within", struct{ Secret *secret.Secret }{s})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+" "+verb+"\n", s, struct{ Secret any }{s})
	}
	if !strings.Contains(log.String(), "secret steward/slack") || strings.Contains(log.String(), canary.Word) || strings.Contains(log.String(), hex.EncodeToString([]byte(canary.Word))) {
		t.Error("the value is printed, or the name is not")
	}
}

func TestFault_55_RotatedSecretIsReadAgain(t *testing.T) {
	v := secrettest.Holding("old")
	s := secret.New(v, secrettest.Name, time.Now)
	if _, err := s.Value(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Put("new")
	if got, err := s.Refresh(t.Context()); err != nil || got != "new" {
		t.Fatalf("refreshed to %q, %v", got, err)
	}
	if got, err := s.Value(t.Context()); err != nil || got != "new" || v.Reads != 2 {
		t.Errorf("got %q, %v after %d reads", got, err, v.Reads)
	}
}

func TestFault_55_SecretThatCannotBeReadSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		vault *secrettest.Vault
		words string
	}{
		"missing":         {&secrettest.Vault{Err: &types.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}}, "create the secret"},
		"denied":          {&secrettest.Vault{Err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:GetSecretValue"}}, "allow secretsmanager:GetSecretValue on the secret"},
		"denied its key":  {&secrettest.Vault{Err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}}, "kms:Decrypt"},
		"binary":          {&secrettest.Vault{}, "store the value as plain text"},
		"empty":           {secrettest.Holding(""), "store the value as plain text"},
		"nothing to read": {secrettest.Holding(" \n"), "store the value as plain text"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := secret.New(tt.vault, secrettest.Name, time.Now)
			_, err := s.Value(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.words) || !strings.Contains(err.Error(), "steward/slack") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want words %q", err, tt.words)
			}
			tt.vault.Put("hush")
			tt.vault.Err = nil
			if got, err := s.Value(t.Context()); err != nil || got != "hush" {
				t.Errorf("the failure was kept: %q, %v", got, err)
			}
		})
	}
}

func TestFailedRefreshKeepsTheOldValueAndNeverShowsIt(t *testing.T) {
	v := secrettest.Holding("hush")
	s := secret.New(v, secrettest.Name, time.Now)
	if _, err := s.Value(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Err = &smithy.GenericAPIError{Code: "InternalServiceError", Message: "down"}
	if _, err := s.Refresh(t.Context()); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
	if got, err := s.Value(t.Context()); err != nil || got != "hush" {
		t.Errorf("got %q, %v", got, err)
	}
}
