package secret_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/internal/canary"
	"github.com/eks-steward/eks-steward/internal/secret"
)

// vault holds one secret.
type vault struct {
	value *string
	err   error
	reads int
}

func (v *vault) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	v.reads++
	if *in.SecretId != "steward/slack" {
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: v.value}, v.err
}

func TestValueIsReadOnce(t *testing.T) {
	v := &vault{value: aws.String("https://hooks.example/old\n")}
	s := secret.New(v, "steward/slack")
	for range 3 {
		if got, err := s.Value(t.Context()); err != nil || got != "https://hooks.example/old" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if v.reads != 1 {
		t.Errorf("read %d times", v.reads)
	}
}

func TestNoVerbPrintsTheValue(t *testing.T) {
	s := secret.New(&vault{value: aws.String(canary.Token)}, "steward/slack")
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
	v := &vault{value: aws.String("old")}
	s := secret.New(v, "steward/slack")
	if _, err := s.Value(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.value = aws.String("new")
	if got, err := s.Refresh(t.Context()); err != nil || got != "new" {
		t.Fatalf("refreshed to %q, %v", got, err)
	}
	if got, err := s.Value(t.Context()); err != nil || got != "new" || v.reads != 2 {
		t.Errorf("got %q, %v after %d reads", got, err, v.reads)
	}
}

func TestFault_55_SecretThatCannotBeReadSaysWhatToDo(t *testing.T) {
	tests := map[string]struct {
		value *string
		err   error
		words string
	}{
		"missing":         {nil, &types.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}, "create the secret"},
		"denied":          {nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:GetSecretValue"}, "allow secretsmanager:GetSecretValue on the secret"},
		"denied its key":  {nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}, "kms:Decrypt"},
		"binary":          {nil, nil, "store the value as plain text"},
		"empty":           {aws.String(""), nil, "store the value as plain text"},
		"nothing to read": {aws.String(" \n"), nil, "store the value as plain text"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := &vault{value: tt.value, err: tt.err}
			s := secret.New(v, "steward/slack")
			_, err := s.Value(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.words) || !strings.Contains(err.Error(), "steward/slack") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want words %q", err, tt.words)
			}
			v.value, v.err = aws.String("hush"), nil
			if got, err := s.Value(t.Context()); err != nil || got != "hush" {
				t.Errorf("the failure was kept: %q, %v", got, err)
			}
		})
	}
}

func TestFailedRefreshKeepsTheOldValueAndNeverShowsIt(t *testing.T) {
	v := &vault{value: aws.String("hush")}
	s := secret.New(v, "steward/slack")
	if _, err := s.Value(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.err = &smithy.GenericAPIError{Code: "InternalServiceError", Message: "down"}
	if _, err := s.Refresh(t.Context()); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
	if got, err := s.Value(t.Context()); err != nil || got != "hush" {
		t.Errorf("got %q, %v", got, err)
	}
}
