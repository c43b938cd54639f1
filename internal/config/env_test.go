package config_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

func lookupIn(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

func inverse[T comparable](t *rapid.T, env T) {
	got, err := config.LoadEnv[T](lookupIn(config.Environ(env)))
	if err != nil || got != env {
		t.Errorf("got %+v, %v; want %+v", got, err, env)
	}
}

func TestLoadEnvIsTheInverseOfEnviron(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		matching := func(pattern string) string { return rapid.StringMatching(pattern).Draw(t, pattern) }
		table, bus := matching(`[A-Za-z0-9_.-]{3,40}`), matching(`arn:aws(-cn|-us-gov)?:events:[a-z]{2}-[a-z]{4}-1:[0-9]{12}:event-bus/[A-Za-z0-9_./-]{1,40}`)
		topic := matching(`arn:aws(-cn|-us-gov)?:sns:[a-z]{2}-[a-z]{4}-1:[0-9]{12}:[A-Za-z0-9_-]{1,40}`)
		url := matching(`https://sqs\.[a-z]{2}-[a-z]{4}-[1-9]\.amazonaws\.com(\.cn)?/[0-9]{12}/[a-z-]{1,20}`)
		inverse(t, config.DispatchEnv{
			Table: table, Bus: bus, ConfigBucket: matching(`[a-z0-9][a-z0-9-]{1,30}[a-z0-9]`), ConfigKey: "steward.yaml",
			EtcdSizeQueue: url, ClusterCheckQueue: url, NotifyQueue: "http://127.0.0.1:8080/queue", SecretsEncryptionQueue: url,
			MaxModeSecretsEncryption: rapid.SampledFrom(config.Modes).Draw(t, "mode"), MaxModeKeyGuard: config.Report,
			MaxModeNodegroupRollout: rapid.SampledFrom(config.Modes).Draw(t, "rollouts"), NodegroupRolloutQueue: rapid.SampledFrom([]string{"", url}).Draw(t, "queue of rollouts"),
			ConfigDefaultBucket: "cdk-assets", ConfigDefaultKey: matching(`[0-9a-f]{64}\.yaml`),
		})
		inverse(t, config.EtcdSizeEnv{Table: table, Bus: bus, Topic: topic})
		inverse(t, config.ClusterCheckEnv{Table: table, Bus: bus, Topic: topic, Queue: url})
		inverse(t, config.SecretsEncryptionEnv{
			Table: table, Bus: bus, Queue: url, KillSwitch: matching(`(/[a-z-]{1,20}){1,3}`),
			MaxMode: rapid.SampledFrom(config.Modes).Draw(t, "mode"), MaxKeyGuard: config.Enforce,
		})
		inverse(t, config.NodegroupRolloutEnv{
			Table: table, Bus: bus, Queue: url, KillSwitch: matching(`(/[a-z-]{1,20}){1,3}`), MaxMode: rapid.SampledFrom(config.Modes).Draw(t, "mode"),
		})
		inverse(t, config.ApproveEnv{
			Table: table, SecretsEncryptionQueue: url, NodegroupRolloutQueue: rapid.SampledFrom([]string{"", url}).Draw(t, "queue of rollouts"), Queue: url, SlackSigningSecret: matching(`([a-z/]{1,20})?`),
			SlackTeam: matching(`(T[A-Z0-9]{8})?`), SlackUsers: matching(`(U[A-Z0-9]{8}(,W[A-Z0-9]{8}){0,3})?`),
		})
		inverse(t, config.NotifyEnv{Table: table, Topic: topic, MachinesTopic: topic, SlackSecret: matching(`(steward/[a-z/]{1,20})?`), Dashboard: rapid.SampledFrom([]string{"", url}).Draw(t, "dashboard"), SlackAPI: rapid.SampledFrom([]string{"", "http://127.0.0.1:8080/api"}).Draw(t, "stand-in")})
	})
}

func TestLoadEnvNamesEveryVariableInOneSentence(t *testing.T) {
	_, err := config.LoadEnv[config.DispatchEnv](lookupIn(map[string]string{
		"STEWARD_TABLE": "steward", "STEWARD_BUS": "arn:aws:events:eu-west-1:111122223333:event-bus/steward", "STEWARD_CONFIG_BUCKET": "steward-config",
		"STEWARD_ETCDSIZE_QUEUE": "http://sqs.example.com/q", "STEWARD_CLUSTERCHECK_QUEUE": "https://sqs.example.com/q", "STEWARD_NOTIFY_QUEUE": "https://sqs.example.com/q",
		"STEWARD_SECRETSENCRYPTION_QUEUE": "https://sqs.example.com/q", "STEWARD_MAX_MODE_SECRETS_ENCRYPTION": "always", "STEWARD_MAX_MODE_KEY_GUARD": "report", "STEWARD_MAX_MODE_NODEGROUP_ROLLOUT": "report",
		"STEWARD_CONFIG_DEFAULT_BUCKET": "cdk-assets", "STEWARD_CONFIG_DEFAULT_KEY": "0123.yaml",
	}))
	want := "the environment is incomplete: STEWARD_CONFIG_KEY is missing: want the key of an S3 object; " +
		"STEWARD_ETCDSIZE_QUEUE is set to something else than an https URL, or http to this machine; " +
		"STEWARD_MAX_MODE_SECRETS_ENCRYPTION is set to something else than report, approve or enforce; " +
		"the deployment sets these variables, so deploy the stack again, or set them by hand for a local run"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLoadEnvNeverRepeatsAValue(t *testing.T) {
	const canary = "https://hooks.slack.com/services/T/B/CANARY"
	_, err := config.LoadEnv[config.NotifyEnv](lookupIn(map[string]string{
		"STEWARD_TABLE": canary, "STEWARD_TOPIC": canary, "STEWARD_SLACK_SECRET": canary, "STEWARD_DASHBOARD_URL": "http://" + canary,
	}))
	if err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"STEWARD_TABLE", "STEWARD_TOPIC", "STEWARD_SLACK_SECRET", "STEWARD_DASHBOARD_URL"} {
		if err != nil && !strings.Contains(err.Error(), name+" is set to something else") {
			t.Errorf("%s was accepted: %v", name, err)
		}
	}
}

func TestATokenIsNotTheNameOfItsSecret(t *testing.T) {
	for _, token := range []string{"xoxb-1-2-CANARY", "xoxp-CANARY", "xapp-CANARY"} {
		_, err := config.LoadEnv[config.NotifyEnv](lookupIn(map[string]string{"STEWARD_SLACK_SECRET": token}))
		if err == nil || !strings.Contains(err.Error(), "STEWARD_SLACK_SECRET is set to something else") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("got %v", err)
		}
	}
}

func TestURLsArePlainOnlyOnTheMachineItself(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://sqs.eu-west-1.amazonaws.com/1/q": true,
		"http://127.0.0.1:4566/q":                 true,
		"http://[::1]:4566/q":                     true,
		"http://localhost/q":                      true,
		"http://sqs.example.com/q":                false,
		"http://127.0.0.1.example.com/q":          false,
		"https://user:pass@sqs.example.com/q":     false,
		"https:///q":                              false,
		"ftp://localhost/q":                       false,
		"queue":                                   false,
	} {
		env := map[string]string{"STEWARD_TABLE": "steward", "STEWARD_TOPIC": "arn:aws:sns:eu-west-1:111122223333:steward", "STEWARD_MACHINES_TOPIC": "arn:aws:sns:eu-west-1:111122223333:machines", "STEWARD_DASHBOARD_URL": url}
		if _, err := config.LoadEnv[config.NotifyEnv](lookupIn(env)); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Whoever could name another address would be sent the bot token.
func TestAStandInForSlackIsOnTheMachineItself(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://127.0.0.1:4566/api":     true,
		"http://localhost:4566/api":     true,
		"https://slack.com/api":         false,
		"https://127.0.0.1/api":         false,
		"http://slack.example.com/api":  false,
		"http://127.0.0.1@example.com/": false,
	} {
		env := map[string]string{"STEWARD_TABLE": "steward", "STEWARD_TOPIC": "arn:aws:sns:eu-west-1:111122223333:steward", "STEWARD_MACHINES_TOPIC": "arn:aws:sns:eu-west-1:111122223333:machines", "STEWARD_SLACK_API": url}
		if _, err := config.LoadEnv[config.NotifyEnv](lookupIn(env)); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTheHubIsReadFromAnARN(t *testing.T) {
	want := fleet.ClusterID{Account: "111122223333", Region: "cn-north-1"}
	if got := config.Hub("arn:aws-cn:events:cn-north-1:111122223333:event-bus/steward"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := config.Hub("steward"); got != (fleet.ClusterID{}) {
		t.Errorf("got %v from a name, want nothing", got)
	}
}
