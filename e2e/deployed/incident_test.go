package deployed_test

import (
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/testevents"
)

// incident takes a cluster from an etcd that fills over one that is nearly full
// to one with room again, with the hourly look after each. check runs after
// each step with the number of messages that there must be by then.
func incident(t *testing.T, cluster string, check func(messages int)) {
	t.Helper()
	steward.cluster(t, cluster)
	for i, step := range []struct {
		minutesAgo int
		gigabytes  []float64 // of 8
	}{
		{11, []float64{5.8, 5.8, 5.8, 5.8, 5.8}},
		{6, []float64{7.4}},
		{1, []float64{2}},
	} {
		steward.measure(t, cluster, step.minutesAgo, step.gigabytes...)
		steward.tick(t, "DispatchHourly")
		check(i + 1)
	}
}

func TestAnIncidentOfEtcdSizeIsOpenedChangedAndResolved(t *testing.T) {
	const cluster, about = "orders", "etcd of orders" // repeated looks of other checks see it for the first time
	words := []string{"WARNING", "CRITICAL", "RESOLVED"}
	incident(t, cluster, func(messages int) {
		for channel, got := range map[string][]string{"Slack": steward.told(about), "SNS": steward.mailed(t, about)} {
			if len(got) != messages {
				t.Fatalf("%s has %d messages after step %d, want one each: %q", channel, len(got), messages, got)
			}
			if last := strings.ToUpper(got[messages-1]); !strings.Contains(last, words[messages-1]) {
				t.Errorf("message %d on %s is %q, want one that says %s", messages, channel, got[messages-1], words[messages-1])
			}
		}
	})
	t.Run("and once only when every message comes twice", func(t *testing.T) {
		if n, err := steward.runner.Repeat(t.Context()); err != nil || n < 6 {
			t.Fatalf("%d messages repeated, %v: want at least those of three ticks", n, err)
		}
		steward.drain(t)
		if slack, mail := steward.told(about), steward.mailed(t, about); len(slack) != 3 || len(mail) != 3 {
			t.Errorf("Slack has %d and SNS %d messages, want three each", len(slack), len(mail))
		}
	})
}

func TestCallsOfCloudTrailAreLookedAtAtOnce(t *testing.T) {
	const cluster = "newcomer"
	steward.tick(t, "DispatchFiveMinutes") // accepts the configuration
	steward.cluster(t, cluster)
	steward.measure(t, cluster, 1, 7.5)
	steward.call(t, "CreateCluster", cluster)
	if got := steward.told("etcd of " + cluster); len(got) != 1 {
		t.Fatalf("after CreateCluster Slack shows %q, want the incident", got)
	}
	opened := steward.told(cluster) // other checks may have their say, by the calendar of versions
	steward.remove(cluster)
	steward.call(t, "DeleteCluster", cluster)
	if got := steward.told(cluster); len(got) != 2*len(opened) {
		t.Fatalf("after DeleteCluster Slack shows %q, want every incident and its end", got)
	}
}

// call sends the test event of a call of EKS as if it was made here, and lets
// everything happen that follows.
func (p *product) call(t *testing.T, name, cluster string) {
	t.Helper()
	if err := p.Happens(t.Context(), testevents.Case{Function: "etcdsize", Name: name}, "my-cluster", cluster); err != nil {
		t.Fatal(err)
	}
	p.drain(t)
}
