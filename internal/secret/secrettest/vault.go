// Package secrettest stands in for AWS Secrets Manager where a test has to say what
// the service answers, and how often it was asked.
package secrettest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Name is that of the one secret of a Vault.
const Name = "steward/slack"

// Vault is a secret.Client with one secret, for one goroutine.
type Vault struct {
	Err    error // of every call
	Silent bool  // no call is answered
	Reads  int   // calls so far

	text *string // nil where the secret holds none
}

// Holding returns a vault with a secret.
func Holding(text string) *Vault { return &Vault{text: &text} }

// Put changes the secret.
func (v *Vault) Put(text string) { v.text = &text }

// GetSecretValue counts the call.
func (v *Vault) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	v.Reads++
	switch {
	case v.Silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case v.Err != nil:
		return nil, v.Err
	case *in.SecretId != Name:
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: v.text}, nil
}
