package events

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// The detail-types of what is said about rollouts.
const (
	typePlanRollout           = "Plan Rollout"
	typeRolloutCommand        = "Rollout Command"
	typeRolloutStarted        = "Rollout Started"
	typeRolloutGroupBegun     = "Rollout Group Begun"
	typeRolloutGroupCompleted = "Rollout Group Completed"
	typeRolloutGroupFailed    = "Rollout Group Failed"
	typeRolloutHalted         = "Rollout Halted"
	typeRolloutPaused         = "Rollout Paused"
	typeRolloutResumed        = "Rollout Resumed"
	typeRolloutCompleted      = "Rollout Completed"
	typeRolloutAborted        = "Rollout Aborted"
)

// PlanRollout asks whether nodegroups are to be rolled.
type PlanRollout struct {
	Header `json:"-"` // account and region may be empty
}

// RolloutCommand is what a person wants of rollouts. A cluster is named by its
// name, or by account/region/name where clusters share one; a group by its
// cluster, a slash and its name.
type RolloutCommand struct {
	Header  `json:"-"` // account and region may be empty
	Verb    string     `json:"verb"`              // VerbStart, ...
	Rollout string     `json:"rollout,omitempty"` // id; empty for the active one
	// Clusters narrows a start to these; empty means all of the configuration.
	Clusters []string `json:"clusters,omitempty"`
	// Forced are the groups that a start renews whatever they have; cluster/* means
	// all of a cluster.
	Forced []string `json:"forced,omitempty"`
	Skip   []string `json:"skip,omitempty"`  // groups that a resume leaves out
	Group  string   `json:"group,omitempty"` // that is to be tried again
	Why    string   `json:"why,omitempty"`   // for people
	By     string   `json:"by"`              // for people
	Via    string   `json:"via"`             // ViaSlack or ViaCommandLine
}

// What a person can want of rollouts.
const (
	VerbStart  = "start"
	VerbPause  = "pause"
	VerbResume = "resume"
	VerbAbort  = "abort"
	VerbRetry  = "retry"
)

// RolloutMoved says that a rollout, or a group in it, came to another state. It
// names the rollout; what is true of it is in the ledger.
type RolloutMoved struct {
	Header        `json:"-"`      // account and region are the cluster's, if there is one
	SchemaVersion int             `json:"schemaVersion"`    // Message and Entry always write SchemaVersion
	Rollout       string          `json:"rollout"`          // id
	Transition    string          `json:"transition"`       // started, group-begun, ...
	State         string          `json:"state"`            // running, paused, halted, completed, aborted
	Wave          string          `json:"wave,omitempty"`   // name of the current one
	Cluster       fleet.ClusterID `json:"cluster,omitzero"` // of Group; zero for moves of the rollout itself
	Group         string          `json:"group,omitempty"`
	Why           string          `json:"why,omitempty"` // for people
	Done          int             `json:"done"`          // groups that are at an end
	Total         int             `json:"total"`         // groups of the rollout
}

// groupTypes and rolloutTypes are the detail-types of RolloutMoved by transition:
// those that are about one group, and those about the rollout.
var (
	groupTypes = map[string]string{
		"group-begun":     typeRolloutGroupBegun,
		"group-completed": typeRolloutGroupCompleted,
		"group-failed":    typeRolloutGroupFailed,
	}
	rolloutTypes = map[string]string{
		"started":   typeRolloutStarted,
		"halted":    typeRolloutHalted,
		"paused":    typeRolloutPaused,
		"resumed":   typeRolloutResumed,
		"completed": typeRolloutCompleted,
		"aborted":   typeRolloutAborted,
	}
)

var rolloutStates = []string{"running", "paused", "halted", "completed", "aborted"}

// rolloutMove is the detail-type of a transition, or empty.
func rolloutMove(transition string) string {
	if t, ok := groupTypes[transition]; ok {
		return t
	}
	return rolloutTypes[transition]
}

const (
	maxWhy   = 1000 // bytes
	maxNames = 500  // in one list: far below the limit of a message
)

// The grammars of a rollout's id, and of the name of a nodegroup (EKS
// CreateNodegroup API: at most 63 characters).
var (
	rolloutID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9]{4}-[0-9a-f]{12}$`) })
	groupName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,62}$`) })
)

func decodeRolloutCommand(env envelope, head Header) (Event, error) {
	e := &RolloutCommand{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	if err := e.fits(); err != nil {
		return nil, err
	}
	for _, list := range []struct {
		field string
		names *[]string
		valid func(string) bool
		want  string
	}{
		{"clusters", &e.Clusters, namesCluster, "a cluster's name or account/region/name"},
		{"forced", &e.Forced, namesGroups, "cluster/group, or cluster/* for all of it"},
		{"skip", &e.Skip, namesGroup, "cluster/group"},
	} {
		if n := len(*list.names); n > maxNames {
			return nil, malformed("detail."+list.field, "has %d names: want at most %d", n, maxNames)
		}
		for i, name := range *list.names {
			if !list.valid(name) {
				return nil, malformed(fmt.Sprintf("detail.%s[%d]", list.field, i), "is %s: want %s", quote(name), list.want)
			}
		}
		if len(*list.names) == 0 {
			*list.names = nil // [] and no list mean the same
		}
	}
	switch {
	case e.Rollout != "" && !rolloutID().MatchString(e.Rollout):
		return nil, malformed("detail.rollout", "is %s: want the id of a rollout such as 20261121-1930-4f0c2ab19d3e, or none for the active one", quote(e.Rollout))
	case e.Group != "" && !namesGroup(e.Group):
		return nil, malformed("detail.group", "is %s: want cluster/group", quote(e.Group))
	case e.Why != "" && !printable(e.Why, maxWhy):
		return nil, malformed("detail.why", "is %s: want at most %d printable bytes", quote(e.Why), maxWhy)
	case !printable(e.By, maxApprover):
		return nil, malformed("detail.by", "is %s: want who it is, 1 to %d printable bytes", quote(e.By), maxApprover)
	case e.Via != ViaSlack && e.Via != ViaCommandLine:
		return nil, malformed("detail.via", "is %s: want %s or %s", quote(e.Via), ViaSlack, ViaCommandLine)
	}
	return e, nil
}

// fits checks that a command has no words that its verb has no use for: one that
// was understood in part only would do something else than the person wants.
func (e *RolloutCommand) fits() error {
	switch e.Verb {
	case VerbStart, VerbPause, VerbResume, VerbAbort, VerbRetry:
	default:
		return malformed("detail.verb", "is %s: want %s, %s, %s, %s or %s", quote(e.Verb), VerbStart, VerbPause, VerbResume, VerbAbort, VerbRetry)
	}
	for _, word := range []struct {
		field string
		there bool
		verb  string // that alone takes it
	}{
		{"clusters", len(e.Clusters) > 0, VerbStart},
		{"forced", len(e.Forced) > 0, VerbStart},
		{"skip", len(e.Skip) > 0, VerbResume},
		{"group", e.Group != "", VerbRetry},
	} {
		if word.there && e.Verb != word.verb {
			return malformed("detail."+word.field, "goes with %s, not with %s", word.verb, e.Verb)
		}
	}
	switch {
	case e.Verb == VerbStart && e.Rollout != "":
		return malformed("detail.rollout", "is %s: a rollout that is to start has no id yet", quote(e.Rollout))
	case e.Verb == VerbRetry && e.Group == "":
		return malformed("detail.group", "is missing: want the cluster/group that is to be tried again")
	}
	return nil
}

func decodeRolloutMoved(env envelope, head Header) (Event, error) {
	e := &RolloutMoved{Header: head}
	if err := unmarshal("detail", env.Detail, e); err != nil {
		return nil, err
	}
	_, ofGroup := groupTypes[e.Transition]
	switch {
	case !rolloutID().MatchString(e.Rollout):
		return nil, malformed("detail.rollout", "is %s: want the id of a rollout such as 20261121-1930-4f0c2ab19d3e", quote(e.Rollout))
	case rolloutMove(e.Transition) != env.DetailType:
		return nil, malformed("detail.transition", "is %s: want the one that the detail-type %q names", quote(e.Transition), env.DetailType)
	case !slices.Contains(rolloutStates, e.State):
		return nil, malformed("detail.state", "is %s: want one of %s", quote(e.State), strings.Join(rolloutStates, ", "))
	case e.Done < 0 || e.Done > e.Total:
		return nil, malformed("detail.done", "is %d of %d groups: want 0 to all of them", e.Done, e.Total)
	case !ofGroup && (e.Group != "" || e.Cluster != fleet.ClusterID{}):
		return nil, malformed("detail.group", "is %s of %s: want none, as the move is the rollout's", quote(e.Group), quote(e.Cluster.String()))
	case !ofGroup:
		return e, nil
	case fleet.ValidAccount(e.Cluster.Account) != nil:
		return nil, malformed("detail.cluster.account", "is %s: want the 12 digits of an AWS account", quote(e.Cluster.Account))
	case fleet.ValidRegion(e.Cluster.Region) != nil:
		return nil, malformed("detail.cluster.region", "is %s: want a region like eu-west-1", quote(e.Cluster.Region))
	case fleet.ValidClusterName(e.Cluster.Name) != nil:
		return nil, malformed("detail.cluster.cluster", "is %s: want the name of a cluster", quote(e.Cluster.Name))
	case !groupName().MatchString(e.Group):
		return nil, malformed("detail.group", "is %s: want the name of a nodegroup", quote(e.Group))
	}
	e.Account, e.Region = e.Cluster.Account, e.Cluster.Region
	return e, nil
}

// namesCluster reports whether a person's word names a cluster.
func namesCluster(s string) bool {
	switch parts := strings.Split(s, "/"); len(parts) {
	case 1:
		return fleet.ValidClusterName(s) == nil
	case 3:
		return fleet.ValidAccount(parts[0]) == nil && fleet.ValidRegion(parts[1]) == nil && fleet.ValidClusterName(parts[2]) == nil
	}
	return false
}

func namesGroup(s string) bool {
	i := strings.LastIndexByte(s, '/')
	return i > 0 && namesCluster(s[:i]) && groupName().MatchString(s[i+1:])
}

// namesGroups also admits cluster/*.
func namesGroups(s string) bool {
	cluster, all := strings.CutSuffix(s, "/*")
	return all && namesCluster(cluster) || namesGroup(s)
}
