package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/incident"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// SchemaVersion is the version of Move. It changes when a receiver written for
// the old one would misread the new one; a new member alone does not change it.
const SchemaVersion = 1

// Move is what machines hear of an incident that came to another revision: the
// body of the message, as JSON. Its names stay as they are.
type Move struct {
	SchemaVersion int           `json:"schemaVersion"`
	Kind          notify.Kind   `json:"kind"` // opened, changed or resolved
	Incident      Incident      `json:"incident"`
	Finding       fleet.Finding `json:"finding"` // the newest observation; once it is over, the one that says so
	Links         []Link        `json:"links,omitempty"`
	Cut           int           `json:"cut,omitempty"` // bytes of the finding that did not fit into the message
}

// Incident is how an incident stands.
type Incident struct {
	ID       string         `json:"id"` // the same for all moves of one incident, and for when it opens again
	State    incident.State `json:"state"`
	Severity fleet.Severity `json:"severity"` // as it is; once it is over, the worst that it was
	Worst    fleet.Severity `json:"worst"`    // since it was opened
	Opened   time.Time      `json:"opened"`
	Changed  time.Time      `json:"changed"`  // when it came to this revision
	Revision int            `json:"revision"` // counts its moves: the higher one is the newer, whatever comes last
	Muted    bool           `json:"muted"`    // people do not hear of it, as the run-time file says
}

// Link is a place where a person reads on.
type Link struct {
	Label string `json:"label"` // Console, Runbook, Dashboard
	URL   string `json:"url"`
}

// Machines is an SNS topic that programs read. It satisfies notify.Channel, for
// messages about one incident.
type Machines struct{ topic *Topic }

var _ notify.Channel = Machines{}

// NewMachines returns the topic of that ARN.
func NewMachines(client Client, arn string) Machines { return Machines{New(client, arn)} }

// Post publishes the move of an incident. Its errors are those of Topic.
func (c Machines) Post(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	body, attributes, err := Encode(m)
	if err != nil {
		return "", &notify.Refused{Reason: err.Error()}
	}
	return "", c.topic.publish(ctx, &sns.PublishInput{Message: &body, MessageAttributes: wire(attributes)})
}

// Encode is a message as machines read it: the JSON of a Move, and the attributes
// that filter policies select by. The result is always one that SNS accepts. A
// message about several incidents, or about none that the ledger has, is an
// error: machines hear of every move by itself.
func Encode(m notify.Message) (body string, attributes map[string][]string, err error) {
	if len(m.Notices) != 1 || m.Kind == notify.LedgerOut {
		return "", nil, fmt.Errorf("a message of kind %s about %d incidents is for people: machines hear of one incident at a time", m.Kind, len(m.Notices))
	}
	n := m.Notices[0]
	i := n.Incident
	move := Move{
		SchemaVersion: SchemaVersion, Kind: n.Kind, Finding: i.Finding,
		Incident: Incident{
			ID: i.ID(), State: i.State, Severity: n.Severity(), Worst: i.Worst,
			Opened: i.Opened.UTC(), Changed: i.Changed.UTC(), Revision: i.Revision, Muted: m.Muted,
		},
	}
	for _, l := range m.Links {
		move.Links = append(move.Links, Link(l))
	}
	attributes = labels(move)
	body, err = fit(move, maxMessage-weight(attributes))
	return body, attributes, err
}

// labels are the attributes of a move. There are at most ten, since a queue that
// is subscribed with raw delivery drops a message with more:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
func labels(move Move) map[string][]string {
	f, i := move.Finding, move.Incident
	all := map[string][]string{}
	for name, value := range map[string]string{
		"schemaVersion": strconv.Itoa(move.SchemaVersion), "kind": string(move.Kind),
		"state": string(i.State), "severity": i.Severity.String(), "muted": strconv.FormatBool(i.Muted),
		"check": f.Check, "account": f.Cluster.Account, "region": f.Cluster.Region, "cluster": f.Cluster.Name,
	} {
		if value = first(plain(value), maxValue); value != "" {
			all[name] = []string{value}
		}
	}
	return all
}

// errTooLarge cannot come of a finding that the ledger could hold.
var errTooLarge = errors.New("the incident does not fit into a message of SNS, even without the texts of its finding")

// fit encodes a move in at most limit bytes. Of a finding that is too large every
// text is cut to the same length, half as long each time, and Cut says by how much.
func fit(move Move, limit int) (string, error) {
	whole := move.Finding
	for most := limit; ; most /= 2 {
		text, err := json.Marshal(move)
		if err != nil {
			return "", fmt.Errorf("encode incident %s: %w", move.Incident.ID, err)
		}
		// JSON has control characters escaped; what else a queue cannot carry goes.
		if body := plain(string(text)); len(body) <= limit {
			return body, nil
		}
		if most == 0 {
			return "", errTooLarge
		}
		move.Finding, move.Cut = shortened(whole, most)
	}
}

// maxFacts is how many facts a finding keeps that is too large.
const maxFacts = 50

// shortened is a finding with every text for people cut to at most so many bytes,
// and how many bytes that left out.
func shortened(f fleet.Finding, most int) (short fleet.Finding, left int) {
	cut := func(s *string) {
		kept := first(*s, most)
		left += len(*s) - len(kept)
		*s = kept
	}
	for _, fact := range f.Facts[min(len(f.Facts), maxFacts):] {
		left += len(fact.Label) + len(fact.Value)
	}
	f.Facts = slices.Clone(f.Facts[:min(len(f.Facts), maxFacts)])
	for i := range f.Facts {
		cut(&f.Facts[i].Label)
		cut(&f.Facts[i].Value)
	}
	if f.Approval != nil {
		approval := *f.Approval
		cut(&approval.Text)
		f.Approval = &approval
	}
	for _, text := range []*string{&f.Title, &f.Reason, &f.Meaning, &f.Observed, &f.Expected, &f.Remedy} {
		cut(text)
	}
	return f, left
}
