// Package awsfleet reads clusters, limits and sizes from AWS with the SDK, and
// says in the fleet's words what it could not read. It decides nothing about a
// cluster, and it never writes: every action it calls is a read, besides
// assuming the role of a target.
package awsfleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Fleet reads targets. It may be used by several goroutines, and is meant to
// live as long as its process: it keeps the credentials of every role and the
// clients of every region that it was asked for.
type Fleet struct {
	hub aws.Config
	sts *sts.Client

	mu      sync.Mutex
	roles   map[string]aws.CredentialsProvider // by ARN
	regions map[place]clients
}

// place is where a client works: as whom, and in which region.
type place struct{ role, region string }

type clients struct {
	eks        *eks.Client
	cloudwatch *cloudwatch.Client
}

// New returns a Fleet that starts from the credentials, region and endpoints of
// hub. How calls are retried is the Fleet's own affair.
func New(hub aws.Config) *Fleet {
	hub.Retryer = patient
	if hub.HTTPClient == nil {
		// Left to themselves, the clients of services and regions would each keep
		// connections of their own: more than a function may have open.
		hub.HTTPClient = awshttp.NewBuildableClient().Freeze()
	}
	hub.APIOptions = append(slices.Clone(hub.APIOptions), middleware.AddUserAgentKey(name))
	return &Fleet{
		hub:     hub,
		sts:     sts.NewFromConfig(hub),
		roles:   map[string]aws.CredentialsProvider{},
		regions: map[place]clients{},
	}
}

// name is what AWS's logs show of us: the user agent's suffix and the name of
// the sessions.
const name = "eks-steward"

// The SDK's three attempts lose calls where many clusters are described at
// once; each client learns the rate that the account allows. A wait
// between two attempts ends with the context. Twenty seconds, the SDK's own
// bound, would let one call sleep through most of a function's time.
const (
	attempts   = 10
	maxBackoff = 8 * time.Second
)

func patient() aws.Retryer {
	return newPace(retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		o.Backoff = retry.NewExponentialJitterBackoff(maxBackoff)
	}))
}

// Unanswered retries a call that changes something only where the service throttled
// it or it did not reach the service. What was answered, a failure of the service
// included, is for the caller to judge: the state is read again before the next
// attempt.
func Unanswered() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.RetryableConnectionError{},
			retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
		}
	})
}

// Identity returns the account and the ARN that the hub's credentials belong to.
func (f *Fleet) Identity(ctx context.Context) (account, arn string, err error) {
	out, err := f.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", refusal.Of("sts:GetCallerIdentity", err)
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}

// at returns the clients for a target.
func (f *Fleet) at(t fleet.Target) clients {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := place{t.Role, t.Region}
	c, ok := f.regions[p]
	if !ok {
		cfg := f.config(t)
		c = clients{eks: eks.NewFromConfig(cfg), cloudwatch: cloudwatch.NewFromConfig(cfg)}
		f.regions[p] = c
	}
	return c
}

// EKS is the client that a target's clusters are read with. Who shares it shares
// the pace that it has learned.
func (f *Fleet) EKS(t fleet.Target) *eks.Client { return f.at(t).eks }

// Config is how a target's other services are called: as whom, where, and with
// the Fleet's patience.
func (f *Fleet) Config(t fleet.Target) aws.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.config(t)
}

// config is Config for a caller who holds the lock.
func (f *Fleet) config(t fleet.Target) aws.Config {
	cfg := f.hub.Copy()
	cfg.Region = t.Region
	cfg.Credentials = f.credentials(t.Role)
	return cfg
}

// Pages follows page tokens until there are no more. A token that was seen
// before would go round for ever: it ends the reading with LoopingPages. action
// is the IAM action of the call. The error is a *fleet.Trouble.
func Pages(action string, read func(token *string) (next *string, err error)) error {
	seen := map[string]bool{}
	var token *string
	for {
		next, err := read(token)
		if err != nil {
			return refusal.Of(action, err)
		}
		if aws.ToString(next) == "" {
			return nil
		}
		if seen[*next] {
			return &fleet.Trouble{
				Kind: fleet.LoopingPages, Action: action,
				Err: fmt.Errorf("page %d of the answer points back to a page that was read before: the list may be incomplete", len(seen)+1),
			}
		}
		seen[*next] = true
		token = next
	}
}
