package config

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Notify says who hears of what, and when.
type Notify struct {
	DigestAbove int            `json:"digestAbove"`
	MinSeverity fleet.Severity `json:"minSeverity"`
	TimeZone    string         `json:"timeZone"` // of messages, and of every hour and day here
	SNS         string         `json:"sns"`      // SNSAlways or SNSFallback
	Slack       bool           `json:"slack"`
	Routes      []Route        `json:"routes"` // with a bot token, and of no use without

	// For the webhook, which is one place: a route has its own.
	QuietFrom string `json:"quietFrom"` // such as 22:00, empty for none
	QuietTo   string `json:"quietTo"`
	DigestAt  string `json:"digestAt"` // a digest each day beside the messages; empty for none

	RemindCritical time.Duration `json:"remindCritical"` // 0 is never
	RemindWarning  time.Duration `json:"remindWarning"`
	OwnerTag       string        `json:"ownerTag"` // of clusters
	Owners         []Owner       `json:"owners"`
	Runbooks       string        `json:"runbooks"` // the address that the files' names are put behind
}

// When a message goes to SNS.
const (
	SNSAlways   = "always"   // every message
	SNSFallback = "fallback" // only what no channel of Slack tells or took
)

// Route is a channel of Slack and what is told there.
type Route struct {
	Channel     string         `json:"channel"`     // id
	MinSeverity fleet.Severity `json:"minSeverity"` // where it is left out, the one of Notify
	Checks      []string       `json:"checks"`      // none means all
	Match       Match          `json:"match"`
	DigestAt    string         `json:"digestAt"`  // with it only a digest each day goes there
	QuietFrom   string         `json:"quietFrom"` // empty for none
	QuietTo     string         `json:"quietTo"`
}

// Owner is who is mentioned for the clusters of one owner.
type Owner struct {
	Tag     string `json:"tag"`     // value of the tag Notify.OwnerTag
	Mention string `json:"mention"` // id of a user or a user group of Slack
}

// Mute keeps some findings from being told for a while.
type Mute struct {
	Match     Match    `json:"match"`
	Checks    []string `json:"checks"`    // none means all
	Resources []string `json:"resources"` // patterns of path.Match; none means all
	Until     string   `json:"until"`     // a day, which counts to its end, or a time of RFC 3339
	Reason    string   `json:"reason"`
}

// Location is the time zone of the messages. The error says that the zone is
// unknown here, which also happens where no time zone database is embedded.
func (n Notify) Location() (*time.Location, error) {
	zone, err := time.LoadLocation(n.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", n.TimeZone, err)
	}
	return zone, nil
}

// DigestDue reports whether the time of a daily digest came after since, by now.
// The two are less than a day apart.
func (n Notify) DigestDue(since, now time.Time) bool {
	zone, err := n.Location()
	if err != nil {
		return false // notify tells nothing then either
	}
	times := []string{n.DigestAt}
	for _, r := range n.Routes {
		times = append(times, r.DigestAt)
	}
	year, month, day := now.In(zone).Date()
	for _, of := range times {
		at, err := time.Parse("15:04", of)
		if err != nil {
			continue // it has none
		}
		for _, day := range []int{day - 1, day} {
			due := time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, zone)
			if due.After(since) && !due.After(now) {
				return true
			}
		}
	}
	return false
}

// Mention is the id of the user or the user group of Slack to mention for an
// owner; empty where nobody is named for it.
func (n Notify) Mention(owner string) string {
	i := slices.IndexFunc(n.Owners, func(o Owner) bool { return o.Tag == owner })
	if i < 0 {
		return ""
	}
	return n.Owners[i].Mention
}

// Muted is the mute that keeps a finding from being told; of several, the one that
// ends last. It is false where none does. Days end in the time zone of the
// messages; where that is unknown (see Notify.Location), in UTC.
func (f *File) Muted(c fleet.ClusterID, check, resource string, now time.Time) (Mute, bool) {
	zone, err := f.Notify.Location()
	if err != nil {
		zone = time.UTC
	}
	var last Mute
	found := false
	for _, m := range f.Mutes {
		if m.matches(c, check, resource) && now.Before(m.Ends(zone)) && (!found || m.Ends(zone).After(last.Ends(zone))) {
			last, found = m, true
		}
	}
	return last, found
}

func (m Mute) matches(c fleet.ClusterID, check, resource string) bool {
	return m.Match.Matches(c) &&
		(m.Checks == nil || slices.Contains(m.Checks, check)) &&
		(m.Resources == nil || slices.ContainsFunc(m.Resources, func(pattern string) bool {
			ok, err := path.Match(pattern, resource)
			return err == nil && ok && resource != ""
		}))
}

// Ends is the first moment at which a mute holds no more. A day ends in zone.
func (m Mute) Ends(zone *time.Location) time.Time {
	if day, err := time.ParseInLocation(time.DateOnly, m.Until, zone); err == nil {
		return day.AddDate(0, 0, 1)
	}
	at, _ := time.Parse(time.RFC3339, m.Until) // the zero time, long over, for what Build refuses
	return at
}
