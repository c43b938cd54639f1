package config

import (
	"fmt"
	"iter"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// DispatchEnv is what the deployment tells the function dispatch.
type DispatchEnv struct {
	Table             string `env:"STEWARD_TABLE" form:"table"`
	Bus               string `env:"STEWARD_BUS" form:"bus"`
	ConfigBucket      string `env:"STEWARD_CONFIG_BUCKET" form:"bucket"`
	ConfigKey         string `env:"STEWARD_CONFIG_KEY" form:"key"`
	EtcdSizeQueue     string `env:"STEWARD_ETCDSIZE_QUEUE" form:"url"`
	ClusterCheckQueue string `env:"STEWARD_CLUSTERCHECK_QUEUE" form:"url"`
	NotifyQueue       string `env:"STEWARD_NOTIFY_QUEUE" form:"url"`

	SecretsEncryptionQueue string `env:"STEWARD_SECRETSENCRYPTION_QUEUE" form:"url"`
	// Not there while the deployment allows only report: no rollout is planned or
	// carried on then.
	NodegroupRolloutQueue string `env:"STEWARD_NODEGROUPROLLOUT_QUEUE,optional" form:"url"`

	// A file that asks for more is refused (see MaxMode).
	MaxModeSecretsEncryption string `env:"STEWARD_MAX_MODE_SECRETS_ENCRYPTION" form:"mode"`
	MaxModeKeyGuard          string `env:"STEWARD_MAX_MODE_KEY_GUARD" form:"guard"`
	MaxModeNodegroupRollout  string `env:"STEWARD_MAX_MODE_NODEGROUP_ROLLOUT" form:"mode"`

	// The object that serves until somebody uploads a configuration.
	ConfigDefaultBucket string `env:"STEWARD_CONFIG_DEFAULT_BUCKET" form:"bucket"`
	ConfigDefaultKey    string `env:"STEWARD_CONFIG_DEFAULT_KEY" form:"key"`
}

// EtcdSizeEnv is what the deployment tells the function etcdsize.
type EtcdSizeEnv struct {
	Table string `env:"STEWARD_TABLE" form:"table"`
	Bus   string `env:"STEWARD_BUS" form:"bus"`
	Topic string `env:"STEWARD_TOPIC" form:"topic"`
}

// ClusterCheckEnv is what the deployment tells the function clustercheck.
type ClusterCheckEnv struct {
	Table string `env:"STEWARD_TABLE" form:"table"`
	Bus   string `env:"STEWARD_BUS" form:"bus"`
	Topic string `env:"STEWARD_TOPIC" form:"topic"`
	Queue string `env:"STEWARD_CLUSTERCHECK_QUEUE" form:"url"` // its own, for what a run has no time left for
}

// SecretsEncryptionEnv is what the deployment tells the function
// secretsencryption.
type SecretsEncryptionEnv struct {
	Table       string `env:"STEWARD_TABLE" form:"table"`
	Bus         string `env:"STEWARD_BUS" form:"bus"`
	Queue       string `env:"STEWARD_SECRETSENCRYPTION_QUEUE" form:"url"` // its own, for what a run has no time left for
	KillSwitch  string `env:"STEWARD_KILL_SWITCH" form:"parameter"`
	MaxMode     string `env:"STEWARD_MAX_MODE" form:"mode"`            // no cluster's mode is higher
	MaxKeyGuard string `env:"STEWARD_MAX_MODE_KEY_GUARD" form:"guard"` // likewise for the guard
}

// NodegroupRolloutEnv is what the deployment tells the function nodegrouprollout.
type NodegroupRolloutEnv struct {
	Table      string `env:"STEWARD_TABLE" form:"table"`
	Bus        string `env:"STEWARD_BUS" form:"bus"`
	Queue      string `env:"STEWARD_NODEGROUPROLLOUT_QUEUE" form:"url"` // its own, for what a run has no time left for
	KillSwitch string `env:"STEWARD_KILL_SWITCH" form:"parameter"`
	MaxMode    string `env:"STEWARD_MAX_MODE" form:"mode"` // no cluster's mode is higher
}

// ApproveEnv is what the deployment tells the function approve. Without a
// signing secret it takes nothing from Slack.
type ApproveEnv struct {
	Table                  string `env:"STEWARD_TABLE" form:"table"`
	SecretsEncryptionQueue string `env:"STEWARD_SECRETSENCRYPTION_QUEUE" form:"url"`
	NodegroupRolloutQueue  string `env:"STEWARD_NODEGROUPROLLOUT_QUEUE,optional" form:"url"` // there as for dispatch
	Queue                  string `env:"STEWARD_APPROVE_QUEUE" form:"url"`                   // its own, for what Slack does not wait for
	SlackSigningSecret     string `env:"STEWARD_SLACK_SIGNING_SECRET,optional" form:"secret"`
	SlackTeam              string `env:"STEWARD_SLACK_TEAM,optional" form:"team"`
	SlackUsers             string `env:"STEWARD_SLACK_USERS,optional" form:"users"` // ids with commas between
}

// NotifyEnv is what the deployment tells the function notify.
type NotifyEnv struct {
	Table         string `env:"STEWARD_TABLE" form:"table"`
	Topic         string `env:"STEWARD_TOPIC" form:"topic"`                  // for people
	MachinesTopic string `env:"STEWARD_MACHINES_TOPIC" form:"topic"`         // for programs
	SlackSecret   string `env:"STEWARD_SLACK_SECRET,optional" form:"secret"` // empty: no Slack
	Dashboard     string `env:"STEWARD_DASHBOARD_URL,optional" form:"url"`   // linked from messages

	SlackButtons string `env:"STEWARD_SLACK_BUTTONS,optional" form:"switch"` // on: the function approve takes presses of them
	// The address of a stand-in for Slack's Web API, for tests; no deployment sets
	// it. The bot token goes there, so it may lead nowhere but to this machine.
	SlackAPI string `env:"STEWARD_SLACK_API,optional" form:"stand-in"`
}

// A form is what a variable may hold.
type form struct {
	want  string
	holds func(string) bool
}

// forms by the word in the form tag. ARNs name any partition.
var forms = map[string]form{
	"table":     {"the name of a DynamoDB table", matching(255, `^[A-Za-z0-9_.-]+$`)},
	"bus":       {"the ARN of an EventBridge bus", matching(400, `^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9_./-]+$`)},
	"bucket":    {"the name of an S3 bucket", matching(63, `^[a-z0-9][a-z0-9.-]+[a-z0-9]$`)},
	"key":       {"the key of an S3 object", matching(1000, `^[A-Za-z0-9!_.*'()/-]+$`)},
	"topic":     {"the ARN of an SNS topic", matching(400, `^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$`)},
	"mode":      {"report, approve or enforce", func(s string) bool { return slices.Contains(Modes, s) }},
	"guard":     {"report or enforce", func(s string) bool { return s == Report || s == Enforce }},
	"team":      {"the id of a Slack workspace", matching(40, `^T[A-Z0-9]+$`)},
	"switch":    {"on, or nothing", func(s string) bool { return s == "on" }},
	"users":     {"ids of Slack users with commas between", matching(4000, `^[UW][A-Z0-9]+(,[UW][A-Z0-9]+)*$`)},
	"secret":    {"the name or ARN of a Secrets Manager secret (not the webhook's address or the token)", isSecret},
	"parameter": {"the name of a parameter of Systems Manager", matching(1011, `^/[A-Za-z0-9_./-]+$`)},
	"url":       {"an https URL, or http to this machine", isURL},
	"stand-in":  {"an http URL of this machine", isStandIn},
}

// matching holds the length apart from the pattern: a counted repetition takes
// long to compile, which every cold start would pay for.
func matching(most int, pattern string) func(string) bool {
	g := grammar(pattern)
	return func(s string) bool { return len(s) <= most && g.MatchString(s) }
}

// isSecret refuses tokens of Slack too, which are as plain as a name.
func isSecret(s string) bool {
	named := matching(600, `^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?[A-Za-z0-9/_+=.@-]+$`)
	return named(s) && !strings.HasPrefix(s, "xox") && !strings.HasPrefix(s, "xapp-")
}

// isURL admits plain http only to the machine itself, where the stand-ins of
// AWS listen.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && u.User == nil && u.Scheme == "https" || isStandIn(s)
}

// isStandIn admits only what never leaves the machine.
func isStandIn(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// LoadEnv reads the variables of T, one of the Env structs; lookup is
// os.LookupEnv or a stand-in. The error is one sentence that names every
// variable that is missing or bad. It never holds a value, since a secret may
// have been put in the wrong place.
func LoadEnv[T any](lookup func(string) (string, bool)) (T, error) {
	var env T
	var bad []string
	for v, s := range variables(reflect.ValueOf(&env).Elem()) {
		value, _ := lookup(s.name)
		switch {
		case value == "" && s.optional:
		case value == "":
			bad = append(bad, fmt.Sprintf("%s is missing: want %s", s.name, s.want))
		case !s.holds(value):
			bad = append(bad, fmt.Sprintf("%s is set to something else than %s", s.name, s.want))
		default:
			v.SetString(value)
		}
	}
	if bad != nil {
		return *new(T), fmt.Errorf("the environment is incomplete: %s; the deployment sets these variables, so deploy the stack again, or set them by hand for a local run", strings.Join(bad, "; "))
	}
	return env, nil
}

// Environ is the inverse of LoadEnv: the variables that make LoadEnv return
// env. It judges nothing, since a deployment fills in names that are not known
// yet.
func Environ(env any) map[string]string {
	set := map[string]string{}
	for field, s := range variables(reflect.ValueOf(env)) {
		if field.String() != "" {
			set[s.name] = field.String()
		}
	}
	return set
}

// variable is one field's tags.
type variable struct {
	name     string
	optional bool
	form
}

// variables yields the fields of an Env struct.
func variables(v reflect.Value) iter.Seq2[reflect.Value, variable] {
	return func(yield func(reflect.Value, variable) bool) {
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			name, optional := strings.CutSuffix(tag.Get("env"), ",optional")
			if !yield(v.Field(i), variable{name, optional, forms[tag.Get("form")]}) {
				return
			}
		}
	}
}
