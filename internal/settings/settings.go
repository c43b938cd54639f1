// Package settings knows which run-time configuration is in force. One function
// reads the file that people edit, accepts it when it is valid and keeps it in
// the ledger; every other function reads what was accepted. A bad file is thus
// refused once, told once, and the last good one goes on serving everybody,
// after a cold start too.
package settings

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Check is the id of the finding about the run-time file.
const Check = "configuration"

// The causes of a finding about the run-time file.
const (
	CauseRefused = "refused"    // the file is not valid
	CauseUnread  = "unreadable" // the file could not be read
	CauseDeleted = "deleted"    // there was a file, and is none any more
)

// Accepted reads the configuration in force.
type Accepted interface {
	AcceptedConfig(ctx context.Context) (ledger.AcceptedConfig, error)
}

// Ledger keeps the configuration in force.
type Ledger interface {
	Accepted
	AcceptConfig(ctx context.Context, c ledger.AcceptedConfig) error
}

// File is where people put the configuration.
type File interface {
	Newest(ctx context.Context) (version string, data []byte, err error)
	Name() string // for messages, such as s3://bucket/steward.yaml
}

// Parse reads a configuration file strictly; its errors name line and column.
type Parse func(name string, data []byte) (*config.File, error)

// Current returns the configuration in force.
func Current(ctx context.Context, l Accepted) (*config.File, error) {
	a, err := l.AcceptedConfig(ctx)
	if errors.Is(err, ledger.ErrAbsent) {
		return nil, fmt.Errorf("no configuration has been accepted yet: dispatch accepts one at its next tick, or says in its log why not: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the accepted configuration: %w", err)
	}
	f, err := config.Decode(a.JSON)
	if err != nil {
		return nil, fmt.Errorf("the accepted configuration (version %s) is not of this release: %w", a.Version, err)
	}
	return f, nil
}

// Refresh looks whether there is a new file, accepts it when it is valid, and
// returns the configuration to go by with the finding about the file. Without
// any good configuration the error says so. hub is the account and region that
// the finding belongs to.
//
// A ledger that cannot be reached leaves the file itself to go by.
func Refresh(ctx context.Context, file File, parse Parse, l Ledger, hub fleet.ClusterID, now time.Time) (*config.File, fleet.Finding, error) {
	finding := fleet.Finding{
		Check: Check, Cluster: hub, Resource: file.Name(), Outcome: fleet.Pass, At: now,
		Title: "the configuration " + file.Name() + " is in force", Reason: "The newest version is valid.",
		Expected: "a valid configuration file",
	}
	inForce, inForceErr := l.AcceptedConfig(ctx)
	version, data, err := file.Newest(ctx)
	if err != nil {
		return fallBack(ctx, l, unread(finding, err), err)
	}
	if inForceErr == nil && ofDeployment(version) && !ofDeployment(inForce.Version) {
		return fallBack(ctx, l, deleted(finding), errors.New(file.Name()+" was deleted: upload it again"))
	}
	if inForceErr == nil && version == inForce.Version {
		if f, err := config.Decode(inForce.JSON); err == nil {
			return f, finding, nil
		}
	}
	f, err := parse(file.Name(), data)
	if err != nil {
		return fallBack(ctx, l, refused(finding, version, err), err)
	}
	if errors.Is(inForceErr, ledger.ErrUnavailable) {
		return f, finding, nil
	}
	return f, finding, accept(ctx, l, f, version, now)
}

// ofDeployment reports whether a version is of the file that a deployment brings
// along, which serves until somebody uploads one.
func ofDeployment(version string) bool { return strings.HasPrefix(version, config.DefaultVersion) }

func accept(ctx context.Context, l Ledger, f *config.File, version string, now time.Time) error {
	encoded, err := config.Encode(f)
	if err != nil {
		return fmt.Errorf("encode configuration version %s: %w", version, err)
	}
	if err := l.AcceptConfig(ctx, ledger.AcceptedConfig{Version: version, At: now, JSON: encoded}); err != nil {
		return fmt.Errorf("accept configuration version %s: %w", version, err)
	}
	return nil
}

// fallBack serves the last good configuration when the file is of no use.
func fallBack(ctx context.Context, l Accepted, finding fleet.Finding, cause error) (*config.File, fleet.Finding, error) {
	f, err := Current(ctx, l)
	if err != nil {
		return nil, finding, errors.Join(cause, err)
	}
	return f, finding, nil
}

func refused(f fleet.Finding, version string, err error) fleet.Finding {
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, CauseRefused
	f.Title = "the configuration " + f.Resource + " was refused"
	f.Reason = err.Error()
	f.Observed = "version " + version
	f.Meaning = "The last good version goes on serving; what was changed since is not in force."
	f.Remedy = "Run steward config validate on the file, mend what it names, and upload it again."
	if above := (*config.AboveMaxMode)(nil); errors.As(err, &above) {
		f.Remedy = "Ask for no more than the deployment allows, and upload the file again. To see whether it does: " +
			"steward config validate steward.yaml --max-mode " + above.Most.String() + ". " +
			"Or deploy with what the file asks for: maxMode and secretsEncryption.keyGuard under eksSteward in cdk.json."
	}
	return f
}

func unread(f fleet.Finding, err error) fleet.Finding {
	f.Outcome, f.Severity, f.Cause = fleet.Unknown, fleet.Warning, CauseUnread
	f.Title = "the configuration " + f.Resource + " could not be read"
	f.Reason = err.Error()
	f.Meaning = "The last good version goes on serving; a newer one would not be noticed."
	f.Remedy = "Allow s3:GetObject on the file to the dispatch function, or upload the file."
	return f
}

func deleted(f fleet.Finding) fleet.Finding {
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, CauseDeleted
	f.Observed = "no file"
	f.Title = "the configuration " + f.Resource + " was deleted"
	f.Reason = "There was a file, and there is none any more."
	f.Meaning = "The last good version goes on serving: targets, routes and mutes stay as they were, and cannot be changed."
	f.Remedy = "Upload the file again, or remove its delete marker from the bucket. To do without one of your own, upload one that names your accounts only."
	return f
}
