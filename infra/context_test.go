package infra_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/infra"
)

// with is an app that holds a value of the context.
func with(value any) awscdk.App {
	return awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{infra.ContextKey: value}})
}

const wholeContext = `{
	"hub": {"account": "111122223333", "region": "eu-west-1"},
	"targets": [{"account": "444455556666", "regions": ["eu-west-1", "us-east-1"], "role": "arn:aws:iam::444455556666:role/readers"}],
	"organizationId": "o-a1b2c3d4e5",
	"readers": ["arn:aws:iam::444455556666:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Platform_0123456789abcdef"],
	"maxMode": {"secretsEncryption": "approve", "nodegroupRollout": "enforce"},
	"nodegroupRollout": {"launchTemplates": true},
	"secretsEncryption": {"keys": ["arn:aws:kms:eu-west-1:444455556666:key/11111111-2222-3333-4444-555555555555"], "tag": {"key": "tier", "value": "payments"}, "keyGuard": true},
	"schedules": {"hourly": "cron(7 * * * ? *)", "fiveMinutes": "rate(5 minutes)", "daily": "rate(12 hours)", "timeZone": "Europe/Berlin"},
	"retentionDays": 90,
	"removeData": true,
	"recipients": {"findings": ["a@example.com"], "alarms": ["b@example.com", "c@example.com"]},
	"slack": {"secretName": "eks-steward/slack", "approvals": {"signingSecretName": "eks-steward/signing", "team": "T0123ABCD", "users": ["U0123ABCD"]}},
	"architecture": "x86_64"
}`

func TestContextIsReadAsMapAndAsString(t *testing.T) {
	var asMap any
	if err := json.Unmarshal([]byte(wholeContext), &asMap); err != nil {
		t.Fatal(err)
	}
	want := infra.Props{
		Hub:              infra.Place{Account: "111122223333", Region: "eu-west-1"},
		Targets:          []infra.Target{{Account: "444455556666", Regions: []string{"eu-west-1", "us-east-1"}, Role: "arn:aws:iam::444455556666:role/readers"}},
		OrganizationID:   "o-a1b2c3d4e5",
		Readers:          []string{"arn:aws:iam::444455556666:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Platform_0123456789abcdef"},
		MaxMode:          infra.MaxMode{SecretsEncryption: "approve", NodegroupRollout: "enforce"},
		NodegroupRollout: infra.NodegroupRollout{LaunchTemplates: true},
		SecretsEncryption: infra.SecretsEncryption{
			Keys: []string{"arn:aws:kms:eu-west-1:444455556666:key/11111111-2222-3333-4444-555555555555"},
			Tag:  &infra.Tag{Key: "tier", Value: "payments"}, KeyGuard: true,
		},
		Schedules:     infra.Schedules{Hourly: "cron(7 * * * ? *)", FiveMinutes: "rate(5 minutes)", Daily: "rate(12 hours)", TimeZone: "Europe/Berlin"},
		RetentionDays: 90,
		RemoveData:    true,
		Recipients:    infra.Recipients{Findings: []string{"a@example.com"}, Alarms: []string{"b@example.com", "c@example.com"}},
		Slack:         &infra.Slack{SecretName: "eks-steward/slack", Approvals: &infra.SlackApprovals{SigningSecretName: "eks-steward/signing", Team: "T0123ABCD", Users: []string{"U0123ABCD"}}},
		Architecture:  "x86_64",
	}
	for name, value := range map[string]any{"map": asMap, "string": wholeContext} {
		t.Run(name, func(t *testing.T) {
			got, err := infra.FromContext(with(value).Node())
			if err != nil {
				t.Fatal(err)
			}
			if g, w := dump(t, got), dump(t, want); g != w {
				t.Errorf("read %s\nwant %s", g, w)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("Validate: %v", err)
			}
		})
	}
}

func TestNoContextGivesTheDefaults(t *testing.T) {
	got, err := infra.FromContext(awscdk.NewApp(nil).Node())
	if err != nil || dump(t, got) != dump(t, infra.Props{}) {
		t.Errorf("read %+v and %v, want the zero Props", got, err)
	}
}

func dump(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A wrong context stops the synthesis with one sentence that begins with the
// path of the key.
func TestWrongContextIsRefusedByItsPath(t *testing.T) {
	const above = `{"maxMode": {"secretsEncryption": "approve"}, `
	keyed := func(more string) string {
		return `"secretsEncryption": {"keys": ["` + secretsKey + `"], ` + more + `}, `
	}
	const wantedReader = "want the ARN of an IAM role with its path, such as arn:aws:iam::111122223333:role/platform, not of a user or a session"
	const rest = `"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1"]}]`
	for name, tt := range map[string]struct{ context, want string }{
		"no JSON":                       {`{"hub"`, `eksSteward is not JSON (unexpected end of JSON input): want an object, such as -c eksSteward='{"retentionDays": 90}'`},
		"not an object":                 {`[]`, `eksSteward is []: want an object`},
		"an unknown key":                {`{"retention": 30, ` + rest + `}`, `eksSteward.retention is not a key: want one of architecture, hub, maxMode, nodegroupRollout, organizationId, readers, recipients, removeData, retentionDays, schedules, secretsEncryption, slack, targets`},
		"an unknown key deep inside":    {`{"targets": [{"account": "111122223333", "region": "eu-west-1"}]}`, `eksSteward.targets[0].region is not a key: want one of account, regions, role`},
		"an account that is no string":  {`{"targets": [{"account": 111122223333}]}`, `eksSteward.targets[0].account is 111122223333: want a string in quotes`},
		"a list that is none":           {`{"targets": [{"regions": "eu-west-1"}]}`, `eksSteward.targets[0].regions is "eu-west-1": want a list`},
		"a number in quotes":            {`{"retentionDays": "30"}`, `eksSteward.retentionDays is "30": want a whole number`},
		"half a day":                    {`{"retentionDays": 0.5}`, `eksSteward.retentionDays is 0.5: want a whole number`},
		"a truth in quotes":             {`{"removeData": "yes"}`, `eksSteward.removeData is "yes": want true or false`},
		"an account of eleven digits":   {`{"hub": {"account": "11112222333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1"]}]}`, `eksSteward.hub.account is "11112222333": want the 12 digits of an AWS account, in quotes`},
		"a region mistyped":             {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1", "eu-wets-2"]}]}`, `eksSteward.targets[0].regions[1] is "eu-wets-2": want a region that the CDK knows: did you mean eu-west-2?`},
		"no region at all":              {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": []}]}`, `eksSteward.targets[0].regions is []: want at least one region`},
		"a region twice":                {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1", "eu-west-1"]}]}`, `eksSteward.targets[0].regions[1] is "eu-west-1": want each region once`},
		"an account twice":              {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1"]}, {"account": "111122223333", "regions": ["eu-west-2"]}]}`, `eksSteward.targets[1].account is "111122223333": want each account once, with all of its regions`},
		"a region of another partition": {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["cn-north-1"]}]}`, `eksSteward.targets[0].regions[0] is "cn-north-1": want a region of the hub's partition aws: roles and events do not cross partitions`},
		"a role of another account":     {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": [{"account": "111122223333", "regions": ["eu-west-1"], "role": "arn:aws:iam::444455556666:role/x"}]}`, `eksSteward.targets[0].role is "arn:aws:iam::444455556666:role/x": want the ARN of a role of account 111122223333`},
		"no target":                     {`{"hub": {"account": "111122223333", "region": "eu-west-1"}, "targets": []}`, `eksSteward.targets is []: want at least one, such as {"account": "111122223333", "regions": ["eu-west-1"]}`},
		"targets without a hub":         {`{"targets": [{"account": "111122223333", "regions": ["eu-west-1"]}]}`, `eksSteward.hub is left out: want where the functions run, such as {"account": "111122223333", "region": "eu-west-1"}, since targets are named: otherwise every command would take the account of its own credentials for the hub`},
		"a user as a reader":            {`{"readers": ["arn:aws:iam::111122223333:user/alice"], ` + rest + `}`, `eksSteward.readers[0] is "arn:aws:iam::111122223333:user/alice": ` + wantedReader},
		"a session as a reader":         {`{"readers": ["arn:aws:sts::111122223333:assumed-role/platform/alice"], ` + rest + `}`, `eksSteward.readers[0] is "arn:aws:sts::111122223333:assumed-role/platform/alice": ` + wantedReader},
		"any role as a reader":          {`{"readers": ["arn:aws:iam::111122223333:role/*"], ` + rest + `}`, `eksSteward.readers[0] is "arn:aws:iam::111122223333:role/*": ` + wantedReader},
		"a reader of any account":       {`{"readers": ["arn:aws:iam::*:role/platform"], ` + rest + `}`, `eksSteward.readers[0] is "arn:aws:iam::*:role/platform": ` + wantedReader},
		"a reader of another partition": {`{"readers": ["arn:aws-cn:iam::111122223333:role/platform"], ` + rest + `}`, `eksSteward.readers[0] is "arn:aws-cn:iam::111122223333:role/platform": ` + wantedReader},
		"a reader twice":                {`{"readers": ["arn:aws:iam::111122223333:role/platform", "arn:aws:iam::111122223333:role/platform"], ` + rest + `}`, `eksSteward.readers[1] is "arn:aws:iam::111122223333:role/platform": want each role once`},
		"an organisation's name":        {`{"organizationId": "example", ` + rest + `}`, `eksSteward.organizationId is "example": want an id like o-a1b2c3d4e5`},
		"launch templates without mode": {`{"nodegroupRollout": {"launchTemplates": true}, ` + rest + `}`, `eksSteward.nodegroupRollout.launchTemplates is true: want it left out while maxMode.nodegroupRollout is report, since nothing writes then`},
		"a mode without keys":           {`{"maxMode": {"secretsEncryption": "enforce"}, ` + rest + `}`, `eksSteward.secretsEncryption.keys is []: want from 1 to 30 ARNs of KMS keys, since maxMode.secretsEncryption is enforce`},
		"keys without a mode":           {`{"secretsEncryption": {"keys": ["` + secretsKey + `"]}, ` + rest + `}`, `eksSteward.secretsEncryption.keys is [` + secretsKey + `]: want it left out while maxMode.secretsEncryption is report, since nothing writes then`},
		"a guard without a mode":        {`{"secretsEncryption": {"keyGuard": true}, ` + rest + `}`, `eksSteward.secretsEncryption.keyGuard is true: want it left out while maxMode.secretsEncryption is report, since nothing writes then`},
		"the alias of a key":            {above + `"secretsEncryption": {"keys": ["arn:aws:kms:eu-west-1:111122223333:alias/eks"]}, ` + rest + `}`, `eksSteward.secretsEncryption.keys[0] is "arn:aws:kms:eu-west-1:111122223333:alias/eks": want the ARN of a KMS key of partition aws, not of an alias`},
		"a key of another partition":    {above + `"secretsEncryption": {"keys": ["arn:aws-cn:kms:cn-north-1:111122223333:key/1"]}, ` + rest + `}`, `eksSteward.secretsEncryption.keys[0] is "arn:aws-cn:kms:cn-north-1:111122223333:key/1": want the ARN of a KMS key of partition aws, not of an alias`},
		"a key that is too long":        {above + `"secretsEncryption": {"keys": ["` + secretsKey + `0"]}, ` + rest + `}`, `eksSteward.secretsEncryption.keys[0] is "` + secretsKey + `0": want the ARN of a KMS key of partition aws, not of an alias`},
		"a key twice":                   {above + `"secretsEncryption": {"keys": ["` + secretsKey + `", "` + secretsKey + `"]}, ` + rest + `}`, `eksSteward.secretsEncryption.keys[1] is "` + secretsKey + `": want each key once`},
		"a tag without a key":           {above + keyed(`"tag": {"value": "payments"}`) + rest + `}`, `eksSteward.secretsEncryption.tag.key is "": want the key of a tag`},
		"a wildcard in a tag":           {above + keyed(`"tag": {"key": "tier", "value": "*"}`) + rest + `}`, `eksSteward.secretsEncryption.tag.value is "*": want the value of a tag`},
		"buttons without plans":         {`{"slack": {"secretName": "s", "approvals": {"signingSecretName": "t", "team": "T1", "users": ["U1"]}}, ` + rest + `}`, `eksSteward.slack.approvals is "set": want it left out while maxMode is report for every capability, since there are no plans then`},
		"buttons for nobody":            {above + keyed(`"keyGuard": false`) + `"slack": {"secretName": "s", "approvals": {"signingSecretName": "t", "team": "T1", "users": []}}, ` + rest + `}`, `eksSteward.slack.approvals.users is []: want the id of at least one user, such as U0123ABCD`},
		"a name in place of an id":      {above + keyed(`"keyGuard": false`) + `"slack": {"secretName": "s", "approvals": {"signingSecretName": "t", "team": "T1", "users": ["U1", "@ops"]}}, ` + rest + `}`, `eksSteward.slack.approvals.users[1] is "@ops": want the id of a user, such as U0123ABCD`},
		"the signing secret itself":     {above + keyed(`"keyGuard": false`) + `"slack": {"secretName": "s", "approvals": {"signingSecretName": "0123456789abcdef0123456789abcdef", "team": "T1", "users": ["U1"]}}, ` + rest + `}`, `eksSteward.slack.approvals.signingSecretName is "something else": want the name of the secret in Secrets Manager that holds the signing secret of the Slack app`},
		"a mode that is none":           {`{"maxMode": {"nodegroupRollout": "yes"}, ` + rest + `}`, `eksSteward.maxMode.nodegroupRollout is "yes": want report, approve or enforce`},
		"an unknown capability":         {`{"maxMode": {"etcdSize": "report"}}`, `eksSteward.maxMode.etcdSize is not a key: want one of nodegroupRollout, secretsEncryption`},
		"no schedule expression":        {`{"schedules": {"hourly": "hourly"}, ` + rest + `}`, `eksSteward.schedules.hourly is "hourly": want rate(n minutes), rate(n hours) or cron(minutes hours day month weekday year)`},
		"a rate that is too slow":       {`{"schedules": {"fiveMinutes": "rate(1 hour)"}, ` + rest + `}`, `eksSteward.schedules.fiveMinutes is "rate(1 hour)": want a rate of at most 5 minutes`},
		"a day that is too long":        {`{"schedules": {"daily": "rate(2 days)"}, ` + rest + `}`, `eksSteward.schedules.daily is "rate(2 days)": want a rate of at most 1440 minutes`},
		"a cron of five fields":         {`{"schedules": {"hourly": "cron(7 * * * *)"}, ` + rest + `}`, `eksSteward.schedules.hourly is "cron(7 * * * *)": want the six fields cron(minutes hours day month weekday year), not 5`},
		"a cron beyond the clock":       {`{"schedules": {"hourly": "cron(61 * * * ? *)"}, ` + rest + `}`, `eksSteward.schedules.hourly is "cron(61 * * * ? *)": want minutes from 0 to 59 as 7, 7,9, 7-9, */5 or *, not "61"`},
		"a cron without a question":     {`{"schedules": {"hourly": "cron(7 * * * * *)"}, ` + rest + `}`, `eksSteward.schedules.hourly is "cron(7 * * * * *)": want a ? for either the day of month or the day of week, as AWS does`},
		"a time zone of no map":         {`{"schedules": {"timeZone": "Europe/Berln"}, ` + rest + `}`, `eksSteward.schedules.timeZone is "Europe/Berln": want a time zone like Europe/Berlin`},
		"days that logs do not offer":   {`{"retentionDays": 31, ` + rest + `}`, `eksSteward.retentionDays is 31: want one of [1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653] days`},
		"a recipient without a domain":  {`{"recipients": {"alarms": ["a@example.com", "oncall"]}, ` + rest + `}`, `eksSteward.recipients.alarms[1] is "oncall": want an e-mail address like team@example.com`},
		"a missing secret":              {`{"slack": {}, ` + rest + `}`, `eksSteward.slack.secretName is "": want the name of the secret in Secrets Manager that holds the webhook's address or the app's token`},
		"the webhook in place of its secret": {
			`{"slack": {"secretName": "https://hooks.slack.com/services/T0/B0/x"}, ` + rest + `}`,
			`eksSteward.slack.secretName is "an address": want the name of the secret in Secrets Manager that holds the webhook's address or the app's token`,
		},
		"the token in place of its secret": {
			`{"slack": {"secretName": "xoxb-1-2-PRIVATE"}, ` + rest + `}`,
			`eksSteward.slack.secretName is "a token": want the name of the secret in Secrets Manager that holds the webhook's address or the app's token`,
		},
		"another processor": {`{"architecture": "riscv64", ` + rest + `}`, `eksSteward.architecture is "riscv64": want arm64, x86_64 or host`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := infra.FromContext(with(tt.context).Node())
			if err == nil {
				err = infra.NewApp(awscdk.NewApp(nil), *p, infra.Place{})
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("said   %v\nwanted %s", err, tt.want)
			}
		})
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := infra.FromContext(with(`{"retention": 1, "removeData": 1, "targets": [{"acount": ""}]}`).Node())
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("said %v, want three sentences", err)
	}
}

// Policies of a role have a limited size, so that many accounts need the
// condition on the organisation.
func TestMoreAccountsThanAPolicyHoldsNeedAnOrganisation(t *testing.T) {
	props := infra.Props{Hub: infra.Place{Account: "111122223333", Region: "eu-west-1"}}
	for i := range 101 {
		props.Targets = append(props.Targets, infra.Target{Account: fmt.Sprintf("%012d", i), Regions: []string{"eu-west-1"}})
	}
	const want = "eksSteward.targets is 101: want at most 100 accounts without an organizationId"
	if err := props.Validate(); err == nil || err.Error() != want {
		t.Errorf("said %v, want %s", err, want)
	}
	props.OrganizationID = "o-a1b2c3d4e5"
	if err := props.Validate(); err != nil {
		t.Errorf("with an organisation: %v", err)
	}
}

// So do roles of one's own, which are named one by one with an organisation too.
func TestMoreRolesThanAPolicyHoldsAreRefused(t *testing.T) {
	props := small()
	props.Targets[0].Role = "arn:aws:iam::111122223333:role/" + strings.Repeat("r", 511)
	for i := range 9 {
		account := fmt.Sprintf("%012d", i)
		props.Targets = append(props.Targets, infra.Target{Account: account, Regions: []string{"eu-west-1"}, Role: "arn:aws:iam::" + account + ":role/" + strings.Repeat("r", 469)})
	}
	const want = "eksSteward.targets[].role is 5042: want at most 5000 characters in all: give roles shorter names, or leave them out where steward-reader will do"
	for _, organization := range []string{"", "o-a1b2c3d4e5"} {
		props.OrganizationID = organization
		if err := props.Validate(); err == nil || err.Error() != want {
			t.Errorf("said %v, want %s", err, want)
		}
	}
	props.Targets[0].Role = strings.TrimSuffix(props.Targets[0].Role, strings.Repeat("r", 42))
	if err := props.Validate(); err != nil {
		t.Errorf("with shorter names: %v", err)
	}
}

// IAM bounds the trust policy of steward-reader, which names them and their accounts.
func TestMoreReadersThanATrustPolicyHoldsAreRefused(t *testing.T) {
	for want, tt := range map[string]struct{ roles, length int }{
		"eksSteward.readers is 9: want at most 8 roles":                                   {9, 60},
		"eksSteward.readers is 903: want at most 900 characters in all: name fewer roles": {3, 301},
		"": {8, 112},
	} {
		props := small()
		for i := range tt.roles {
			role := fmt.Sprintf("arn:aws:iam::%012d:role/", i)
			props.Readers = append(props.Readers, role+strings.Repeat("r", tt.length-len(role)))
		}
		if err := props.Validate(); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("said %v, want %q", err, want)
		}
	}
}

// Lambda bounds the environment of approve, which holds their ids.
func TestMoreUsersThanAnEnvironmentHoldsAreRefused(t *testing.T) {
	props := full()
	props.Slack.Approvals.Users = slices.Repeat([]string{"U0123ABCD"}, 61)
	const want = "eksSteward.slack.approvals.users is 61: want at most 60 users: others approve by steward approve"
	if err := props.Validate(); err == nil || err.Error() != want {
		t.Errorf("said %v, want %s", err, want)
	}
}

// The credentials of the moment are those of one account: with them the hub of all
// targets would be another one for each account that a member is deployed in.
func TestTheHubFollowsTheCredentialsOnlyWhereNothingElseIsNamed(t *testing.T) {
	member := []infra.Target{{Account: "444455556666", Regions: []string{"eu-central-1"}}}
	for name, tt := range map[string]struct {
		props   infra.Props
		current infra.Place
		want    string // begins the error
	}{
		"targets, with the credentials of one":  {infra.Props{Targets: member}, infra.Place{Account: "444455556666", Region: "eu-central-1"}, "eksSteward.hub is left out: want where the functions run"},
		"targets, with the credentials of none": {infra.Props{Targets: member}, infra.Place{}, "eksSteward.hub is left out: want where the functions run"},
		"nothing, with no credentials":          {infra.Props{}, infra.Place{}, "nothing says where to deploy: sign in to AWS, or set eksSteward.hub"},
		"an account without its region":         {infra.Props{Targets: member, Hub: infra.Place{Account: "111122223333"}}, infra.Place{Account: "444455556666", Region: "eu-central-1"}, `eksSteward.hub.region is ""`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := infra.NewApp(awscdk.NewApp(nil), tt.props, tt.current); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("said %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLeftOutHubAndTargetsAreWhereTheCommandLineIs(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Context: &map[string]any{"aws:cdk:bundling-stacks": []any{}}})
	if err := infra.NewApp(app, infra.Props{}, infra.Place{Account: "444455556666", Region: "eu-central-1"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"EksSteward", "EksStewardMember-444455556666-eu-central-1"} {
		if app.Node().TryFindChild(jsii.String(name)) == nil {
			t.Errorf("there is no stack %s", name)
		}
	}
}
