package config

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/eks-steward/eks-steward/internal/window"
)

// A Key is all there is to say about one key of the run-time file. Build
// checks by it, the JSON Schema is made from it and the documentation is held
// to it, so the three cannot disagree.
type Key struct {
	Path string // as in targets[].account; [] stands for any item of a list
	Doc  string // what it does: complete sentences; empty for the items of a list
	Want string // the accepted form, such that "want <Want>" tells what to write

	Required bool // must be given
	NotEmpty bool // a list needs an item, a mapping a key
	Most     int  // items of a list; 0 is no bound
	// PerTarget values hold for a whole account and region, because sizes are
	// read for a whole target in one call: an override by name cannot set them.
	PerTarget bool

	Min, Max          float64       // of a number, inclusive
	Shortest, Longest time.Duration // of a duration, inclusive; a second at least
	OrZero            bool          // 0s is allowed beside them
	Pattern           *Grammar      // of a text
	Zone              bool          // a text that names a time zone
	OneOf             []string      // of a text

	Example any
}

// DurationForm is how durations are written. It is narrower than
// time.ParseDuration: nothing here is negative, or in a unit below the second.
var DurationForm = grammar(`^([0-9]+(\.[0-9]+)?[hms])+$`)

var (
	accountForm = grammar(`^[0-9]{12}$`)
	regionForm  = grammar(`^[a-z]{2,4}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$`)
	dayForm     = grammar(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	clockForm   = grammar(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	untilForm   = grammar(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?$`)
	// https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html
	tagForm = grammar(`^[A-Za-z0-9 _.:/=+@-]{1,128}$`)
	// Not Local, which means another zone on every machine.
	zoneForm = grammar(`^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)+)$`)
)

const day = 24 * time.Hour

const (
	wantAccount = `the 12 digits of an account id in quotes, such as "111122223333"`
	wantRegion  = "a region such as eu-west-1"
	wantDay     = "a day such as 2026-12-18"
	wantZone    = "a time zone of the IANA database, such as Europe/Berlin or UTC"
	wantClock   = `a time of day from "00:00" to "23:59"`
	wantChannel = "the id of a Slack channel, such as C0123456789, not its name"
)

// Checks are the ids of all checks: a route or a mute that names another would
// never apply.
var Checks = []string{
	"etcd-size", "target-access",
	"version-support", "version-skew", "health", "upgrade-readiness", "add-ons", "encryption-state", "cluster-update",
	"ebs-encryption", "node-freshness", "deletion", "read-access",
	"secrets-encryption", "key-guard", "nodegroup-rollout",
	"configuration", "slack-delivery",
}

var wantCheck = "the id of a check, one of " + strings.Join(Checks, ", ")

// Keys are the keys of the run-time file in the order of the file. The keys
// below the sections of an override are those of the file's own sections, and
// those below any match are those of an override's.
var Keys = []Key{
	{
		Path: "schemaVersion", Required: true, Min: SchemaVersion, Max: SchemaVersion, Example: SchemaVersion,
		Doc:  "Version of the file's form. A release refuses versions that it does not know.",
		Want: "1, the only version that this release reads",
	},
	{
		Path: "targets", Required: true, NotEmpty: true,
		Doc:  "The accounts and regions to watch. Each pair of account and region may appear once.",
		Want: "a list with at least one account and its regions",
	},
	{Path: "targets[]", Want: "a mapping with account and regions"},
	{
		Path: "targets[].account", Required: true, Pattern: accountForm, Example: "111122223333",
		Doc:  "Id of the account. It is quoted because a number would lose a leading zero.",
		Want: wantAccount,
	},
	{
		Path: "targets[].regions", Required: true, NotEmpty: true, Example: []string{"eu-west-1", "us-east-1"},
		Doc:  "Regions of the account to watch, all of one partition.",
		Want: "a list with at least one region, such as [eu-west-1, us-east-1]",
	},
	{Path: "targets[].regions[]", Pattern: regionForm, Want: wantRegion},
	{
		Path: "targets[].role", Example: "arn:aws:iam::111122223333:role/steward-reader",
		Pattern: grammar(`^(none|arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576})$`),
		Doc: "Role to assume in the account. Left out, it is steward-reader in that account and its partition. A role of yours must be " +
			"targets[].role of the deployment too. none means the caller's own credentials and is for the command line only.",
		Want: "the ARN of a role of this account, such as arn:aws:iam::111122223333:role/steward-reader, or none",
	},
	{
		Path: "etcdSize",
		Doc:  "When a cluster's etcd counts as too full, in percent of the cluster's own limit.",
		Want: "a mapping such as {warnPercent: 70, criticalPercent: 85}",
	},
	{
		Path: "etcdSize.warnPercent", Min: 1, Max: 99, Example: 70,
		Doc:  "From this share of the limit on, a cluster has a finding of severity warning. Unit: percent.",
		Want: "a percentage from 1 to 99, below criticalPercent",
	},
	{
		Path: "etcdSize.criticalPercent", Min: 1, Max: 99, Example: 85,
		Doc:  "From this share of the limit on, the finding is critical. Unit: percent. At 95 it is critical in any case.",
		Want: "a percentage from 1 to 99, above warnPercent",
	},
	{
		Path: "etcdSize.hysteresisPercent", Min: 0, Max: 20, Example: 5,
		Doc:  "How far a cluster must fall below a threshold before its finding is let go. Unit: points of percent.",
		Want: "points from 0 to 20",
	},
	{
		Path: "etcdSize.watchPercent", Min: 0, Max: 99, Example: 50,
		Doc:  "From this share of the limit on, a cluster is looked at every five minutes instead of every hour. Unit: percent.",
		Want: "a percentage from 0 to 99, at most warnPercent less hysteresisPercent",
	},
	{
		Path: "etcdSize.standardLimitGB", Min: 1, Max: 64, PerTarget: true, Example: 8,
		Doc:  "Limit of a standard control plane where EKS does not list one. Unit: GB of 1,000,000,000 bytes.",
		Want: "GB from 1 to 64",
	},
	{
		Path: "etcdSize.staleAfter", Shortest: 10 * time.Minute, Longest: 6 * time.Hour, Example: "20m",
		Doc:  "Age at which the newest datapoint says nothing any more; the cluster is then Unknown. CloudWatch itself lags by minutes.",
		Want: "a duration from 10m to 6h, at most history",
	},
	{
		// GetMetricData returns at most 100,800 datapoints for at most 500
		// queries: 201 points of five minutes each are 16 hours and 48 minutes.
		Path: "etcdSize.history", Shortest: time.Hour, Longest: 16 * time.Hour, PerTarget: true, Example: "6h",
		Doc:  "How far back sizes are read to see growth. One CloudWatch call carries 500 clusters for at most 16 hours.",
		Want: "a duration from 1h to 16h",
	},
	{
		Path: "etcdSize.growthHorizon", Shortest: 30 * time.Minute, Longest: 72 * time.Hour, Example: "4h",
		Doc:  "A cluster that will be full within this time has a finding, however full it is now.",
		Want: "a duration from 30m to 72h",
	},
	{
		Path: "versionSupport",
		Doc:  "When to say that a Kubernetes version leaves support, and what EKS charges.",
		Want: "a mapping such as {reminders: [90, 30, 7]}",
	},
	{
		Path: "versionSupport.reminders", NotEmpty: true, Example: []int{90, 30, 7},
		Doc:  "Days before the end of standard or extended support at which it is told, the most first. Before the first nothing is said.",
		Want: "a list of whole days from 1 to 730 in falling order, such as [90, 30, 7]",
	},
	{Path: "versionSupport.reminders[]", Min: 1, Max: 730, Want: "a whole number of days from 1 to 730"},
	{
		Path: "versionSupport.standardUSDPerHour", Min: 0, Max: 100, Example: 0.1,
		Doc:  "What EKS charges for a cluster in standard support. Unit: USD per hour.",
		Want: "USD from 0 to 100, at most extendedUSDPerHour",
	},
	{
		Path: "versionSupport.extendedUSDPerHour", Min: 0, Max: 100, Example: 0.6,
		Doc:  "What EKS charges for a cluster in extended support, the standard price included. Unit: USD per hour.",
		Want: "USD from 0 to 100, at least standardUSDPerHour",
	},
	{
		Path: "secretsEncryption",
		Doc:  "Which KMS key must encrypt the secrets of a cluster, and what to do about one that has none. A key that a cluster has is never changed: EKS cannot.",
		Want: "a mapping such as {require: customer-key}",
	},
	{
		Path: "secretsEncryption.require", OneOf: []string{AnyKey, CustomerKey, ListedKeys}, Example: CustomerKey,
		Doc:  "any: the key that AWS owns will do. customer-key: it must be a key of yours. keys: it must be one of those in keys.",
		Want: "any, customer-key, or keys with a list of keys beside it",
	},
	{
		Path: "secretsEncryption.keys", NotEmpty: true, Example: []string{"alias/eks-secrets", "tag:purpose=eks-secrets"},
		Doc:  "The keys that will do with require: keys. A key fits by its ARN, by one of its aliases, or by one of its tags.",
		Want: "a list with at least one key, such as [alias/eks-secrets], and only with require: keys",
	},
	{
		Path:    "secretsEncryption.keys[]",
		Pattern: grammar(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+|tag:[^=]+=.*)$`),
		Want:    `the ARN of a key, alias/name or tag:key=value, in quotes such as "tag:purpose=eks"`,
	},
	{
		Path: "secretsEncryption.mode", OneOf: Modes, Example: Approve,
		Doc: "What to do about a cluster without a key of yours where keys are listed. report: only tell. approve: make a plan, and carry it out once a person approved it. " +
			"enforce: carry it out. It cannot be undone. The deployment's maxMode must allow it.",
		Want: "report, approve or enforce",
	},
	{
		Path: "secretsEncryption.keyGuard", OneOf: []string{Report, Enforce}, Example: Report,
		Doc: "What to do about the key of a cluster that is to be deleted, or is disabled. report: only tell. enforce: cancel the deletion and enable the key. " +
			"The deployment's secretsEncryption.keyGuard must allow it.",
		Want: "report or enforce",
	},
	{
		Path: "nodegroupRollout",
		Doc:  "When the nodes of managed nodegroups are renewed, and how far eks-steward goes in it. An update that has begun can be neither paused nor cancelled, so that everything here is about the moments before and after one.",
		Want: "a mapping such as {mode: approve}",
	},
	{
		Path: "nodegroupRollout.mode", OneOf: Modes, Example: Approve,
		Doc: "What to do about nodegroups that need new nodes. report: only tell. approve: make a plan, and carry it out once a person approved it. enforce: carry it out. " +
			"Only nodegroups with the tag eks-steward/nodegroup-rollout: allowed are written to. The deployment's maxMode must allow it.",
		Want: "report, approve or enforce",
	},
	{
		Path: "nodegroupRollout.whenUnknown", OneOf: []string{Block, Proceed}, Example: Block,
		Doc:  "What to do about a nodegroup when nodes, pods or PodDisruptionBudgets could not be read. block: it is not begun. proceed: it is begun, and that is said. What AWS does not say always blocks.",
		Want: "block or proceed",
	},
	{
		Path: "nodegroupRollout.windows", Most: 50, Example: []any{map[string]any{"cron": "0 2 * * 6", "duration": "4h", "timeZone": "Europe/Berlin"}},
		Doc:  "When nodegroups may be begun; without windows at any time. A nodegroup is begun only if the time that it usually takes fits into what is left of the window.",
		Want: `a list of at most 50 windows, such as [{cron: "0 2 * * 6", duration: 4h, timeZone: Europe/Berlin}]`,
	},
	{Path: "nodegroupRollout.windows[]", Want: `a mapping such as {cron: "0 2 * * 6", duration: 4h, timeZone: Europe/Berlin}`},
	{
		// No @weekly and no CRON_TZ=: the zone has a key of its own.
		Path: "nodegroupRollout.windows[].cron", Required: true, Pattern: grammar(`^[0-9A-Za-z*?,/-]+( +[0-9A-Za-z*?,/-]+){4}$`), Example: "0 2 * * 6",
		Doc:  "When the window opens: minute, hour, day of month, month, day of week (0 is Sunday). A start that a clock change skips does not open it; one that comes twice opens it for what both have in common.",
		Want: `the five fields of cron in quotes, such as "0 2 * * 6" for Saturdays at 02:00`,
	},
	{
		Path: "nodegroupRollout.windows[].duration", Required: true, Shortest: window.Shortest, Longest: window.Longest, Example: "4h",
		Doc:  "How long the window stays open.",
		Want: "a duration from 15m to 168h",
	},
	{
		Path: "nodegroupRollout.windows[].timeZone", Required: true, Pattern: zoneForm, Zone: true, Example: "Europe/Berlin",
		Doc:  "Time zone of cron.",
		Want: wantZone,
	},
	{
		Path: "nodegroupRollout.freezes", Most: 100, Example: []any{map[string]any{"from": "2026-12-18", "to": "2027-01-03", "timeZone": "Europe/Berlin", "reason": "holidays"}},
		Doc:  "Days on which nothing is begun, whatever window is open.",
		Want: `a list of at most 100 freezes, such as [{from: "2026-12-18", to: "2027-01-03", timeZone: Europe/Berlin}]`,
	},
	{Path: "nodegroupRollout.freezes[]", Want: `a mapping such as {from: "2026-12-18", to: "2027-01-03", timeZone: Europe/Berlin}`},
	{
		Path: "nodegroupRollout.freezes[].from", Required: true, Pattern: dayForm, Example: "2026-12-18",
		Doc:  "First day of the freeze, from its midnight on.",
		Want: wantDay,
	},
	{
		Path: "nodegroupRollout.freezes[].to", Required: true, Pattern: dayForm, Example: "2027-01-03",
		Doc:  "Last day of the freeze, to its end.",
		Want: wantDay + ", not before from",
	},
	{
		Path: "nodegroupRollout.freezes[].timeZone", Required: true, Pattern: zoneForm, Zone: true, Example: "Europe/Berlin",
		Doc:  "Time zone of the days.",
		Want: wantZone,
	},
	{
		Path: "nodegroupRollout.freezes[].reason", Pattern: grammar(`^.{1,200}$`), Example: "holidays",
		Doc:  "What people are told when something waits for its end.",
		Want: "a text of 1 to 200 characters",
	},
	{
		// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCalendarState.html
		Path: "nodegroupRollout.calendar", Example: "change-freeze",
		Pattern: grammar(`^(none|[A-Za-z0-9_.-]{3,128}|arn:aws[a-z-]*:ssm:[a-z0-9-]+:[0-9]{12}:document/[A-Za-z0-9_./-]+)$`),
		Doc:     "A Change Calendar of Systems Manager, in the cluster's account and region or shared with it, that has to be open. While it cannot be read nothing is begun.",
		Want:    "the name or ARN of a Change Calendar, or none",
	},
	{
		// DescribeAlarms takes at most 100 names:
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
		Path: "nodegroupRollout.alarms", Most: 100, Example: []string{"checkout-5xx"},
		Doc:  "CloudWatch alarms in the cluster's account and region that have to be quiet before a nodegroup is begun, and after it through bake.",
		Want: "a list of at most 100 names of alarms, such as [checkout-5xx]",
	},
	{Path: "nodegroupRollout.alarms[]", Pattern: grammar(`^.{1,255}$`), Want: "the name of an alarm"},
	{
		Path: "nodegroupRollout.minReleaseAge", Shortest: time.Second, Longest: 90 * day, OrZero: true, Example: "72h",
		Doc:  "How long an AMI release has to be out before nodes get it. Where the newest is younger, nodes get the newest that is old enough, of those that were seen.",
		Want: "0s, or a duration from 1s to 2160h",
	},
	{
		Path: "nodegroupRollout.maxNodeAge", Shortest: day, Longest: 365 * day, OrZero: true, Example: "1440h",
		Doc:  "How old a node may become where something newer is there for it; 0s is no bound.",
		Want: "0s, or a duration from 24h to 8760h",
	},
	{
		Path: "nodegroupRollout.template", OneOf: []string{TemplateDefault, TemplateLatest, TemplateIgnore}, Example: TemplateDefault,
		Doc:  "Which version of their launch template nodes should have. default: the template's default version. latest: its newest. ignore: the one that they have.",
		Want: "default, latest or ignore",
	},
	{
		Path: "nodegroupRollout.bake", Shortest: time.Second, Longest: day, OrZero: true, Example: "30m",
		Doc:  "How long all must be well after an update before the nodegroup is done.",
		Want: "0s, or a duration from 1s to 24h",
	},
	{
		Path: "nodegroupRollout.nodeTime", Shortest: time.Minute, Longest: 2 * time.Hour, Example: "5m",
		Doc:  "How long it takes to replace one node, as long as no update of the nodegroup has been seen.",
		Want: "a duration from 1m to 2h",
	},
	{
		Path: "nodegroupRollout.forceAfter", Min: 0, Max: 10, Example: 2,
		Doc:  "After this many failed updates, the next one of the nodegroups in forceGroups deletes pods although their PodDisruptionBudgets forbid it. 0 is never. Unit: failed updates.",
		Want: "a whole number from 0 to 10, and above 0 only with forceGroups",
	},
	{
		Path: "nodegroupRollout.forceGroups", NotEmpty: true, Most: 100, Example: []string{"lab-*/*"},
		Doc:  "The nodegroups that forceAfter is for, as cluster/nodegroup or patterns of it: * stands for any characters but /, ? for one, [ab] for one of some.",
		Want: `a list of 1 to 100 nodegroups, such as ["lab-*/*"], and only with forceAfter above 0`,
	},
	{
		Path: "nodegroupRollout.forceGroups[]", Pattern: grammar(`^[0-9A-Za-z_*?\[\]^-]{1,200}/[0-9A-Za-z_*?\[\]^-]{1,200}$`),
		Want: `cluster/nodegroup in quotes, in which * stands for any characters but /, ? for one and [ab] for one of some, such as "lab-*/*"`,
	},
	{
		Path: "waves",
		Doc:  "In which order the clusters of the fleet get new nodes. The next wave begins when the one before is done and has rested.",
		Want: "a mapping such as {tag: environment, order: [dev, stage, prod]}",
	},
	{
		Path: "waves.tag", Pattern: tagForm, Example: "environment",
		Doc:  "The tag of clusters whose value names their wave.",
		Want: "the key of a tag, such as environment",
	},
	{
		Path: "waves.order", NotEmpty: true, Most: 20, Example: []string{"dev", "stage", "prod"},
		Doc:  "The waves, first to last, by the values of the tag.",
		Want: "a list of 1 to 20 values of the tag, such as [dev, stage, prod]",
	},
	{Path: "waves.order[]", Pattern: grammar(`^[A-Za-z0-9 _.:/=+@-]{1,256}$`), Want: "a value of the tag, such as prod"},
	{
		Path: "waves.others", OneOf: []string{OthersLast, OthersNever}, Example: OthersLast,
		Doc:  "What becomes of clusters without the tag, or with another value. last: they are the last wave. never: they are left alone.",
		Want: "last or never",
	},
	{
		Path: "waves.maxClusters", Min: 1, Max: 50, Example: 3,
		Doc:  "In how many clusters nodegroups may be under way at a time.",
		Want: "a whole number from 1 to 50",
	},
	{
		Path: "waves.maxGroups", Min: 1, Max: 10, Example: 1,
		Doc:  "How many nodegroups of one cluster may be under way at a time.",
		Want: "a whole number from 1 to 10",
	},
	{
		Path: "waves.bake", Shortest: time.Second, Longest: 14 * day, OrZero: true, Example: "24h",
		Doc:  "How long a wave rests before the next one begins.",
		Want: "0s, or a duration from 1s to 336h",
	},
	{
		Path: "waves.longest", Shortest: day, Longest: 90 * day, Example: "720h",
		Doc:  "How long a rollout may take before it halts and says what it waits for. The waves rest within it.",
		Want: "a duration from 24h to 2160h, above the time that all waves rest",
	},
	{
		Path: "notify",
		Doc:  "Who hears of findings, and how.",
		Want: "a mapping such as {minSeverity: warning, slack: true}",
	},
	{
		Path: "notify.digestAbove", Min: 1, Max: 50, Example: 5,
		Doc:  "Up to this many messages are sent one by one; more at once become a single digest. Unit: messages.",
		Want: "a whole number from 1 to 50",
	},
	{
		Path: "notify.minSeverity", OneOf: []string{"info", "warning", "critical"}, Example: "warning",
		Doc:  "Mildest severity that is told. Milder findings stay in the ledger and on the bus.",
		Want: "info, warning or critical",
	},
	{
		Path: "notify.timeZone", Pattern: zoneForm, Zone: true, Example: "Europe/Berlin",
		Doc:  "Time zone of the times in messages, of quiet hours and digests, and of the days to which mutes last.",
		Want: wantZone,
	},
	{
		Path: "notify.sns", OneOf: []string{SNSAlways, SNSFallback}, Example: SNSAlways,
		Doc:  "Whether the SNS topic hears everything, or only what no channel of Slack tells or took.",
		Want: "always or fallback, and always when slack is false",
	},
	{
		Path: "notify.slack", Example: true,
		Doc:  "Whether messages go to Slack. The webhook's address or the bot's token is in Secrets Manager, never in this file.",
		Want: "true or false",
	},
	{
		Path: "notify.routes", Most: 50, Example: []any{map[string]any{"channel": "C0123456789", "minSeverity": "critical"}},
		Doc:  "The channels of Slack that messages go to, each with what is told there. They need a bot token, and a bot token needs at least one; a webhook has its one channel and goes by none of them.",
		Want: "a list of at most 50 routes, such as [{channel: C0123456789, minSeverity: critical}]",
	},
	{Path: "notify.routes[]", Want: "a mapping such as {channel: C0123456789, minSeverity: critical}"},
	{
		Path: "notify.routes[].channel", Required: true, Pattern: grammar(`^[CG][A-Z0-9]{7,20}$`), Example: "C0123456789",
		Doc:  "Id of the channel, as Slack shows it at the end of the channel's details. Each channel may have one route. The app must be a member.",
		Want: wantChannel,
	},
	{
		Path: "notify.routes[].minSeverity", OneOf: []string{"info", "warning", "critical"}, Example: "critical",
		Doc:  "Mildest severity that is told there. Left out, it is notify.minSeverity.",
		Want: "info, warning or critical",
	},
	{
		Path: "notify.routes[].checks", NotEmpty: true, Example: []string{"etcd-size"},
		Doc:  "The checks whose findings are told there. Left out, all are.",
		Want: "a list with at least one id of a check, such as [etcd-size]",
	},
	{Path: "notify.routes[].checks[]", OneOf: Checks, Want: wantCheck},
	{
		Path: "notify.routes[].match", NotEmpty: true, Example: map[string]any{"names": []string{"prod-*"}},
		Doc:  "The clusters whose findings are told there, with the keys of overrides[].match. Left out, all are.",
		Want: "at least one of accounts, regions and names",
	},
	{
		Path: "notify.routes[].digestAt", Pattern: clockForm, Example: "09:00",
		Doc:  "With it only one message each day goes there, at this time: all that is open for the route.",
		Want: wantClock,
	},
	{
		Path: "notify.routes[].quietFrom", Pattern: clockForm, Example: "22:00",
		Doc:  "From this time of day on, to quietTo, only what is critical is told there. The rest waits for the end.",
		Want: wantClock + ", and quietTo with it",
	},
	{
		Path: "notify.routes[].quietTo", Pattern: clockForm, Example: "07:00",
		Doc:  "End of the quiet hours; before quietFrom it is on the next day.",
		Want: wantClock + ", another than quietFrom, and quietFrom with it",
	},
	{
		Path: "notify.quietFrom", Pattern: clockForm, Example: "22:00",
		Doc:  "From this time of day on, to quietTo, only what is critical is told by the webhook. The rest waits for the end. Routes have their own.",
		Want: wantClock + ", and quietTo with it",
	},
	{
		Path: "notify.quietTo", Pattern: clockForm, Example: "07:00",
		Doc:  "End of the quiet hours; before quietFrom it is on the next day.",
		Want: wantClock + ", another than quietFrom, and quietFrom with it",
	},
	{
		Path: "notify.digestAt", Pattern: clockForm, Example: "09:00",
		Doc:  "Time of a message each day by the webhook, beside the others, with all that is open. Without it there is none. Routes have their own.",
		Want: wantClock,
	},
	{
		Path: "notify.remindCritical", Shortest: time.Hour, Longest: 90 * day, OrZero: true, Example: "24h",
		Doc:  "How long after it was last told a critical finding that is still open is told again; 0s is never.",
		Want: "0s, or a duration from 1h to 2160h",
	},
	{
		Path: "notify.remindWarning", Shortest: time.Hour, Longest: 90 * day, OrZero: true, Example: "168h",
		Doc:  "The same for a finding of severity warning.",
		Want: "0s, or a duration from 1h to 2160h",
	},
	{
		Path: "notify.ownerTag", Pattern: tagForm, Example: "owner",
		Doc:  "The tag of clusters whose value names their owner.",
		Want: "the key of a tag, such as owner",
	},
	{
		Path: "notify.owners", Most: 500, Example: []any{map[string]any{"tag": "payments", "mention": "S0123ABCD"}},
		Doc:  "Who is mentioned when a finding of severity warning or critical opens, by the owner of its cluster.",
		Want: "a list of at most 500 owners, such as [{tag: payments, mention: S0123ABCD}]",
	},
	{Path: "notify.owners[]", Want: "a mapping such as {tag: payments, mention: S0123ABCD}"},
	{
		Path: "notify.owners[].tag", Required: true, Pattern: grammar(`^.{1,256}$`), Example: "payments",
		Doc:  "The value of ownerTag. Each may appear once.",
		Want: "a value of the tag, such as payments",
	},
	{
		Path: "notify.owners[].mention", Required: true, Pattern: grammar(`^[SUW][A-Z0-9]{7,20}$`), Example: "S0123ABCD",
		Doc:  "Id of the user or the user group of Slack, as Slack copies it from a profile.",
		Want: "the id of a user or a user group of Slack, such as U0123ABCD or S0123ABCD, not its name",
	},
	{
		Path: "notify.runbooks", Pattern: grammar(`^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~%+@-]+)*$`), Example: "https://wiki.example.com/runbooks",
		Doc:  "Where the runbooks are that messages link to. The name of the runbook's file is put behind it.",
		Want: "an https address without a slash at its end, such as https://wiki.example.com/runbooks",
	},
	{
		Path: "mutes", Most: 200, Example: []any{map[string]any{"checks": []string{"node-freshness"}, "until": "2026-12-18", "reason": "new nodes come with the next release"}},
		Doc:  "Findings that nobody is told of for a while. They stay in the ledger and on the bus. When a mute ends, what is still open is told. One that has ended may stay in the file.",
		Want: `a list of at most 200 mutes, such as [{checks: [node-freshness], until: "2026-12-18", reason: why}]`,
	},
	{Path: "mutes[]", Want: "a mapping with until, reason, and at least one of match, checks and resources"},
	{
		Path: "mutes[].match", NotEmpty: true, Example: map[string]any{"names": []string{"lab-*"}},
		Doc:  "The clusters whose findings are muted, with the keys of overrides[].match. Left out, all are.",
		Want: "at least one of accounts, regions and names",
	},
	{
		Path: "mutes[].checks", NotEmpty: true, Example: []string{"node-freshness"},
		Doc:  "The checks whose findings are muted. Left out, all are.",
		Want: "a list with at least one id of a check, such as [node-freshness]",
	},
	{Path: "mutes[].checks[]", OneOf: Checks, Want: wantCheck},
	{
		Path: "mutes[].resources", NotEmpty: true, Example: []string{"nodegroup/batch-*"},
		Doc:  "The parts of clusters whose findings are muted, as messages name them, or patterns: * stands for any characters but /, ? for one, [ab] for one of some. Left out, all are, and the cluster itself.",
		Want: `a list with at least one resource, such as ["nodegroup/batch-*"]`,
	},
	{Path: "mutes[].resources[]", Pattern: grammar(`^.{1,300}$`), Want: `a resource as messages name it, or a pattern, in quotes such as "nodegroup/batch-*"`},
	{
		Path: "mutes[].until", Required: true, Pattern: untilForm, Example: "2026-12-18",
		Doc:  "The last day of the mute, to its end, or the time at which it ends. Sane is a few weeks, and never more than a year.",
		Want: "a day such as 2026-12-18, or a time such as 2026-12-18T16:00:00Z",
	},
	{
		Path: "mutes[].reason", Required: true, Pattern: grammar(`^[^ ](.{0,198}[^ ])?$`), Example: "new nodes come with the next release",
		Doc:  "Why nobody has to hear of it. It stands where the message would have been told.",
		Want: "a text of 1 to 200 characters in one line",
	},
	{
		Path: "overrides",
		Doc:  "Other rules for some clusters. The first override that matches a cluster applies, and no other.",
		Want: "a list of mappings with match and what differs",
	},
	{Path: "overrides[]", Want: "a mapping with match and at least one of etcdSize, versionSupport, secretsEncryption and nodegroupRollout"},
	{
		Path: "overrides[].match", Required: true, NotEmpty: true,
		Doc:  "Which clusters: all of the lists that are given must match.",
		Want: "at least one of accounts, regions and names",
	},
	{
		Path: "overrides[].match.accounts", NotEmpty: true, Example: []string{"111122223333"},
		Doc:  "Accounts of the clusters. In an override each must be among the targets.",
		Want: `a list with at least one account id, such as ["111122223333"]`,
	},
	{Path: "overrides[].match.accounts[]", Pattern: accountForm, Want: wantAccount},
	{
		Path: "overrides[].match.regions", NotEmpty: true, Example: []string{"eu-west-1"},
		Doc:  "Regions of the clusters. In an override each must be among the targets.",
		Want: "a list with at least one region, such as [eu-west-1]",
	},
	{Path: "overrides[].match.regions[]", Pattern: regionForm, Want: wantRegion},
	{
		Path: "overrides[].match.names", NotEmpty: true, Example: []string{"prod-*"},
		Doc:  "Names of the clusters, or patterns: * stands for any characters, ? for one, [ab] for one of some.",
		Want: `a list with at least one cluster name or pattern, such as ["prod-*"]`,
	},
	{
		Path: "overrides[].match.names[]", Pattern: grammar(`^[0-9A-Za-z_*?\[\]^-]{1,200}$`),
		Want: `a cluster name in quotes, in which * stands for any characters, ? for one and [ab] for one of some, such as "prod-*"`,
	},
	{
		Path: "overrides[].etcdSize", NotEmpty: true,
		Doc:  "The thresholds that differ, with the keys of etcdSize. The others stay as in etcdSize.",
		Want: "at least one key of etcdSize, such as {warnPercent: 60}",
	},
	{
		Path: "overrides[].versionSupport", NotEmpty: true,
		Doc:  "What differs, with the keys of versionSupport. The rest stays as in versionSupport.",
		Want: "at least one key of versionSupport, such as {reminders: [90, 30, 7]}",
	},
	{
		Path: "overrides[].secretsEncryption", NotEmpty: true,
		Doc:  "What differs, with the keys of secretsEncryption. The rest stays as in secretsEncryption; its keys only where require is keys here too.",
		Want: "at least one key of secretsEncryption, such as {require: customer-key}",
	},
	{
		Path: "overrides[].nodegroupRollout", NotEmpty: true,
		Doc:  "What differs, with the keys of nodegroupRollout. The rest stays as in nodegroupRollout; a list that is given takes the place of the file's. forceAfter: 0 drops the file's forceGroups.",
		Want: "at least one key of nodegroupRollout, such as {mode: report}",
	},
}

// KeyOf finds the Key of a path, with or without numbers in its brackets. It is
// false for what no key describes.
func KeyOf(path string) (Key, bool) {
	path = index().ReplaceAllString(path, "[]")
	_, selector, _ := strings.Cut(path, "[].match.")
	for _, p := range []string{path, strings.TrimPrefix(path, "overrides[]."), "overrides[].match." + selector} {
		if k, ok := byPath()[p]; ok {
			return k, true
		}
	}
	return Key{}, false
}

var (
	index  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[[0-9]+\]`) })
	byPath = sync.OnceValue(func() map[string]Key {
		keys := make(map[string]Key, len(Keys))
		for _, k := range Keys {
			keys[k.Path] = k
		}
		return keys
	})
)
