package events

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Source is what our own events name as their source, on the bus and in queues.
const Source = "eks-steward"

// SchemaVersion is the version of the detail of our own events. It changes when
// a rule or function written for the old one would misread the new one.
const SchemaVersion = 1

// The detail-types of our own events.
const (
	typeTick            = "Tick"
	typeTargetScan      = "Scan Target"
	typeFindingOpened   = "Finding Opened"
	typeFindingChanged  = "Finding Changed"
	typeFindingResolved = "Finding Resolved"
	typePendingNotices  = "Pending Notices"
	typePlanApproved    = "Plan Approved"
)

// findingTypes are the detail-types of IncidentMoved by transition.
var findingTypes = map[string]string{
	"opened":   typeFindingOpened,
	"changed":  typeFindingChanged,
	"resolved": typeFindingResolved,
}

// stamp is what the detail of all our own events has.
type stamp struct {
	SchemaVersion int `json:"schemaVersion"`
	// The bus gives each publication another envelope id: ours travels inside,
	// so that an incident's move that is announced twice stays recognisable.
	ID string `json:"id,omitempty"`
}

func decodeOwn(env envelope, head Header) (Event, error) {
	var s stamp
	if err := unmarshal("detail", env.Detail, &s); err != nil {
		return nil, err
	}
	if s.SchemaVersion != SchemaVersion {
		return nil, malformed("detail.schemaVersion", "is %d: want %d, so deploy all functions in one version", s.SchemaVersion, SchemaVersion)
	}
	if s.ID != "" {
		if err := validID("detail.id", s.ID); err != nil {
			return nil, err
		}
		head.ID = s.ID
	}
	switch env.DetailType {
	case typeTick:
		return decodeTick(env, head)
	case typeTargetScan:
		return decodeTargetScan(env, head)
	case typeFindingOpened, typeFindingChanged, typeFindingResolved:
		return decodeIncidentMoved(env, head)
	case typePendingNotices:
		return &PendingNotices{Header: head}, nil
	case typePlanApproved:
		return decodePlanApproved(env, head)
	case typePlanRollout:
		return &PlanRollout{Header: head}, nil
	case typeRolloutCommand:
		return decodeRolloutCommand(env, head)
	case typeRolloutStarted, typeRolloutGroupBegun, typeRolloutGroupCompleted, typeRolloutGroupFailed,
		typeRolloutHalted, typeRolloutPaused, typeRolloutResumed, typeRolloutCompleted, typeRolloutAborted:
		return decodeRolloutMoved(env, head)
	}
	return nil, malformed("detail-type", "is %s: want a message that %s sends", quote(env.DetailType), Source)
}

func decodeTick(env envelope, head Header) (Event, error) {
	e := &Tick{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	if err := e.Cadence.valid(); err != nil {
		return nil, err
	}
	return e, nil
}

func (c Cadence) valid() error {
	if c.Interval() == 0 {
		return malformed("detail.cadence", "is %s: want %s, %s or %s", quote(string(c)), FiveMinutes, Hourly, Daily)
	}
	return nil
}

func decodeTargetScan(env envelope, head Header) (Event, error) {
	e := &TargetScan{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	if err := e.Cadence.valid(); err != nil {
		return nil, err
	}
	if err := validTarget(e.Target); err != nil {
		return nil, err
	}
	for i, name := range e.Clusters {
		if fleet.ValidClusterName(name) != nil {
			return nil, malformed(fmt.Sprintf("detail.clusters[%d]", i), "is %s: want the name of a cluster", quote(name))
		}
	}
	switch {
	case e.Update == "":
	case !validUpdate(e.Update):
		return nil, malformed("detail.update", "is %s: want the id of an update, a UUID", quote(e.Update))
	case len(e.Clusters) != 1:
		return nil, malformed("detail.update", "is about one of %d clusters: want exactly one in detail.clusters", len(e.Clusters))
	}
	if len(e.Clusters) == 0 {
		e.Clusters = nil // [] and no list mean the same
	}
	e.Account, e.Region = e.Target.Account, e.Target.Region
	return e, nil
}

// maxARN is longer than the ARN of any role or key can be: a role's path and name
// have 576 characters at most (IAM quotas).
const maxARN = 700

// roleARN is the grammar of a role with its path, in any partition. It is compiled
// at its first use, as a cold start pays for every pattern.
var roleARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:[a-z0-9-]+:iam::([0-9]{12}):role/[!-~]+$`)
})

// validTarget also holds the role to the target's account: a message must not
// send a function into an account that it does not name.
func validTarget(t fleet.Target) error {
	if fleet.ValidAccount(t.Account) != nil {
		return malformed("detail.target.account", "is %s: want the 12 digits of an AWS account", quote(t.Account))
	}
	if fleet.ValidRegion(t.Region) != nil {
		return malformed("detail.target.region", "is %s: want a region like eu-west-1", quote(t.Region))
	}
	if t.Role == "" {
		return nil
	}
	if m := roleARN().FindStringSubmatch(t.Role); len(t.Role) > maxARN || m == nil || m[1] != t.Account {
		return malformed("detail.target.role", "is %s: want the ARN of a role of account %s", quote(t.Role), t.Account)
	}
	return nil
}

// maxIncident is the limit of a sort key in DynamoDB, which an incident's id becomes.
const maxIncident = 1024

func decodeIncidentMoved(env envelope, head Header) (Event, error) {
	e := &IncidentMoved{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	switch cluster := e.Finding.Cluster; {
	case e.Incident == "" || len(e.Incident) > maxIncident:
		return nil, malformed("detail.incident", "is %s: want the id of an incident, 1 to %d bytes", quote(e.Incident), maxIncident)
	case findingTypes[e.Transition] != env.DetailType:
		return nil, malformed("detail.transition", "is %s: want the one that the detail-type %q names", quote(e.Transition), env.DetailType)
	case e.Revision < 1:
		return nil, malformed("detail.revision", "is %d: want 1 or more", e.Revision)
	case fleet.ValidAccount(cluster.Account) != nil:
		return nil, malformed("detail.finding.cluster.account", "is %s: want the 12 digits of an AWS account", quote(cluster.Account))
	case fleet.ValidRegion(cluster.Region) != nil:
		return nil, malformed("detail.finding.cluster.region", "is %s: want a region like eu-west-1", quote(cluster.Region))
	case cluster.Name != "" && fleet.ValidClusterName(cluster.Name) != nil:
		return nil, malformed("detail.finding.cluster.cluster", "is %s: want the name of a cluster", quote(cluster.Name))
	}
	if len(e.Finding.Facts) == 0 {
		e.Finding.Facts = nil
	}
	e.Account, e.Region = e.Finding.Cluster.Account, e.Finding.Cluster.Region
	return e, nil
}

// planHash is the grammar of a plan's hash: SHA-256 in hex.
var planHash = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

// maxApprover bounds the name of who approved, in bytes: an ARN is the longest.
const maxApprover = maxARN

func decodePlanApproved(env envelope, head Header) (Event, error) {
	e := &PlanApproved{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	// A plan of rollouts is one of many clusters: it names the region of the deployment.
	unnamed := e.Capability == nodegroupRollout && e.Cluster.Name == ""
	switch {
	case !planHash().MatchString(e.Plan):
		return nil, malformed("detail.plan", "is %s: want the hash of a plan, 64 hexadecimal digits", quote(e.Plan))
	case e.Capability != secretsEncryption && e.Capability != nodegroupRollout:
		return nil, malformed("detail.capability", "is %s: want %s or %s, so deploy all functions in one version", quote(e.Capability), secretsEncryption, nodegroupRollout)
	case fleet.ValidAccount(e.Cluster.Account) != nil:
		return nil, malformed("detail.cluster.account", "is %s: want the 12 digits of an AWS account", quote(e.Cluster.Account))
	case fleet.ValidRegion(e.Cluster.Region) != nil:
		return nil, malformed("detail.cluster.region", "is %s: want a region like eu-west-1", quote(e.Cluster.Region))
	case !unnamed && fleet.ValidClusterName(e.Cluster.Name) != nil:
		return nil, malformed("detail.cluster.cluster", "is %s: want the name of a cluster", quote(e.Cluster.Name))
	case !printable(e.By, maxApprover):
		return nil, malformed("detail.by", "is %s: want who approved, 1 to %d printable bytes", quote(e.By), maxApprover)
	case e.Via != ViaSlack && e.Via != ViaCommandLine:
		return nil, malformed("detail.via", "is %s: want %s or %s", quote(e.Via), ViaSlack, ViaCommandLine)
	}
	e.Account, e.Region = e.Cluster.Account, e.Cluster.Region
	return e, nil
}

// printable reports whether a text has one byte to so many, and nothing that would
// write to a terminal or begin a line.
func printable(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Message renders one of our own events as Decode reads it back: *Tick,
// *TargetScan, *IncidentMoved, *PendingNotices, *PlanApproved, *PlanRollout,
// *RolloutCommand or *RolloutMoved. What Decode would refuse is refused here, where
// the mistake is.
func Message(e Event) ([]byte, error) {
	env, err := wrap(e)
	if err != nil {
		return nil, err
	}
	return env.seal()
}

// An Entry is an event as PutEvents takes it.
type Entry struct {
	Source     string
	DetailType string
	Detail     string // JSON
	Resources  []string
	Time       time.Time
}

// Entry renders the event for our bus.
func (e *IncidentMoved) Entry() (Entry, error) { return entry(e) }

// Entry renders the event for our bus.
func (e *RolloutMoved) Entry() (Entry, error) { return entry(e) }

func entry(e Event) (Entry, error) {
	env, err := wrap(e)
	if err != nil {
		return Entry{}, err
	}
	// The whole message is held to the limit, and the entry is less than it:
	// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
	if _, err := env.seal(); err != nil {
		return Entry{}, err
	}
	return Entry{Source: env.Source, DetailType: env.DetailType, Detail: string(env.Detail), Resources: env.Resources, Time: e.Head().Time}, nil
}

func (e envelope) seal() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %q: %w", e.DetailType, err)
	}
	if _, err := Decode(b); err != nil {
		return nil, fmt.Errorf("encode %q: %w", e.DetailType, err)
	}
	return b, nil
}

// wrap puts an event into its envelope.
func wrap(e Event) (envelope, error) {
	head, resources := e.Head(), []string{}
	var detailType string
	var detail any
	switch e := e.(type) {
	case *Tick:
		detailType, detail = typeTick, struct {
			stamp
			*Tick
		}{stamp{SchemaVersion: SchemaVersion}, e}
	case *TargetScan:
		detailType, detail = typeTargetScan, struct {
			stamp
			*TargetScan
		}{stamp{SchemaVersion: SchemaVersion}, e}
	case *IncidentMoved:
		current := *e
		current.SchemaVersion = SchemaVersion
		detailType, resources = findingTypes[e.Transition], []string{e.Incident}
		detail = struct {
			ID string `json:"id"`
			*IncidentMoved
		}{head.ID, &current}
	case *PendingNotices:
		detailType, detail = typePendingNotices, stamp{SchemaVersion: SchemaVersion}
	case *PlanApproved:
		detailType, detail = typePlanApproved, struct {
			stamp
			*PlanApproved
		}{stamp{SchemaVersion: SchemaVersion}, e}
	case *PlanRollout:
		detailType, detail = typePlanRollout, stamp{SchemaVersion: SchemaVersion}
	case *RolloutCommand:
		detailType, detail = typeRolloutCommand, struct {
			stamp
			*RolloutCommand
		}{stamp{SchemaVersion: SchemaVersion}, e}
	case *RolloutMoved:
		current := *e
		current.SchemaVersion = SchemaVersion
		detailType, resources = rolloutMove(e.Transition), []string{e.Rollout}
		detail = struct {
			ID string `json:"id"`
			*RolloutMoved
		}{head.ID, &current}
	default:
		return envelope{}, fmt.Errorf("%T is not ours to send", e)
	}
	b, err := json.Marshal(detail)
	if err != nil {
		return envelope{}, fmt.Errorf("encode %q: %w", detailType, err)
	}
	return envelope{
		Version: "0", ID: head.ID, DetailType: detailType, Source: Source,
		Account: head.Account, Time: head.Time.UTC().Format(time.RFC3339Nano), Region: head.Region,
		Resources: resources, Detail: b,
	}, nil
}

// TickInput is what EventBridge Scheduler puts into the queue at every beat of
// a schedule. The id is made of the beat and not of the attempt, which
// <aws.scheduler.execution-id> counts: a beat that is sent twice is one event.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func TickInput(c Cadence) string {
	return fmt.Sprintf(`{"version":"0","id":"tick/%[1]s/<aws.scheduler.scheduled-time>","detail-type":%[2]q,"source":%[3]q,`+
		`"account":"","time":"<aws.scheduler.scheduled-time>","region":"","resources":[],`+
		`"detail":{"schemaVersion":%[4]d,"cadence":%[1]q,"execution":"<aws.scheduler.execution-id>"}}`,
		c, typeTick, Source, SchemaVersion)
}
