package infra

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/regioninfo"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// Props say what is deployed and for whom. The context "eksSteward" of a CDK
// app has the same form; docs/deploying.md describes it for operators. The zero
// value of everything but Hub and Targets is the default.
type Props struct {
	// Hub is where the functions run. App fills it in from the credentials of
	// the CDK command line when it and Targets are left out.
	Hub Place `json:"hub"`
	// Targets are the accounts and regions whose clusters are watched. Left out,
	// App watches the account and region of the hub. They become the run-time
	// file that serves until one is uploaded.
	Targets []Target `json:"targets"`
	// OrganizationID, such as o-a1b2c3d4e5, opens the bus to its accounts and
	// lets the functions read any account of it, so that one can be added in the
	// run-time file alone. Left out, both are held to the accounts in Targets.
	OrganizationID string `json:"organizationId"`
	// Readers are ARNs of IAM roles of people, of any account, whose sessions may take
	// on steward-reader in every member, to read with the command line what the
	// functions read.
	Readers []string `json:"readers"`
	// MaxMode bounds by capability what the run-time file can ask for.
	MaxMode MaxMode `json:"maxMode"`
	// SecretsEncryption says what may be written where MaxMode.SecretsEncryption is
	// above report, and has no use else.
	SecretsEncryption SecretsEncryption `json:"secretsEncryption"`
	// NodegroupRollout says what may be written where MaxMode.NodegroupRollout is
	// above report, and has no use else.
	NodegroupRollout NodegroupRollout `json:"nodegroupRollout"`
	// Schedules are the beats of the product.
	Schedules Schedules `json:"schedules"`
	// RetentionDays is how long logs and the archive of the bus are kept: a
	// number of days that CloudWatch Logs offers. Default 30.
	RetentionDays int `json:"retentionDays"`
	// RemoveData lets the removal of the stack take the ledger and the run-time
	// file with it. By default both stay.
	RemoveData bool `json:"removeData"`
	// Recipients are subscribed to the topics by e-mail.
	Recipients Recipients `json:"recipients"`
	// Slack turns messages to Slack on.
	Slack *Slack `json:"slack"`
	// Architecture of the functions: arm64 (default), x86_64, or host for the
	// processor of the machine that synthesizes, to run them there.
	Architecture string `json:"architecture"`
}

// A Place is one account and region.
type Place struct {
	Account string `json:"account"` // 12 digits
	Region  string `json:"region"`
}

// A Target is an account and the regions of it that are watched.
type Target struct {
	Account string   `json:"account"` // 12 digits
	Regions []string `json:"regions"` // the first one's member stack holds the account's roles
	// Role is the ARN of a role of yours that reads the account. Left out, it is
	// steward-reader, which the member stack makes.
	Role string `json:"role"`
}

// MaxMode holds the highest mode of each capability that can write: report
// (default), approve or enforce.
type MaxMode struct {
	SecretsEncryption string `json:"secretsEncryption"`
	NodegroupRollout  string `json:"nodegroupRollout"`
}

// SecretsEncryption bounds the role that puts keys on clusters.
type SecretsEncryption struct {
	// Keys are the ARNs of the KMS keys that may be put on a cluster: those of all
	// accounts and regions.
	Keys []string `json:"keys"`
	// Tag is what a cluster must have for a key to be put on it. Left out, any may.
	Tag *Tag `json:"tag"`
	// KeyGuard lets the deletion of Keys be cancelled, and disabled ones be enabled.
	KeyGuard bool `json:"keyGuard"`
}

// NodegroupRollout bounds the role that renews nodes. Which nodegroups it may touch
// the nodegroups say themselves, by a tag.
type NodegroupRollout struct {
	// LaunchTemplates lets nodegroups with a launch template of yours be renewed: EKS
	// asks whether the caller could start instances from it.
	LaunchTemplates bool `json:"launchTemplates"`
}

// Tag is a tag of a cluster.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Schedules are expressions of EventBridge Scheduler: rate(50 minutes), or
// cron(7 * * * ? *) in the time zone.
type Schedules struct {
	Hourly      string `json:"hourly"`      // looks at every target; default rate(1 hour)
	FiveMinutes string `json:"fiveMinutes"` // watch lists, follow-ups, reminders; default rate(5 minutes)
	Daily       string `json:"daily"`       // holds every cluster to every check; default cron(17 6 * * ? *)
	TimeZone    string `json:"timeZone"`    // of cron expressions, such as Europe/Berlin; default UTC
}

// Recipients are e-mail addresses. AWS asks each to confirm.
type Recipients struct {
	Findings []string `json:"findings"` // what is wrong with clusters
	Alarms   []string `json:"alarms"`   // what is wrong with eks-steward itself
}

// Slack names the secret in Secrets Manager whose value is the address of an
// incoming webhook or the bot token of an app. It must exist in the hub's account
// and region: either is a password, so no template and no context ever holds it.
type Slack struct {
	SecretName string `json:"secretName"`
	// Approvals opens an address by which Slack sends who pressed a button of a
	// plan. Left out, plans are approved on the command line only.
	Approvals *SlackApprovals `json:"approvals"`
}

// SlackApprovals say whose presses count.
type SlackApprovals struct {
	// SigningSecretName names the secret in Secrets Manager whose value is the
	// signing secret of the Slack app. As with the address, only its name is here.
	SigningSecretName string   `json:"signingSecretName"`
	Team              string   `json:"team"`  // id of the workspace, such as T0123ABCD
	Users             []string `json:"users"` // ids of those who may approve, such as U0123ABCD
}

// writesKeys tells whether a key may be put on a cluster at all.
func (p Props) writesKeys() bool { return p.MaxMode.SecretsEncryption != config.Report }

// renewsNodes tells likewise of the nodes of nodegroups.
func (p Props) renewsNodes() bool { return p.MaxMode.NodegroupRollout != config.Report }

// makesPlans tells whether there is anything that people could approve.
func (p Props) makesPlans() bool { return p.writesKeys() || p.renewsNodes() }

// keyGuard is the highest mode of the guard of keys.
func (p Props) keyGuard() string {
	if p.SecretsEncryption.KeyGuard {
		return config.Enforce
	}
	return config.Report
}

// Architectures of the functions.
const (
	archARM  = "arm64"
	archX86  = "x86_64"
	archHost = "host"
)

// withDefaults is a copy with every default filled in.
func (p Props) withDefaults() Props {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&p.MaxMode.SecretsEncryption, config.Report)
	set(&p.MaxMode.NodegroupRollout, config.Report)
	set(&p.Schedules.Hourly, "rate(1 hour)")
	set(&p.Schedules.FiveMinutes, "rate(5 minutes)")
	set(&p.Schedules.Daily, "cron(17 6 * * ? *)")
	set(&p.Schedules.TimeZone, "UTC")
	set(&p.Architecture, archARM)
	if p.RetentionDays == 0 {
		p.RetentionDays = 30
	}
	return p
}

// retentions are the numbers of days that CloudWatch Logs takes
// (PutRetentionPolicy). Archives of EventBridge take any.
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// The inline policies of a role may have 10,240 characters in all, white space left
// out, its trust policy 2,048, and the environment of a function 4 KB. These bounds
// keep the largest of each below that; a test fills a deployment up to them and
// measures it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	maxAccounts       = 100  // named one by one, twice in the policy of a function that writes
	maxRoleCharacters = 5000 // of all roles that targets name
	maxKeys           = 30   // each stands three times in the policy of the writer role
	maxUsers          = 60   // in the environment of approve

	// In the trust policy of steward-reader, where the account of each stands too.
	maxReaders          = 8
	maxReaderCharacters = 900 // of all readers: a role of IAM Identity Center has some 110
)

// The grammars of what AWS and Slack give out.
var (
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	organization = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	roleARN      = regexp.MustCompile(`^arn:([a-z-]+):iam::([0-9]{12}):role/[A-Za-z0-9/_+=,.@-]{1,512}$`)
	secretName   = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	keyARN       = regexp.MustCompile(`^arn:([a-z-]+):kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,36}$`)
	tagKey       = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{1,128}$`)
	tagValue     = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{0,256}$`)

	signingSecret = regexp.MustCompile(`^[0-9a-f]{32}$`)
	slackTeam     = regexp.MustCompile(`^T[A-Z0-9]{1,39}$`)
	slackUser     = regexp.MustCompile(`^[UW][A-Z0-9]{1,39}$`)
)

// Validate says everything that is wrong with p, each in a sentence that begins
// with the key's path and ends with the form that is wanted.
func (p Props) Validate() error {
	p = p.withDefaults()
	v := &verdict{}
	v.place("hub", p.Hub)
	v.targets(p)
	v.demand(p.OrganizationID == "" || organization.MatchString(p.OrganizationID),
		"organizationId", p.OrganizationID, "an id like o-a1b2c3d4e5")
	v.readers(p.Readers, config.Partition(p.Hub.Region))
	v.mode("maxMode.secretsEncryption", p.MaxMode.SecretsEncryption)
	v.mode("maxMode.nodegroupRollout", p.MaxMode.NodegroupRollout)
	v.secretsEncryption(p)
	v.demand(p.renewsNodes() || !p.NodegroupRollout.LaunchTemplates, "nodegroupRollout.launchTemplates", p.NodegroupRollout.LaunchTemplates,
		"it left out while maxMode.nodegroupRollout is report, since nothing writes then")
	v.schedules(p.Schedules)
	v.demand(slices.Contains(retentions, p.RetentionDays), "retentionDays", p.RetentionDays, fmt.Sprintf("one of %d days", retentions))
	v.addresses("recipients.findings", p.Recipients.Findings)
	v.addresses("recipients.alarms", p.Recipients.Alarms)
	if p.Slack != nil {
		v.slack(*p.Slack, p.makesPlans())
	}
	v.demand(slices.Contains([]string{archARM, archX86, archHost}, p.Architecture), "architecture", p.Architecture, "arm64, x86_64 or host")
	return errors.Join(v.failures...)
}

// redact keeps a webhook's address or a token, put where the secret's name belongs,
// out of the message.
func redact(s string) string {
	switch {
	case strings.Contains(s, "://"):
		return "an address"
	case isToken(s):
		return "a token"
	}
	return s
}

// isToken tells a token of Slack, which is as plain as a name, from the name of the
// secret that holds it.
func isToken(s string) bool { return strings.HasPrefix(s, "xox") || strings.HasPrefix(s, "xapp-") }

// verdict gathers what is wrong.
type verdict struct {
	failures []error
}

func (v *verdict) demand(good bool, path string, value any, want string) {
	if good {
		return
	}
	if text, ok := value.(string); ok {
		value = strconv.Quote(text)
	}
	v.failures = append(v.failures, fmt.Errorf("%s.%s is %v: want %s", ContextKey, path, value, want))
}

func (v *verdict) place(path string, p Place) {
	v.demand(accountID.MatchString(p.Account), path+".account", p.Account, "the 12 digits of an AWS account, in quotes")
	v.region(path+".region", p.Region)
}

// region is held against the regions that the CDK library knows: a typing error
// has the form of a region, and would deploy to nowhere.
func (v *verdict) region(path, region string) {
	v.demand(slices.Contains(regions(), region), path, region, "a region that the CDK knows"+didYouMean(region))
}

// regions are asked for once: every name is a call into the CDK's process.
var regions = sync.OnceValue(func() []string {
	var names []string
	for _, r := range *regioninfo.RegionInfo_Regions() {
		names = append(names, *r.Name())
	}
	return names
})

func (v *verdict) targets(p Props) {
	v.demand(len(p.Targets) > 0, "targets", p.Targets, `at least one, such as {"account": "111122223333", "regions": ["eu-west-1"]}`)
	v.demand(p.OrganizationID != "" || len(p.Targets) <= maxAccounts, "targets", len(p.Targets),
		fmt.Sprintf("at most %d accounts without an organizationId", maxAccounts))
	seen, characters := map[string]bool{}, 0
	for i, t := range p.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		v.demand(accountID.MatchString(t.Account) || t.Account == p.Hub.Account, path+".account", t.Account, "the 12 digits of an AWS account, in quotes")
		v.demand(!seen[t.Account], path+".account", t.Account, "each account once, with all of its regions")
		seen[t.Account] = true
		v.demand(len(t.Regions) > 0, path+".regions", t.Regions, "at least one region")
		for j, region := range t.Regions {
			at := fmt.Sprintf("%s.regions[%d]", path, j)
			if region != p.Hub.Region { // the hub's was judged with the hub
				v.region(at, region)
			}
			v.demand(!slices.Contains(t.Regions[:j], region), at, region, "each region once")
			v.demand(config.Partition(region) == config.Partition(p.Hub.Region), at, region,
				"a region of the hub's partition "+config.Partition(p.Hub.Region)+": roles and events do not cross partitions")
		}
		characters += len(t.Role)
		if t.Role != "" {
			m := roleARN.FindStringSubmatch(t.Role)
			v.demand(m != nil && m[2] == t.Account, path+".role", t.Role, "the ARN of a role of account "+t.Account)
		}
	}
	v.demand(characters <= maxRoleCharacters, "targets[].role", characters,
		fmt.Sprintf("at most %d characters in all: give roles shorter names, or leave them out where steward-reader will do", maxRoleCharacters))
}

// readers leaves no wildcard in, which the condition on them would heed.
func (v *verdict) readers(readers []string, partition string) {
	v.demand(len(readers) <= maxReaders, "readers", len(readers), fmt.Sprintf("at most %d roles", maxReaders))
	characters := 0
	for i, role := range readers {
		at := fmt.Sprintf("readers[%d]", i)
		m := roleARN.FindStringSubmatch(role)
		v.demand(m != nil && m[1] == partition, at, role,
			"the ARN of an IAM role with its path, such as arn:"+partition+":iam::111122223333:role/platform, not of a user or a session")
		v.demand(!slices.Contains(readers[:i], role), at, role, "each role once")
		characters += len(role)
	}
	v.demand(characters <= maxReaderCharacters, "readers", characters, fmt.Sprintf("at most %d characters in all: name fewer roles", maxReaderCharacters))
}

func (v *verdict) mode(path, mode string) {
	v.demand(slices.Contains(config.Modes, mode), path, mode, "report, approve or enforce")
}

// secretsEncryption has the role that puts keys on clusters and what it may do
// go together.
func (v *verdict) secretsEncryption(p Props) {
	s := p.SecretsEncryption
	if !p.writesKeys() {
		const why = "it left out while maxMode.secretsEncryption is report, since nothing writes then"
		v.demand(len(s.Keys) == 0, "secretsEncryption.keys", s.Keys, why)
		v.demand(s.Tag == nil, "secretsEncryption.tag", s.Tag, why)
		v.demand(!s.KeyGuard, "secretsEncryption.keyGuard", s.KeyGuard, why)
		return
	}
	v.demand(len(s.Keys) > 0 && len(s.Keys) <= maxKeys, "secretsEncryption.keys", s.Keys,
		fmt.Sprintf("from 1 to %d ARNs of KMS keys, since maxMode.secretsEncryption is %s", maxKeys, p.MaxMode.SecretsEncryption))
	for i, key := range s.Keys {
		at := fmt.Sprintf("secretsEncryption.keys[%d]", i)
		m := keyARN.FindStringSubmatch(key)
		v.demand(m != nil && m[1] == config.Partition(p.Hub.Region), at, key, "the ARN of a KMS key of partition "+config.Partition(p.Hub.Region)+", not of an alias")
		v.demand(!slices.Contains(s.Keys[:i], key), at, key, "each key once")
	}
	if s.Tag != nil {
		v.demand(tagKey.MatchString(s.Tag.Key), "secretsEncryption.tag.key", s.Tag.Key, "the key of a tag")
		v.demand(tagValue.MatchString(s.Tag.Value), "secretsEncryption.tag.value", s.Tag.Value, "the value of a tag")
	}
}

func (v *verdict) slack(s Slack, plans bool) {
	v.demand(secretName.MatchString(s.SecretName) && !isToken(s.SecretName), "slack.secretName", redact(s.SecretName),
		"the name of the secret in Secrets Manager that holds the webhook's address or the app's token")
	a := s.Approvals
	if a == nil {
		return
	}
	v.demand(plans, "slack.approvals", "set", "it left out while maxMode is report for every capability, since there are no plans then")
	// The secret itself is as long and as plain as a name: 32 hexadecimal digits.
	v.demand(secretName.MatchString(a.SigningSecretName) && !signingSecret.MatchString(a.SigningSecretName), "slack.approvals.signingSecretName", "something else",
		"the name of the secret in Secrets Manager that holds the signing secret of the Slack app")
	v.demand(slackTeam.MatchString(a.Team), "slack.approvals.team", a.Team, "the id of a workspace, such as T0123ABCD")
	v.demand(len(a.Users) > 0, "slack.approvals.users", a.Users, "the id of at least one user, such as U0123ABCD")
	v.demand(len(a.Users) <= maxUsers, "slack.approvals.users", len(a.Users),
		fmt.Sprintf("at most %d users: others approve by steward approve", maxUsers))
	for i, user := range a.Users {
		v.demand(slackUser.MatchString(user), fmt.Sprintf("slack.approvals.users[%d]", i), user, "the id of a user, such as U0123ABCD")
	}
}

func (v *verdict) schedules(s Schedules) {
	v.schedule("schedules.hourly", s.Hourly, events.Hourly)
	v.schedule("schedules.fiveMinutes", s.FiveMinutes, events.FiveMinutes)
	v.schedule("schedules.daily", s.Daily, events.Daily)
	_, err := time.LoadLocation(s.TimeZone)
	v.demand(err == nil && s.TimeZone != "Local", "schedules.timeZone", s.TimeZone, "a time zone like Europe/Berlin")
}

func (v *verdict) schedule(path, expression string, c events.Cadence) {
	every, err := interval(expression)
	if err != nil {
		v.demand(false, path, expression, err.Error())
		return
	}
	// The functions drop a tick that is older than its cadence, and the dead-man
	// alarm waits two of them.
	v.demand(every <= c.Interval(), path, expression, fmt.Sprintf("a rate of at most %.0f minutes", c.Interval().Minutes()))
}

func (v *verdict) addresses(path string, addresses []string) {
	for i, address := range addresses {
		parsed, err := mail.ParseAddress(address)
		v.demand(err == nil && parsed.Address == address, fmt.Sprintf("%s[%d]", path, i), address, "an e-mail address like team@example.com")
	}
}

// didYouMean names the region that was probably meant, if there is one.
func didYouMean(region string) string {
	if best, ok := config.Closest(region, regions()); ok {
		return ": did you mean " + best + "?"
	}
	return ", such as eu-west-1"
}
