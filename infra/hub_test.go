package infra_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/infra"
	"github.com/eks-steward/eks-steward/internal/approval"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/config/yamlfile"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/worker"
)

// functionsOf pairs each function with what belongs to it, by the prefix of the
// short names.
func functionsOf(tpl template) []string {
	var names []string
	for id := range tpl.of("AWS::Lambda::Function") {
		names = append(names, strings.TrimSuffix(id, "Function"))
	}
	slices.Sort(names)
	return names
}

func TestEveryFunctionIsDeployed(t *testing.T) {
	if got, want := functionsOf(smallTemplates()["EksSteward"]), []string{"ClusterCheck", "Dispatch", "EtcdSize", "Notify", "SecretsEncryption"}; !slices.Equal(got, want) {
		t.Errorf("functions are %v, want %v", got, want)
	}
	for name, templates := range map[string]map[string]template{"approve": approvingTemplates(), "enforce for nodes alone": renewingTemplates(), "enforce": fullTemplates()} {
		if got, want := functionsOf(templates["EksSteward"]), []string{"Approve", "ClusterCheck", "Dispatch", "EtcdSize", "NodegroupRollout", "Notify", "SecretsEncryption"}; !slices.Equal(got, want) {
			t.Errorf("with the mode %s functions are %v, want %v", name, got, want)
		}
	}
}

func TestQueueAndSourceGiveAFunctionItsTime(t *testing.T) {
	tpl := fullTemplates()["EksSteward"]
	queues, sources := tpl.of("AWS::SQS::Queue"), tpl.of("AWS::Lambda::EventSourceMapping")
	for _, name := range functionsOf(tpl) {
		t.Run(name, func(t *testing.T) {
			function := tpl.of("AWS::Lambda::Function")[name+"Function"].Properties
			queue, source := queues[name+"Queue"].Properties, sources[name+"Source"].Properties
			if v, timeout := number(queue["VisibilityTimeout"]), number(function["Timeout"]); timeout == 0 || v < 6*timeout {
				t.Errorf("messages are hidden for %v s, the function has %v s: want six times that", v, timeout)
			}
			if n := number(at(queue["RedrivePolicy"], "maxReceiveCount")); n < 5 {
				t.Errorf("messages are given up after %v receives, want 5 at least", n)
			}
			if to := text(at(queue["RedrivePolicy"], "deadLetterTargetArn")); to != "<"+name+"DeadLetters.Arn>" {
				t.Errorf("what is given up goes to %s", to)
			}
			if from, to := text(source["EventSourceArn"]), text(source["FunctionName"]); from != "<"+name+"Queue.Arn>" || to != "<"+name+"Function>" {
				t.Errorf("the source takes from %s to %s", from, to)
			}
			if n := number(at(source["ScalingConfig"], "MaximumConcurrency")); n < 2 {
				t.Errorf("the maximum concurrency is %v, want 2 at least", n)
			}
			if types := texts(source["FunctionResponseTypes"]); !slices.Equal(types, []string{"ReportBatchItemFailures"}) {
				t.Errorf("the source takes the answers %v: a failed message would count as done", types)
			}
		})
	}
}

func TestEverythingIsEncrypted(t *testing.T) {
	tpl := smallTemplates()["EksSteward"]
	for id, q := range tpl.of("AWS::SQS::Queue") {
		if q.Properties["SqsManagedSseEnabled"] != true {
			t.Errorf("queue %s is not encrypted", id)
		}
	}
	for id, topic := range tpl.of("AWS::SNS::Topic") {
		if key := text(topic.Properties["KmsMasterKeyId"]); key != "<TopicKey.Arn>" {
			t.Errorf("topic %s is encrypted with %q", id, key)
		}
	}
	bucket := tpl.one(t, "AWS::S3::Bucket").Properties
	rules, _ := at(bucket["BucketEncryption"], "ServerSideEncryptionConfiguration").([]any)
	if len(rules) != 1 || text(at(rules[0], "ServerSideEncryptionByDefault", "SSEAlgorithm")) != "AES256" {
		t.Errorf("the configuration is encrypted by %v", rules)
	}
	for _, shut := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if at(bucket["PublicAccessBlockConfiguration"], shut) != true {
			t.Errorf("the configuration bucket leaves %s open", shut)
		}
	}
	if at(bucket["VersioningConfiguration"], "Status") != "Enabled" {
		t.Error("the configuration bucket keeps no versions")
	}
}

func TestOnlyWhatAsksTheKubernetesAPINeedsMoreMemory(t *testing.T) {
	for id, f := range fullTemplates()["EksSteward"].of("AWS::Lambda::Function") {
		want := 256.0
		if id == "ClusterCheckFunction" || id == "NodegroupRolloutFunction" {
			want = 512
		}
		if got := number(f.Properties["MemorySize"]); got != want {
			t.Errorf("%s has %v MB, want %v", id, got, want)
		}
	}
}

func TestAlarmsSayHowLongTheyWaited(t *testing.T) {
	alarms := smallTemplates()["EksSteward"].of("AWS::CloudWatch::Alarm")
	for function, interval := range map[string]string{"Dispatch": "5 minutes", "EtcdSize": "60 minutes", "ClusterCheck": "24 hours", "SecretsEncryption": "24 hours"} {
		if said := text(alarms[function+"DeadManAlarm"].Properties["AlarmDescription"]); !strings.Contains(said, "two intervals of "+interval+":") {
			t.Errorf("%s: %s", function, said)
		}
	}
}

// An encrypted topic takes alarms only when its key and its own policy do.
func TestAlarmsReachTheirTopic(t *testing.T) {
	tpl := smallTemplates()["EksSteward"]
	lets := func(document any, action string) bool {
		return slices.ContainsFunc(statements(document), func(s map[string]any) bool {
			return principal(s) == "Service cloudwatch.amazonaws.com" && slices.Contains(texts(s["Action"]), action)
		})
	}
	if !lets(tpl.of("AWS::SNS::TopicPolicy")["AlarmsPolicy"].Properties["PolicyDocument"], "sns:Publish") {
		t.Error("the topic does not let CloudWatch publish")
	}
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey*"} {
		if !lets(tpl.one(t, "AWS::KMS::Key").Properties["KeyPolicy"], action) {
			t.Errorf("the key does not let CloudWatch %s", action)
		}
	}
}

// The golden holds every alarm: dead letters and dead man of each function. One that
// only a rollout wakes may be silent for weeks.
func TestAlarmsAreThoseOfTheGolden(t *testing.T) {
	tpl := smallTemplates()["EksSteward"]
	var b strings.Builder
	alarms := tpl.of("AWS::CloudWatch::Alarm")
	for _, id := range slices.Sorted(maps.Keys(alarms)) {
		p := alarms[id].Properties
		m := measuredBy(p)
		fmt.Fprintf(&b, "%s\n    %s of %s %s, %s = %s%s: %s %v in %v periods of %v s; missing data is %s; to %s, again when well to %s\n", id,
			m.statistic, m.namespace, m.name, m.dimension, m.value, m.watched,
			text(p["ComparisonOperator"]), p["Threshold"], p["EvaluationPeriods"], m.period, text(p["TreatMissingData"]),
			strings.Join(texts(p["AlarmActions"]), ","), strings.Join(texts(p["OKActions"]), ","))
	}
	golden(t, "alarms.golden", b.String())
	for _, name := range functionsOf(tpl) {
		for _, kind := range []string{"DeadLettersAlarm", "DeadManAlarm"} {
			if alarms[name+kind].Type == "" {
				t.Errorf("there is no %s%s", name, kind)
			}
		}
	}
	for kind, want := range map[string]bool{"DeadLettersAlarm": true, "DeadManAlarm": false} {
		if _, there := renewingTemplates()["EksSteward"].of("AWS::CloudWatch::Alarm")["NodegroupRollout"+kind]; there != want {
			t.Errorf("there is a NodegroupRollout%s: %t, want %t", kind, there, want)
		}
	}
}

// measurement is the one metric of an alarm, and what the alarm watches of it where
// that is the result of an expression.
type measurement struct {
	statistic, namespace, name, dimension, value, watched string
	period                                                any
}

func measuredBy(alarm map[string]any) measurement {
	metric, statistic, period, id, watched := any(alarm), alarm["Statistic"], alarm["Period"], "", ""
	queries, _ := alarm["Metrics"].([]any)
	for _, q := range queries {
		if stat := at(q, "MetricStat"); stat != nil {
			metric, statistic, period, id = at(stat, "Metric"), at(stat, "Stat"), at(stat, "Period"), text(at(q, "Id"))
		}
		if at(q, "ReturnData") == true {
			watched += ", as " + text(at(q, "Expression"))
		}
	}
	name, dimension := text(at(metric, "MetricName")), at(metric, "Dimensions").([]any)[0]
	return measurement{
		text(statistic), text(at(metric, "Namespace")), name, text(at(dimension, "Name")), text(at(dimension, "Value")),
		strings.ReplaceAll(watched, "("+id+",", "("+name+","), period,
	}
}

// CloudWatch takes missing data for silence only when it finds no older data in a
// range that is longer than the periods asked for, so an alarm that listens for
// silence would wait for that range. Zeros in their place are data.
func TestFault_56_SilenceIsCountedAsZeroAtOnce(t *testing.T) {
	listening := 0
	for id, a := range smallTemplates()["EksSteward"].of("AWS::CloudWatch::Alarm") {
		if a.Properties["TreatMissingData"] != "breaching" {
			continue
		}
		listening++
		if got, want := measuredBy(a.Properties).watched, ", as FILL(Succeeded, 0)"; got != want {
			t.Errorf("%s watches the metric%s, want it%s", id, got, want)
		}
	}
	if listening != len(functionsOf(smallTemplates()["EksSteward"])) {
		t.Errorf("%d alarms listen for silence, want one for each function", listening)
	}
}

func TestAlarmsAndDashboardShowWhatFunctionsPublish(t *testing.T) {
	dashboard := text(smallTemplates()["EksSteward"].one(t, "AWS::CloudWatch::Dashboard").Properties["DashboardBody"])
	for _, metric := range []string{worker.Succeeded, worker.Failed} {
		if !strings.Contains(dashboard, fmt.Sprintf("%q,%q,%q", worker.Namespace, metric, "Function")) {
			t.Errorf("the dashboard does not show %s/%s", worker.Namespace, metric)
		}
	}
	for id, a := range smallTemplates()["EksSteward"].of("AWS::CloudWatch::Alarm") {
		if m := measuredBy(a.Properties); strings.HasSuffix(id, "DeadManAlarm") && (m.namespace != worker.Namespace || m.name != worker.Succeeded) {
			t.Errorf("%s listens to %s/%s, package worker publishes %s/%s", id, m.namespace, m.name, worker.Namespace, worker.Succeeded)
		}
	}
}

// Each function that reads clusters can take on the role that reads, and the role
// lets it.
func TestReadersAreTrustedAndTrust(t *testing.T) {
	for mode, templates := range map[string]map[string]template{"report": smallTemplates(), "approve": approvingTemplates()} {
		hub, member := templates["EksSteward"].of("AWS::IAM::Role"), templates[memberStack].of("AWS::IAM::Role")
		trusted := ""
		for _, s := range statements(member["Reader"].Properties["AssumeRolePolicyDocument"]) {
			trusted += condition(s)
		}
		if names := strings.Count(trusted, ":role/steward-"); names != map[string]int{"report": 3, "approve": 4}[mode] {
			t.Errorf("with the mode %s the reader trusts %d functions: %s", mode, names, trusted)
		}
		for id, r := range hub {
			assumes := slices.ContainsFunc(granted(r), func(s map[string]any) bool {
				return slices.ContainsFunc(texts(s["Resource"]), func(on string) bool { return strings.HasSuffix(on, ":role/steward-reader") })
			})
			name := text(r.Properties["RoleName"])
			if let := name != "" && strings.Contains(trusted, ":role/"+name); let != assumes {
				t.Errorf("with the mode %s %s takes on the reader: %t; the reader lets it: %t", mode, id, assumes, let)
			}
		}
	}
}

// People who read are a statement of their own in the trust of the reader.
func TestPeopleAreTrustedByTheReaderBesideTheFunctions(t *testing.T) {
	const (
		alone = "AWS arn:${Partition}:iam::111122223333:root if aws:PrincipalArn ArnEquals [arn:${Partition}:iam::111122223333:role/steward-etcdsize " +
			"arn:${Partition}:iam::111122223333:role/steward-clustercheck arn:${Partition}:iam::111122223333:role/steward-secretsencryption]"
		auditRole = "arn:aws:iam::777788889999:role/audit/readers"
	)
	for name, tt := range map[string]struct {
		readers      []string
		organization string
		want         []string
	}{
		"nobody":                       {nil, "", []string{alone}},
		"an empty list":                {[]string{}, "", []string{alone}},
		"a role of the hub's account":  {[]string{hubRole}, "", []string{alone, "AWS arn:${Partition}:iam::111122223333:root if aws:PrincipalArn ArnEquals [" + hubRole + "]"}},
		"two roles of another account": {[]string{toolsRole, auditRole}, "", []string{alone, "AWS arn:${Partition}:iam::777788889999:root if aws:PrincipalArn ArnEquals [" + toolsRole + " " + auditRole + "]"}},
		"roles of two accounts":        {[]string{toolsRole, hubRole}, "", []string{alone, "AWS arn:${Partition}:iam::777788889999:root, arn:${Partition}:iam::111122223333:root if aws:PrincipalArn ArnEquals [" + toolsRole + " " + hubRole + "]"}},
		"a role of an account of the same organisation": {[]string{toolsRole}, "o-a1b2c3d4e5", []string{
			alone + " and aws:PrincipalOrgID StringEquals [o-a1b2c3d4e5]",
			"AWS arn:${Partition}:iam::777788889999:root if aws:PrincipalArn ArnEquals [" + toolsRole + "] and aws:PrincipalOrgID StringEquals [o-a1b2c3d4e5]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tpl := assemble(func(app awscdk.App) error {
				infra.NewMember(awscdk.NewStack(app, jsii.String("Member"), nil), "Member", &infra.MemberProps{
					Hub: small().Hub, OrganizationID: tt.organization, Reader: true, Readers: tt.readers,
				})
				return nil
			})["Member"]
			var got []string
			for _, s := range statements(tpl.of("AWS::IAM::Role")["Reader"].Properties["AssumeRolePolicyDocument"]) {
				if s["Effect"] != "Allow" || s["Action"] != "sts:AssumeRole" {
					t.Errorf("the reader lets people %v %v", s["Effect"], s["Action"])
				}
				got = append(got, principal(s)+condition(s))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the reader trusts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Whoever reads can neither write nor reach the hub: but for the trust of the readers,
// the templates are those without anybody.
func TestPeopleWhoReadChangeNothingButTheTrustOfReaders(t *testing.T) {
	p := full()
	p.Readers = nil
	without := synthesize(p)
	for stack, tpl := range fullTemplates() {
		if got, want := len(tpl.Resources), len(without[stack].Resources); got != want {
			t.Errorf("%s has %d resources, without readers %d", stack, got, want)
		}
		for id, r := range tpl.Resources {
			same := reflect.DeepEqual(r, without[stack].Resources[id])
			if reader := r.Properties["RoleName"] == config.ReaderRole; same == reader {
				t.Errorf("%s: %s is the same without readers: %t", stack, short(id), same)
			}
		}
	}
}

// The grammar keeps out wildcards, which a condition on ARNs heeds.
func TestAMemberTrustsNoReaderThatIsNoRole(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.HasPrefix(said, `eksSteward.readers[0] is "arn:aws:iam::111122223333:role/*": want the ARN`) {
			t.Errorf("said %s", said)
		}
	}()
	infra.NewMember(awscdk.NewStack(awscdk.NewApp(nil), jsii.String("Member"), nil), "Member", &infra.MemberProps{
		Hub: small().Hub, Reader: true, Readers: []string{"arn:aws:iam::111122223333:role/*"},
	})
}

// The beat by hand of docs/deploying.md goes to where the schedules send theirs.
func TestTheQueueOfDispatchIsAnOutput(t *testing.T) {
	if got := text(smallTemplates()["EksSteward"].Outputs["DispatchQueue"].Value); got != "<DispatchQueue>" {
		t.Errorf("the output is %q", got)
	}
}

// A role of the target's takes the place of ours, which is not there then.
func TestARoleOfOnesOwnIsReadAsInPlaceOfOurs(t *testing.T) {
	const first, second = "arn:aws:iam::111122223333:role/readers", "arn:aws:iam::444455556666:role/audit/eks-readers"
	for name, tt := range map[string]struct {
		first, organization string
		want                []string
	}{
		"in one account":   {"", "", []string{"arn:${Partition}:iam::*:role/steward-reader if aws:ResourceAccount StringEquals [111122223333]", second}},
		"in every account": {first, "", []string{first + " " + second}},
		"in every account, though others of the organisation may follow": {
			first, "o-a1b2c3d4e5", []string{"arn:${Partition}:iam::*:role/steward-reader if aws:ResourceOrgID StringEquals [o-a1b2c3d4e5]", first + " " + second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := small()
			p.OrganizationID, p.Targets[0].Role, p.Targets[1].Role = tt.organization, tt.first, second
			var got []string
			for _, s := range granted(synthesize(p)["EksSteward"].of("AWS::IAM::Role")["EtcdSizeRole"]) {
				if text(s["Action"]) == "sts:AssumeRole" {
					got = append(got, strings.Join(texts(s["Resource"]), " ")+condition(s))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("etcdsize may take on %q, want %q", got, tt.want)
			}
		})
	}
}

// writers are the roles that write, with the one function that each trusts.
var writers = []struct{ id, name, function string }{
	{"EncryptionWriter", "steward-encryption-writer", "SecretsEncryption"},
	{"RolloutWriter", "steward-rollout-writer", "NodegroupRollout"},
}

// A role that writes can be taken on by the one function that it trusts.
func TestAWriterIsOneFunctionsAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		templates map[string]template
		made      []string
	}{
		"report": {smallTemplates(), nil}, "approve": {approvingTemplates(), []string{"EncryptionWriter", "RolloutWriter"}},
		"enforce": {fullTemplates(), []string{"EncryptionWriter", "RolloutWriter"}}, "nodes alone": {renewingTemplates(), []string{"RolloutWriter"}},
	} {
		for _, w := range writers {
			t.Run(name+"/"+w.name, func(t *testing.T) {
				role, made := tt.templates[memberStack].of("AWS::IAM::Role")[w.id]
				if made != slices.Contains(tt.made, w.id) {
					t.Fatalf("there is a writer: %t", made)
				}
				trusted := ""
				for _, s := range statements(role.Properties["AssumeRolePolicyDocument"]) {
					trusted += principal(s) + condition(s)
				}
				want := "AWS arn:${Partition}:iam::111122223333:root if aws:PrincipalArn ArnEquals [arn:${Partition}:iam::111122223333:role/steward-" + strings.ToLower(w.function) + "]"
				if made && (!strings.HasPrefix(trusted, want) || role.Properties["RoleName"] != w.name) {
					t.Errorf("the writer %s trusts %s", role.Properties["RoleName"], trusted)
				}
				for id, r := range tt.templates["EksSteward"].of("AWS::IAM::Role") {
					takesOn := slices.ContainsFunc(granted(r), func(s map[string]any) bool {
						return slices.ContainsFunc(texts(s["Resource"]), func(on string) bool { return strings.HasSuffix(on, ":role/"+w.name) })
					})
					if want := made && id == w.function+"Role"; takesOn != want {
						t.Errorf("%s takes on the writer: %t, want %t", id, takesOn, want)
					}
				}
			})
		}
	}
}

func TestAnAccountGetsItsWritersOnce(t *testing.T) {
	for _, w := range writers {
		var stacks []string
		for stack, tpl := range fullTemplates() {
			if _, ok := tpl.of("AWS::IAM::Role")[w.id]; ok {
				stacks = append(stacks, stack)
			}
		}
		slices.Sort(stacks)
		if want := []string{memberStack, "EksStewardMember-444455556666-eu-west-1"}; !slices.Equal(stacks, want) {
			t.Errorf("the role %s is in %v, want %v", w.name, stacks, want)
		}
	}
}

// While nothing renews nodes, dispatch wakes nobody for it.
func TestRolloutsAreWokenOnlyWhereTheyAreDeployed(t *testing.T) {
	for mode, templates := range map[string]map[string]template{"report": smallTemplates(), "approve": approvingTemplates(), "enforce": renewingTemplates()} {
		want := ""
		if mode != "report" {
			want = "<NodegroupRolloutQueue>"
		}
		for _, function := range []string{"Dispatch", "Approve"} {
			variables := at(templates["EksSteward"].of("AWS::Lambda::Function")[function+"Function"].Properties["Environment"], "Variables")
			if got := text(at(variables, "STEWARD_NODEGROUPROLLOUT_QUEUE")); got != want {
				t.Errorf("with the mode %s %s sends to %q, want %q", mode, function, got, want)
			}
		}
	}
}

// Whoever may put events on the bus must not be believed to have approved a plan, or
// to want one carried out: that is for approve to hear.
func TestNoRuleOfTheBusBringsApprovalsOrCommands(t *testing.T) {
	for id, rule := range fullTemplates()["EksSteward"].of("AWS::Events::Rule") {
		for _, kind := range slices.Concat(events.RolloutCommands.DetailType, events.RolloutApprovals.DetailType) {
			if pattern := asJSON(t, rule.Properties["EventPattern"]); slices.Contains(texts(pattern["detail-type"]), kind) {
				t.Errorf("the rule %s lets %q in", id, kind)
			}
		}
	}
}

// People set the switch: a deployment must not set it back.
func TestTheKillSwitchIsOffUntilSomebodySetsIt(t *testing.T) {
	for name, templates := range map[string]map[string]template{"report": smallTemplates(), "approve": approvingTemplates(), "enforce": fullTemplates()} {
		p := templates["EksSteward"].one(t, "AWS::SSM::Parameter").Properties
		if p["Name"] != "/eks-steward/kill-switch" || p["Value"] != "off" || p["Type"] != "String" {
			t.Errorf("with the mode %s the switch is %v", name, p)
		}
		for _, function := range []string{"SecretsEncryption", "NodegroupRollout"} {
			f, there := templates["EksSteward"].of("AWS::Lambda::Function")[function+"Function"]
			if told := at(f.Properties["Environment"], "Variables", "STEWARD_KILL_SWITCH"); there && told != p["Name"] {
				t.Errorf("with the mode %s %s reads %v", name, function, told)
			}
		}
	}
}

// Each function goes by the deployment's bound, whatever the run-time file says.
func TestFunctionsKnowTheHighestMode(t *testing.T) {
	for mode, templates := range map[string]map[string]template{"report": smallTemplates(), "approve": approvingTemplates(), "enforce": fullTemplates()} {
		guard := "report"
		if mode == "enforce" {
			guard = "enforce"
		}
		for function, want := range map[string]map[string]string{
			"SecretsEncryption": {"STEWARD_MAX_MODE": mode, "STEWARD_MAX_MODE_KEY_GUARD": guard},
			"Dispatch": {
				"STEWARD_MAX_MODE_SECRETS_ENCRYPTION": mode, "STEWARD_MAX_MODE_KEY_GUARD": guard, "STEWARD_MAX_MODE_NODEGROUP_ROLLOUT": mode,
			},
			"NodegroupRollout": {"STEWARD_MAX_MODE": mode},
		} {
			if function == "NodegroupRollout" && mode == "report" {
				continue // there is none
			}
			variables := at(templates["EksSteward"].of("AWS::Lambda::Function")[function+"Function"].Properties["Environment"], "Variables")
			for key, value := range want {
				if got := at(variables, key); got != value {
					t.Errorf("with the mode %s %s has %s %v, want %s", mode, function, key, got, value)
				}
			}
		}
	}
}

// The command line finds the queue by its name, and only Slack needs an address.
func TestApprovalsComeByAQueueAndByAnAddressThatSomebodyAskedFor(t *testing.T) {
	for name, templates := range map[string]map[string]template{"approve": approvingTemplates(), "enforce": fullTemplates()} {
		tpl := templates["EksSteward"]
		if got := tpl.of("AWS::SQS::Queue")["ApproveQueue"].Properties["QueueName"]; got != approval.QueueName {
			t.Errorf("%s: the queue is named %v, the command line sends to %s", name, got, approval.QueueName)
		}
		if urls := len(tpl.of("AWS::Lambda::Url")); urls != map[string]int{"approve": 0, "enforce": 1}[name] {
			t.Errorf("%s: there are %d addresses", name, urls)
		}
	}
	tpl := fullTemplates()["EksSteward"]
	if to := text(tpl.one(t, "AWS::Lambda::Url").Properties["TargetFunctionArn"]); to != "<ApproveFunction.Arn>" {
		t.Errorf("the address is that of %s", to)
	}
	var may []string
	for _, p := range tpl.of("AWS::Lambda::Permission") {
		if by := p.Properties; text(by["FunctionName"]) == "<ApproveFunction.Arn>" && (by["FunctionUrlAuthType"] == "NONE" || by["InvokedViaFunctionUrl"] == true) {
			may = append(may, fmt.Sprint(by["Action"], " for ", by["Principal"]))
		}
	}
	slices.Sort(may)
	if want := []string{"lambda:InvokeFunction for *", "lambda:InvokeFunctionUrl for *"}; !slices.Equal(may, want) || len(tpl.of("AWS::Lambda::Permission")) != len(want) {
		t.Errorf("by the address may come %v, want %v and nothing else", may, want)
	}
}

// What a run of clustercheck has no time left for goes on in its own queue, and
// nobody else's.
func TestClusterCheckSendsToItsOwnQueueOnly(t *testing.T) {
	for _, s := range granted(smallTemplates()["EksSteward"].of("AWS::IAM::Role")["ClusterCheckRole"]) {
		if slices.Contains(texts(s["Action"]), "sqs:SendMessage") {
			if got := texts(s["Resource"]); !slices.Equal(got, []string{"<ClusterCheckQueue.Arn>"}) {
				t.Errorf("clustercheck sends to %v", got)
			}
			return
		}
	}
	t.Error("clustercheck may send nothing")
}

// What wakes a function: each rule with the pattern of package events, and where
// its events go.
func TestRulesAreThePatternsOfPackageEvents(t *testing.T) {
	ofHub := asJSON(t, events.Findings)
	ofHub["account"] = []any{map[string]any{"Ref": "AWS::AccountId"}}
	encryption, freshness := asJSON(t, events.EncryptionFindings), asJSON(t, events.NodegroupRolloutFindings)
	encryption["account"], freshness["account"] = ofHub["account"], ofHub["account"]
	for name, tt := range map[string]struct {
		stack   string
		rule    string
		bus     string
		pattern map[string]any
		target  string
	}{
		"calls that change clusters wake etcdsize":     {"EksSteward", "EtcdSizeCalls", "<Bus>", asJSON(t, events.EtcdSizeCalls), "<EtcdSizeQueue.Arn>"},
		"calls that change clusters wake clustercheck": {"EksSteward", "ClusterCheckCalls", "<Bus>", asJSON(t, events.ClusterCheckCalls), "<ClusterCheckQueue.Arn>"},
		"the health of add-ons wakes clustercheck":     {"EksSteward", "ClusterCheckAddons", "<Bus>", asJSON(t, events.AddonHealthEvents), "<ClusterCheckQueue.Arn>"},
		"AWS Health wakes clustercheck":                {"EksSteward", "ClusterCheckHealth", "<Bus>", asJSON(t, events.HealthEvents), "<ClusterCheckQueue.Arn>"},
		"calls after which a cluster may need a key":   {"EksSteward", "SecretsEncryptionCalls", "<Bus>", asJSON(t, events.SecretsEncryptionCalls), "<SecretsEncryptionQueue.Arn>"},
		"calls that hurt or heal a key are looked at":  {"EksSteward", "SecretsEncryptionKeys", "<Bus>", asJSON(t, events.KMSCalls), "<SecretsEncryptionQueue.Arn>"},
		"our own findings about the keys of clusters":  {"EksSteward", "SecretsEncryptionFindings", "<Bus>", encryption, "<SecretsEncryptionQueue.Arn>"},
		"our own findings about the nodes of clusters": {"EksSteward", "NodegroupRolloutFindings", "<Bus>", freshness, "<NodegroupRolloutQueue.Arn>"},
		"findings of the hub's account wake notify":    {"EksSteward", "NotifyFindings", "<Bus>", ofHub, "<NotifyQueue.Arn>"},
		"EKS calls go to the hub":                      {memberStack, "EKSCalls", "", asJSON(t, events.EKSCalls), "arn:${Partition}:events:eu-west-1:111122223333:event-bus/eks-steward"},
		"KMS calls go to the hub":                      {memberStack, "KMSCalls", "", asJSON(t, events.KMSCalls), "arn:${Partition}:events:eu-west-1:111122223333:event-bus/eks-steward"},
		"the health of add-ons goes to the hub":        {memberStack, "Addons", "", asJSON(t, events.AddonHealthEvents), "arn:${Partition}:events:eu-west-1:111122223333:event-bus/eks-steward"},
		"AWS Health goes to the hub":                   {memberStack, "Health", "", asJSON(t, events.HealthEvents), "arn:${Partition}:events:eu-west-1:111122223333:event-bus/eks-steward"},
	} {
		t.Run(name, func(t *testing.T) {
			rule, ok := approvingTemplates()[tt.stack].of("AWS::Events::Rule")[tt.rule]
			if !ok {
				t.Fatalf("there is no rule %s", tt.rule)
			}
			if got := rule.Properties["EventPattern"]; !reflect.DeepEqual(got, any(tt.pattern)) {
				t.Errorf("the pattern is %v, want %v", got, tt.pattern)
			}
			targets := rule.Properties["Targets"].([]any)
			if len(targets) != 1 || text(at(targets[0], "Arn")) != tt.target || text(rule.Properties["EventBusName"]) != tt.bus {
				t.Errorf("events of bus %q go to %v, want those of %q to go to %s", text(rule.Properties["EventBusName"]), targets, tt.bus, tt.target)
			}
			if rule.Properties["State"] == "DISABLED" {
				t.Error("the rule is disabled")
			}
		})
	}
}

func asJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A queue takes from a rule only what its policy lets in, and so does the
// dead-letter queue that gets what could not be handed over.
func TestQueuesTakeFromTheirRule(t *testing.T) {
	tpl := approvingTemplates()["EksSteward"]
	for rule, function := range map[string]string{
		"EtcdSizeCalls": "EtcdSize", "ClusterCheckCalls": "ClusterCheck", "ClusterCheckAddons": "ClusterCheck", "ClusterCheckHealth": "ClusterCheck", "NotifyFindings": "Notify",
		"SecretsEncryptionCalls": "SecretsEncryption", "SecretsEncryptionKeys": "SecretsEncryption", "SecretsEncryptionFindings": "SecretsEncryption",
		"NodegroupRolloutFindings": "NodegroupRollout",
	} {
		target := tpl.of("AWS::Events::Rule")[rule].Properties["Targets"].([]any)[0]
		if dead := text(at(target, "DeadLetterConfig", "Arn")); dead != "<"+function+"DeadLetters.Arn>" {
			t.Errorf("%s leaves what it cannot hand over at %q", rule, dead)
		}
		for _, queue := range []string{"Queue", "DeadLetters"} {
			policy := tpl.of("AWS::SQS::QueuePolicy")[function+queue+"Policy"].Properties["PolicyDocument"]
			want := "aws:SourceArn ArnEquals [<" + rule + ".Arn>]"
			if !slices.ContainsFunc(statements(policy), func(s map[string]any) bool {
				return s["Effect"] == "Allow" && text(s["Action"]) == "sqs:SendMessage" && principal(s) == "Service events.amazonaws.com" && strings.Contains(condition(s), want)
			}) {
				t.Errorf("%s%s lets no rule %s in", function, queue, rule)
			}
		}
	}
}

// Each schedule sends a message that its function decodes.
func TestSchedulesSendWhatFunctionsDecode(t *testing.T) {
	beat := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	tick := func(c events.Cadence) func(events.Event) bool {
		return func(e events.Event) bool {
			tick, ok := e.(*events.Tick)
			return ok && tick.Cadence == c
		}
	}
	for id, tt := range map[string]struct {
		expression, zone, queue string
		decoded                 func(events.Event) bool
	}{
		"DispatchHourly":      {"cron(7 * * * ? *)", "Europe/Berlin", "Dispatch", tick(events.Hourly)},
		"DispatchDaily":       {"cron(17 6 * * ? *)", "Europe/Berlin", "Dispatch", tick(events.Daily)},
		"DispatchFiveMinutes": {"rate(5 minutes)", "Europe/Berlin", "Dispatch", tick(events.FiveMinutes)},
		"NotifyCanary": {"rate(1 hour)", "Europe/Berlin", "Notify", func(e events.Event) bool {
			_, ok := e.(*events.PendingNotices)
			return ok
		}},
	} {
		t.Run(id, func(t *testing.T) {
			s, ok := fullTemplates()["EksSteward"].of("AWS::Scheduler::Schedule")[id]
			if !ok {
				t.Fatal("there is no such schedule")
			}
			if e, z := text(s.Properties["ScheduleExpression"]), text(s.Properties["ScheduleExpressionTimezone"]); e != tt.expression || z != tt.zone {
				t.Errorf("beats at %s in %s, want %s in %s", e, z, tt.expression, tt.zone)
			}
			target := s.Properties["Target"]
			if got, dead, role := text(at(target, "Arn")), text(at(target, "DeadLetterConfig", "Arn")), text(at(target, "RoleArn")); got != "<"+tt.queue+"Queue.Arn>" ||
				dead != "<"+tt.queue+"DeadLetters.Arn>" || role != "<"+tt.queue+"SchedulerRole.Arn>" {
				t.Errorf("sends to %s, else to %s, as %s", got, dead, role)
			}
			message := strings.NewReplacer("<aws.scheduler.scheduled-time>", beat.Format(time.RFC3339), "<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3").
				Replace(at(target, "Input").(string))
			e, err := events.Decode([]byte(message))
			if err != nil || !tt.decoded(e) || !e.Head().Time.Equal(beat) {
				t.Errorf("%s decodes to %+v, %v", message, e, err)
			}
		})
	}
}

// A function that misses a variable does not start, so each environment must be
// complete.
func TestEnvironmentIsWhatTheFunctionLoads(t *testing.T) {
	for name, load := range map[string]func(func(string) (string, bool)) error{
		"Dispatch":     loads[config.DispatchEnv],
		"EtcdSize":     loads[config.EtcdSizeEnv],
		"ClusterCheck": loads[config.ClusterCheckEnv],
		"Notify":       loads[config.NotifyEnv],

		"SecretsEncryption": loads[config.SecretsEncryptionEnv],
		"NodegroupRollout":  loads[config.NodegroupRolloutEnv],
		"Approve":           loads[config.ApproveEnv],
	} {
		t.Run(name, func(t *testing.T) {
			function := fullTemplates()["EksSteward"].of("AWS::Lambda::Function")[name+"Function"]
			variables, _ := at(function.Properties["Environment"], "Variables").(map[string]any)
			lookup := func(key string) (string, bool) {
				value, ok := variables[key]
				return deployed(text(value)), ok
			}
			if err := load(lookup); err != nil {
				t.Error(err)
			}
		})
	}
	variables := func(function string) map[string]any {
		return at(fullTemplates()["EksSteward"].of("AWS::Lambda::Function")[function].Properties["Environment"], "Variables").(map[string]any)
	}
	for _, key := range []string{"STEWARD_SLACK_SECRET", "STEWARD_DASHBOARD_URL"} {
		if text(variables("NotifyFunction")[key]) == "" {
			t.Errorf("notify is not told %s", key)
		}
	}
	for key, topic := range map[string]string{"STEWARD_TOPIC": "<Findings>", "STEWARD_MACHINES_TOPIC": "<Machines>"} {
		if got := text(variables("NotifyFunction")[key]); got != topic {
			t.Errorf("%s of notify is %s, want %s", key, got, topic)
		}
	}
	for _, key := range []string{"STEWARD_CONFIG_DEFAULT_BUCKET", "STEWARD_CONFIG_DEFAULT_KEY"} {
		if text(variables("DispatchFunction")[key]) == "" {
			t.Errorf("dispatch is not told %s", key)
		}
	}
}

func loads[T any](lookup func(string) (string, bool)) error {
	env, err := config.LoadEnv[T](lookup)
	for i, v := 0, reflect.ValueOf(env); err == nil && i < v.NumField(); i++ {
		set, tests := v.Field(i).String() != "", v.Type().Field(i).Tag.Get("form") == "stand-in"
		if set == tests { // no deployment knows of a stand-in
			err = errors.Join(err, fmt.Errorf("%s is %q", v.Type().Field(i).Name, v.Field(i).String()))
		}
	}
	return err
}

// deployed is a value as CloudFormation would fill it in.
func deployed(value string) string {
	switch value {
	case "<Ledger>", "<Configuration>":
		return "example-" + strings.ToLower(strings.Trim(value, "<>"))
	case "<Bus.Arn>":
		return "arn:aws:events:eu-west-1:111122223333:event-bus/eks-steward"
	case "<Findings>", "<Machines>":
		return "arn:aws:sns:eu-west-1:111122223333:example"
	case "<EtcdSizeQueue>", "<ClusterCheckQueue>", "<SecretsEncryptionQueue>", "<NodegroupRolloutQueue>", "<ApproveQueue>", "<NotifyQueue>":
		return "https://sqs.eu-west-1.amazonaws.com/111122223333/example"
	}
	return value
}

func TestLedgerIsTheTableOfItsSchema(t *testing.T) {
	table := smallTemplates()["EksSteward"].one(t, "AWS::DynamoDB::Table").Properties
	schema := asJSON(t, dynamo.Schema("any"))
	for _, part := range []string{"BillingMode", "KeySchema"} {
		if got, want := table[part], schema[part]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", part, got, want)
		}
	}
	if got, want := byName(table["AttributeDefinitions"]), byName(schema["AttributeDefinitions"]); !reflect.DeepEqual(got, want) {
		t.Errorf("the attributes are %v, want %v", got, want)
	}
	indexes, wanted := table["GlobalSecondaryIndexes"].([]any), schema["GlobalSecondaryIndexes"].([]any)
	if len(indexes) != len(wanted) {
		t.Fatalf("there are %d indexes, want %d", len(indexes), len(wanted))
	}
	for _, part := range []string{"IndexName", "KeySchema"} {
		if got, want := at(indexes[0], part), at(wanted[0], part); !reflect.DeepEqual(got, want) {
			t.Errorf("%s of the index is %v, want %v", part, got, want)
		}
	}
	if got, want := at(indexes[0], "Projection", "ProjectionType"), at(wanted[0], "Projection", "ProjectionType"); got != want {
		t.Errorf("the index projects %v, want %v", got, want)
	}
	if name := text(at(table["TimeToLiveSpecification"], "AttributeName")); name != dynamo.ExpiresAttribute {
		t.Errorf("time to live is on %q, want %q", name, dynamo.ExpiresAttribute)
	}
	if at(table["PointInTimeRecoverySpecification"], "PointInTimeRecoveryEnabled") != true {
		t.Error("the ledger cannot be recovered to a point in time")
	}
}

func byName(attributes any) map[string]string {
	out := map[string]string{}
	for _, a := range attributes.([]any) {
		out[text(at(a, "AttributeName"))] = text(at(a, "AttributeType"))
	}
	return out
}

// Removing the stack leaves what retention asks for, and nothing else.
func TestRemovalLeavesOnlyDataThatMustStay(t *testing.T) {
	stay := func(tpl template) []string {
		var ids []string
		for id, r := range tpl.Resources {
			if r.DeletionPolicy != "" && r.DeletionPolicy != "Delete" || r.UpdateReplacePolicy != "" && r.UpdateReplacePolicy != "Delete" {
				ids = append(ids, short(id))
			}
		}
		slices.Sort(ids)
		return ids
	}
	if got, want := stay(smallTemplates()["EksSteward"]), []string{"Configuration", "Ledger"}; !slices.Equal(got, want) {
		t.Errorf("by default %v stay, want %v", got, want)
	}
	if got := stay(fullTemplates()["EksSteward"]); got != nil {
		t.Errorf("with removeData %v stay", got)
	}
	for stack, tpl := range smallTemplates() {
		if got := stay(tpl); stack != "EksSteward" && got != nil {
			t.Errorf("of the member %s %v stay", stack, got)
		}
		// Where CloudFormation would keep a resource unless it is told otherwise.
		for _, kind := range []string{"AWS::Logs::LogGroup", "AWS::SQS::Queue", "AWS::KMS::Key"} {
			for id, r := range tpl.of(kind) {
				if r.DeletionPolicy != "Delete" {
					t.Errorf("%s has the deletion policy %q", id, r.DeletionPolicy)
				}
			}
		}
	}
	for want, tpl := range map[bool]template{true: smallTemplates()["EksSteward"], false: fullTemplates()["EksSteward"]} {
		if got := tpl.one(t, "AWS::DynamoDB::Table").Properties["DeletionProtectionEnabled"]; got != want {
			t.Errorf("the ledger's deletion protection is %v, want %v", got, want)
		}
	}
}

func TestLogsAndArchiveAreKeptAsLongAsAsked(t *testing.T) {
	for days, tpl := range map[float64]template{30: smallTemplates()["EksSteward"], 90: fullTemplates()["EksSteward"]} {
		groups := tpl.of("AWS::Logs::LogGroup")
		if len(groups) != len(functionsOf(tpl)) {
			t.Errorf("there are %d log groups for %d functions", len(groups), len(functionsOf(tpl)))
		}
		for id, g := range groups {
			if got := number(g.Properties["RetentionInDays"]); got != days {
				t.Errorf("%s keeps logs for %v days, want %v", id, got, days)
			}
		}
		for id, f := range tpl.of("AWS::Lambda::Function") {
			if group := text(at(f.Properties["LoggingConfig"], "LogGroup")); group != "<"+strings.TrimSuffix(id, "Function")+"Logs>" {
				t.Errorf("%s logs to %q", id, group)
			}
		}
		if got := number(tpl.one(t, "AWS::Events::Archive").Properties["RetentionDays"]); got != days {
			t.Errorf("the archive keeps events for %v days, want %v", got, days)
		}
	}
}

func TestRecipientsSubscribeToTheirTopic(t *testing.T) {
	got := map[string]string{}
	for _, s := range fullTemplates()["EksSteward"].of("AWS::SNS::Subscription") {
		got[text(s.Properties["Endpoint"])] = text(s.Properties["TopicArn"])
	}
	want := map[string]string{"platform@example.com": "<Findings>", "oncall@example.com": "<Alarms>"}
	if !maps.Equal(got, want) {
		t.Errorf("subscriptions are %v, want %v", got, want)
	}
}

// CloudWatch refuses a body that is not JSON only when it is deployed.
func TestDashboardIsJSONAndNamesEveryFunction(t *testing.T) {
	tpl := smallTemplates()["EksSteward"]
	dashboard := text(tpl.one(t, "AWS::CloudWatch::Dashboard").Properties["DashboardBody"])
	var body struct {
		Variables []struct{ Property string }
		Widgets   []struct{ Properties struct{ Title string } }
	}
	if err := json.Unmarshal([]byte(dashboard), &body); err != nil {
		t.Fatalf("%v in %s", err, dashboard)
	}
	if len(body.Variables) != 1 || body.Variables[0].Property != "ClusterName" || len(body.Widgets) < 6 {
		t.Errorf("the dashboard has the variables %v and %d widgets", body.Variables, len(body.Widgets))
	}
	for _, name := range functionsOf(tpl) {
		if !strings.Contains(dashboard, "<"+name+"Queue.QueueName>") || !strings.Contains(dashboard, "<"+name+"Function>") {
			t.Errorf("the dashboard does not show %s", name)
		}
		function := tpl.of("AWS::Lambda::Function")[name+"Function"].Properties
		if share := fmt.Sprintf("/%.0f\"", 1000*number(function["Timeout"])); !strings.Contains(dashboard, share) {
			t.Errorf("the dashboard does not show how near %s comes to its timeout: want a run in milliseconds%s", name, share)
		}
	}
}

// The names are those of the function's log line; there is nothing to show where
// nothing renews nodes.
func TestDashboardShowsHowARolloutGetsOn(t *testing.T) {
	for mode, templates := range map[string]map[string]template{"report": smallTemplates(), "enforce": renewingTemplates()} {
		dashboard := text(templates["EksSteward"].one(t, "AWS::CloudWatch::Dashboard").Properties["DashboardBody"])
		if !json.Valid([]byte(dashboard)) {
			t.Errorf("with the mode %s the dashboard is no JSON: %s", mode, dashboard)
		}
		shown := strings.Count(dashboard, "SOURCE '<NodegroupRolloutLogs>'")
		if want := map[string]int{"report": 0, "enforce": 2}[mode]; shown != want {
			t.Errorf("with the mode %s there are %d widgets about rollouts, want %d", mode, shown, want)
		}
		for _, attr := range []string{"state", "done", "groups", "busy", "failed", "waits"} {
			if shown > 0 && !strings.Contains(dashboard, "attrs.rollout_"+attr) {
				t.Errorf("the dashboard does not show rollout_%s", attr)
			}
		}
	}
}

// Two regions of an account share its roles, and an account with a role of its
// own gets none of ours.
func TestAnAccountGetsItsReaderOnce(t *testing.T) {
	readers := func(templates map[string]template) []string {
		var stacks []string
		for stack, tpl := range templates {
			if _, ok := tpl.of("AWS::IAM::Role")["Reader"]; ok {
				stacks = append(stacks, stack)
			}
		}
		slices.Sort(stacks)
		return stacks
	}
	if got, want := readers(smallTemplates()), []string{memberStack, "EksStewardMember-444455556666-eu-west-1"}; !slices.Equal(got, want) {
		t.Errorf("readers are in %v, want %v", got, want)
	}
	if got, want := readers(fullTemplates()), []string{memberStack}; !slices.Equal(got, want) {
		t.Errorf("with a role of its own for the other account, readers are in %v, want %v", got, want)
	}
}

// Fault 8: in another partition, every ARN and host name would be another.
func TestFault_08_NoPartitionIsHardCoded(t *testing.T) {
	for stack, tpl := range smallTemplates() {
		for id, r := range tpl.Resources {
			b, err := json.Marshal(r.Properties)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), "arn:aws") {
				t.Errorf("%s: %s names a partition: %s", stack, short(id), b)
			}
		}
	}
}

func TestDefaultFileIsOneThatDispatchAccepts(t *testing.T) {
	name, file := defaultFile(t, full())
	parsed, err := yamlfile.Parse(name, file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range parsed.Targets() {
		got = append(got, target.String()+" as "+target.Role)
	}
	want := []string{
		"111122223333/eu-west-1 as arn:aws:iam::111122223333:role/steward-reader",
		"111122223333/us-east-1 as arn:aws:iam::111122223333:role/steward-reader",
		"444455556666/eu-west-1 as arn:aws:iam::444455556666:role/audit/eks-readers",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the targets are %v, want %v", got, want)
	}
}
