package config

import (
	"regexp"
	"strings"
	"sync"
	"time"
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
	// PerTarget values hold for a whole account and region, because sizes are
	// read for a whole target in one call: an override by name cannot set them.
	PerTarget bool

	Min, Max          float64       // of a number, inclusive
	Shortest, Longest time.Duration // of a duration, inclusive
	Pattern           *Grammar      // of a text
	OneOf             []string      // of a text

	Example any
}

// DurationForm is how durations are written. It is narrower than
// time.ParseDuration: nothing here is shorter than a second or negative.
var DurationForm = grammar(`^([0-9]+(\.[0-9]+)?[hms])+$`)

var (
	accountForm = grammar(`^[0-9]{12}$`)
	regionForm  = grammar(`^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`)
)

const (
	wantAccount = `the 12 digits of an account id in quotes, such as "111122223333"`
	wantRegion  = "a region such as eu-west-1"
)

// Keys are the keys of the run-time file in the order of the file. The keys
// below the sections of an override are those of the file's own sections.
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
		Doc: "Role to assume in the account. Left out, it is steward-reader in that account and its partition; " +
			"none means the function's own credentials.",
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
		// Not Local, which means another zone on every machine.
		Path: "notify.timeZone", Pattern: grammar(`^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)+)$`), Example: "Europe/Berlin",
		Doc:  "Time zone of the times in messages.",
		Want: "a time zone of the IANA database, such as Europe/Berlin or UTC",
	},
	{
		Path: "notify.sns", OneOf: []string{SNSAlways, SNSFallback}, Example: SNSAlways,
		Doc:  "Whether the SNS topic hears everything, or only what Slack did not take.",
		Want: "always or fallback, and always when slack is false",
	},
	{
		Path: "notify.slack", Example: true,
		Doc:  "Whether messages go to Slack. The webhook's address is in Secrets Manager, never in this file.",
		Want: "true or false",
	},
	{
		Path: "overrides",
		Doc:  "Other rules for some clusters. The first override that matches a cluster applies, and no other.",
		Want: "a list of mappings with match and what differs",
	},
	{Path: "overrides[]", Want: "a mapping with match and at least one of etcdSize, versionSupport and secretsEncryption"},
	{
		Path: "overrides[].match", Required: true, NotEmpty: true,
		Doc:  "Which clusters: all of the lists that are given must match.",
		Want: "at least one of accounts, regions and names",
	},
	{
		Path: "overrides[].match.accounts", NotEmpty: true, Example: []string{"111122223333"},
		Doc:  "Accounts of the clusters. Each must be among the targets.",
		Want: `a list with at least one account id, such as ["111122223333"]`,
	},
	{Path: "overrides[].match.accounts[]", Pattern: accountForm, Want: wantAccount},
	{
		Path: "overrides[].match.regions", NotEmpty: true, Example: []string{"eu-west-1"},
		Doc:  "Regions of the clusters. Each must be among the targets.",
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
}

// KeyOf finds the Key of a path, with or without numbers in its brackets. It is
// false for what no key describes.
func KeyOf(path string) (Key, bool) {
	path = index().ReplaceAllString(path, "[]")
	for _, p := range []string{path, strings.TrimPrefix(path, "overrides[].")} {
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
