package events

import (
	"cmp"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// What AWS Health events are called on their way through EventBridge.
const (
	sourceHealth  = "aws.health"
	typeHealth    = "AWS Health Event"
	healthService = "EKS"
)

// notice is the detail of an AWS Health event, as far as it is used.
// https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html
type notice struct {
	ARN             string `json:"eventArn"`
	Service         string `json:"service"`
	TypeCode        string `json:"eventTypeCode"`
	Category        string `json:"eventTypeCategory"`
	Status          string `json:"statusCode"`
	Start           string `json:"startTime"`
	End             string `json:"endTime"`
	Region          string `json:"eventRegion"`
	AffectedAccount string `json:"affectedAccount"`
	Description     []struct {
		Language string `json:"language"`
		Text     string `json:"latestDescription"`
	} `json:"eventDescription"`
	Entities []entity `json:"affectedEntities"`
}

// entity is one resource. Its status is called as the guide has it, or as the API
// and AWS's own example of a planned lifecycle event do.
type entity struct {
	Value      string `json:"entityValue"`
	Status     string `json:"status"`
	StatusCode string `json:"statusCode"`
}

// over reports whether the event no longer affects the entity. All else does:
// PENDING, IMPAIRED, UNKNOWN, and what is not said.
func (e entity) over() bool {
	status := cmp.Or(e.Status, e.StatusCode)
	return status == "RESOLVED" || status == "UNIMPAIRED"
}

func decodeHealth(env envelope, head Header) (Event, error) {
	if env.DetailType != typeHealth {
		return nil, ignored("AWS Health sends events of the type %s, and we use only %q", quote(env.DetailType), typeHealth)
	}
	var n notice
	if err := unmarshal("detail", env.Detail, &n); err != nil {
		return nil, err
	}
	switch {
	case n.Service == "":
		return nil, malformed("detail.service", "is missing: want the service that the event is about")
	case n.Service != healthService:
		return nil, ignored("the event is about %s, not about EKS", quote(n.Service))
	case n.TypeCode == "" || len(n.TypeCode) > 100: // the API's limit of an eventTypeCode
		return nil, malformed("detail.eventTypeCode", "is %s: want 1 to 100 characters", quote(n.TypeCode))
	}
	head, err := n.header(head)
	if err != nil {
		return nil, err
	}
	h := &Health{Header: head, Notice: head.ID, TypeCode: n.TypeCode, Category: n.Category, Status: n.Status, Text: n.english()}
	if n.ARN != "" {
		if err := validID("detail.eventArn", n.ARN); err != nil {
			return nil, err
		}
		h.Notice = n.ARN
	}
	for _, e := range n.Entities {
		if e.over() {
			h.Resolved = append(h.Resolved, e.Value)
		} else {
			h.Entities = append(h.Entities, e.Value)
		}
	}
	if h.Start, err = healthTime("detail.startTime", n.Start); err != nil {
		return nil, err
	}
	if h.End, err = healthTime("detail.endTime", n.End); err != nil {
		return nil, err
	}
	return h, nil
}

// header says what the event is about. The envelope says where it was
// delivered: to an organisation's administrator for its members, and to a
// backup region as well.
func (n notice) header(head Header) (Header, error) {
	if n.AffectedAccount != "" {
		if fleet.ValidAccount(n.AffectedAccount) != nil {
			return head, malformed("detail.affectedAccount", "is %s: want the 12 digits of an AWS account", quote(n.AffectedAccount))
		}
		head.Account = n.AffectedAccount
	}
	if n.Region != "" {
		if fleet.ValidRegion(n.Region) != nil {
			return head, malformed("detail.eventRegion", "is %s: want a region like eu-west-1", quote(n.Region))
		}
		head.Region = n.Region
	}
	return head, nil
}

func (n notice) english() string {
	for _, d := range n.Description {
		if strings.HasPrefix(d.Language, "en") {
			return d.Text
		}
	}
	return ""
}

// healthTime reads the form that Health uses inside its detail, or that of the
// envelope; empty is not said.
func healthTime(where, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return moment(where, s, time.RFC1123, time.RFC3339)
}
