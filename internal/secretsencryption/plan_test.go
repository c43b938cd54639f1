package secretsencryption_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/golden"
	"github.com/eks-steward/eks-steward/internal/secretsencryption"
)

func TestStateTellsThreeStatesAndWhatCannotBeTold(t *testing.T) {
	for _, c := range []struct {
		name, key, version string
		want               secretsencryption.Encryption
	}{
		{"a customer's key", keyARN, "1.36", secretsencryption.CustomerKey},
		{"a customer's key, whatever the version", keyARN, "", secretsencryption.CustomerKey},
		{"FAULT 41 no key on a newer version is a key of AWS", "", "1.36", secretsencryption.AWSOwned},
		{"FAULT 41 the first version with a key of AWS", "", "1.28", secretsencryption.AWSOwned},
		{"no key on an older version", "", "1.27", secretsencryption.Unencrypted},
		{"FAULT 11 versions are compared by number", "", "1.9", secretsencryption.Unencrypted},
		{"FAULT 10 no key and no version", "", "", secretsencryption.Undetermined},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := secretsencryption.State(fleet.Cluster{KeyARN: c.key, Version: c.version}); got != c.want {
				t.Errorf("state %q, want %q", got, c.want)
			}
		})
	}
}

func TestJudgeHoldsAClusterAgainstItsPolicy(t *testing.T) {
	const replica = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	named := good(keyARN)
	named.Aliases, named.Tags = []string{"alias/eks"}, map[string]string{"team": "security"}
	read := fleet.Read(named, nil, noon)
	denied := fleet.Read(fleet.Key{}, refusal(fleet.Denied, "kms:DescribeKey", "no"), noon)
	const met, wanting, drift, unclear = secretsencryption.Met, secretsencryption.Wanting, secretsencryption.Drift, secretsencryption.Unclear
	for _, c := range []struct {
		name    string
		require string
		keys    []string
		key     string
		part    fleet.Part[fleet.Key]
		change  func(*fleet.Cluster)
		want    secretsencryption.Verdict
	}{
		{name: "any key will do", require: "any", want: met},
		{name: "no policy asks for nothing", want: met},
		{name: "a customer key is wanted and there is none", require: "customer-key", want: wanting},
		{name: "a listed key is wanted and there is none", require: "keys", keys: []string{keyARN}, want: wanting},
		{name: "a customer key is wanted and there is one", require: "customer-key", key: keyARN, want: met},
		{name: "the key is listed by its ARN", require: "keys", keys: []string{otherKey, keyARN}, key: keyARN, part: denied, want: met},
		{name: "the key is listed by its alias", require: "keys", keys: []string{"alias/eks"}, key: keyARN, part: read, want: met},
		{name: "the key is listed by its tag", require: "keys", keys: []string{"tag:team=security"}, key: keyARN, part: read, want: met},
		{name: "FAULT 40 the key is none of those listed", require: "keys", keys: []string{otherKey, "alias/other", "tag:team=payments", "tag:owner="}, key: keyARN, part: read, want: drift},
		{name: "FAULT 40 the replica of a listed key is another key", require: "keys", keys: []string{replica}, key: strings.Replace(replica, "central", "west", 1), part: read, want: drift},
		{name: "an alias that could not be read may be the one", require: "keys", keys: []string{"alias/eks"}, key: keyARN, part: denied, want: unclear},
		{name: "FAULT 10 a cluster without a version", require: "customer-key", change: func(c *fleet.Cluster) { c.Version = "" }, want: unclear},
		{name: "FAULT 13 a cluster that EKS does not run", require: "customer-key", change: func(c *fleet.Cluster) { c.Kind = fleet.KindOutpost }, want: unclear},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := orders()
			cluster.KeyARN = c.key
			if c.change != nil {
				c.change(&cluster)
			}
			p := secretsencryption.Policy{Require: c.require, Keys: c.keys}
			if got := p.Judge(cluster, c.part); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestAPlanHasAHashForEverythingThatItIsMadeFrom(t *testing.T) {
	plan := secretsencryption.PlanFor(orders(), good(keyARN))
	for name, change := range map[string]func(*fleet.Cluster, *fleet.Key){
		"account":  func(c *fleet.Cluster, _ *fleet.Key) { c.ID.Account = "444455556666" },
		"region":   func(c *fleet.Cluster, _ *fleet.Key) { c.ID.Region = "eu-west-2" },
		"name":     func(c *fleet.Cluster, _ *fleet.Key) { c.ID.Name = "orders-2" },
		"ARN":      func(c *fleet.Cluster, _ *fleet.Key) { c.ARN += "-2" },
		"creation": func(c *fleet.Cluster, _ *fleet.Key) { c.CreatedAt = c.CreatedAt.Add(time.Second) },
		"version":  func(c *fleet.Cluster, _ *fleet.Key) { c.Version = "1.37" },
		"key":      func(_ *fleet.Cluster, k *fleet.Key) { k.ARN = otherKey },
	} {
		c, k := orders(), good(keyARN)
		change(&c, &k)
		if secretsencryption.PlanFor(c, k).Hash() == plan.Hash() {
			t.Errorf("FAULT 57 another %s makes the same plan", name)
		}
	}
	same := orders()
	same.CreatedAt = same.CreatedAt.In(time.FixedZone("", 3600)).Add(400 * time.Millisecond)
	if secretsencryption.PlanFor(same, good(keyARN)) != plan {
		t.Error("the same time in another form makes another plan")
	}
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var stored secretsencryption.Plan
	if err := json.Unmarshal(b, &stored); err != nil || stored.Hash() != plan.Hash() {
		t.Errorf("the plan came back as %+v (%v), with another hash", stored, err)
	}
	golden.Check(t, "plan.txt", fmt.Sprintf("%s\n%s\n%s\n%s\n", b, plan.Hash(), plan.Short(), plan.Text()))
}
