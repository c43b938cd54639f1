package awsfleet_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

func TestClustersReadsEveryPageAndNamesEachClusterOnce(t *testing.T) {
	f, w := connect(t, func(c call) reply {
		if c.token() == "" {
			return names("two", "pay", "web")
		}
		return names("", "api", "pay")
	})
	got, err := f.Clusters(t.Context(), target)
	if err != nil || !slices.Equal(got, []string{"api", "pay", "web"}) {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, c := range w.made("ListClusters") {
		if c.query.Get("maxResults") != "100" || c.query.Get("include") != "all" {
			t.Errorf("asked with %v, want pages of 100 with connected clusters", c.query)
		}
	}
}

func TestFault_01_ThrottledPageIsResumedWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttles := 3
		f, w := connect(t, func(c call) reply {
			switch {
			case c.token() == "":
				return names("two", "api")
			case throttles > 0:
				throttles--
				return eksError(429, "TooManyRequestsException", "slow down")
			}
			return names("", "web")
		})
		got, err := f.Clusters(t.Context(), target)
		if err != nil || !slices.Equal(got, []string{"api", "web"}) {
			t.Fatalf("got %q, %v", got, err)
		}
		var tokens []string
		for _, c := range w.made("ListClusters") {
			tokens = append(tokens, c.token())
		}
		if !slices.Equal(tokens, []string{"", "two", "two", "two", "two"}) {
			t.Errorf("tokens %q: the page was not resumed", tokens)
		}
	})
}

func TestFault_01_ExhaustedThrottlingReturnsWhatWasListedWithTheTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := connect(t, func(c call) reply {
			if c.token() == "" {
				return names("two", "api")
			}
			return eksError(400, "ThrottlingException", "Rate exceeded")
		})
		got, err := f.Clusters(t.Context(), target)
		if tr := trouble(t, err, fleet.Throttled); tr.Action != "eks:ListClusters" {
			t.Errorf("action %s", tr.Action)
		}
		if !slices.Equal(got, []string{"api"}) {
			t.Errorf("got %q, want what was listed before", got)
		}
		if n := len(w.made("ListClusters")); n != 11 {
			t.Errorf("%d calls, want 1 and then 10 attempts", n)
		}
	})
}

func TestRetriesStopAtTheDeadline(t *testing.T) {
	tests := map[string]func(call) reply{
		"while the service throttles": func(call) reply { return eksError(400, "ThrottlingException", "Rate exceeded") },
		"while the service is silent": func(c call) reply { <-c.done; return reply{} },
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := connect(t, answer)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				_, err := f.Clusters(ctx, target)
				trouble(t, err, fleet.Failed)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the cause is lost: %v", err)
				}
				if took := time.Since(start); took > 2*time.Second+time.Millisecond {
					t.Errorf("stopped after %s", took)
				}
			})
		})
	}
}

func TestFault_02_ClusterDeletedBetweenListAndDescribeIsGone(t *testing.T) {
	f, _ := connect(t, func(c call) reply {
		if c.cluster == "old" {
			return eksError(404, "ResourceNotFoundException", "No cluster found for name: old.")
		}
		return jsonBody(object{"cluster": object{"name": c.cluster, "status": "ACTIVE"}})
	})
	_, err := f.Cluster(t.Context(), target, "old")
	trouble(t, err, fleet.Gone)
	if c, err := f.Cluster(t.Context(), target, "web"); err != nil || c.Status != "ACTIVE" {
		t.Errorf("another cluster is affected: %+v, %v", c, err)
	}
}

func TestFault_04_LoopingTokenStops(t *testing.T) {
	tests := map[string]map[string]string{ // next token by token
		"the same token again":     {"": "a", "a": "a"},
		"a token from before":      {"": "a", "a": "b", "b": "a"},
		"a longer way round":       {"": "a", "a": "b", "b": "c", "c": "b"},
		"a token on an empty page": {"": "empty", "empty": "empty"},
	}
	for name, next := range tests {
		t.Run(name, func(t *testing.T) {
			f, w := connect(t, func(c call) reply {
				if len(c.token()) > 1 {
					return names(next[c.token()])
				}
				return names(next[c.token()], "web"+c.token())
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopAfter(w, 20, cancel)
			got, err := f.Clusters(ctx, target)
			trouble(t, err, fleet.LoopingPages)
			if !slices.Contains(got, "web") {
				t.Errorf("got %q, want what was listed before", got)
			}
		})
	}
}

// stopAfter keeps a reading that never ends from hanging the test.
func stopAfter(w *wire, calls int, cancel context.CancelFunc) {
	answer := w.answer
	w.answer = func(c call) reply {
		if calls--; calls < 0 {
			cancel()
		}
		return answer(c)
	}
}

func TestClusterKeepsWhatDecisionsNeed(t *testing.T) {
	full := object{
		"name": "web", "arn": "arn:aws:eks:eu-west-1:111122223333:cluster/web", "status": "ACTIVE", "version": "1.34",
		"createdAt": 1767225600.5, "controlPlaneScalingConfig": object{"tier": "tier-xl"},
		"endpoint": "https://web.invalid", "certificateAuthority": object{"data": "Q0E="},
		"platformVersion": "eks.12", "upgradePolicy": object{"supportType": "STANDARD"},
		"encryptionConfig":   []object{{"resources": []string{"secrets"}, "provider": object{"keyArn": "arn:aws:kms:eu-west-1:111122223333:key/1"}}},
		"resourcesVpcConfig": object{"vpcId": "vpc-1", "subnetIds": []string{"subnet-1", "subnet-2"}, "endpointPublicAccess": true},
		"computeConfig":      object{"enabled": true}, "tags": object{"team": "pay"},
		"health": object{"issues": []object{{"code": "KmsKeyDisabled", "message": "The key is disabled.", "resourceIds": []string{"key/1"}}}},
	}
	with := func(key string, value any) object {
		c := maps.Clone(full)
		c[key] = value
		return c
	}
	want := fleet.Cluster{
		ID:  target.Cluster("web"),
		ARN: "arn:aws:eks:eu-west-1:111122223333:cluster/web", Status: "ACTIVE", Version: "1.34", Tier: "tier-xl",
		CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC), Kind: fleet.KindEKS,
		Server:          fleet.APIServer{URL: "https://web.invalid", CA: "Q0E=", Public: true},
		PlatformVersion: "eks.12", SupportType: "STANDARD", KeyARN: "arn:aws:kms:eu-west-1:111122223333:key/1",
		VPC: "vpc-1", Subnets: []string{"subnet-1", "subnet-2"}, AutoMode: true, Tags: map[string]string{"team": "pay"},
		Health: []fleet.Issue{{Code: "KmsKeyDisabled", Message: "The key is disabled.", Resources: []string{"key/1"}}},
	}
	tests := map[string]struct {
		answer object
		change func(*fleet.Cluster)
	}{
		"a cluster in full":                                {full, func(*fleet.Cluster) {}},
		"FAULT 09 an unknown status is kept":               {with("status", "HIBERNATING"), func(c *fleet.Cluster) { c.Status = "HIBERNATING" }},
		"FAULT 09 an unknown tier is kept":                 {with("controlPlaneScalingConfig", object{"tier": "tier-64xl"}), func(c *fleet.Cluster) { c.Tier = "tier-64xl" }},
		"FAULT 10 nothing but a name":                      {object{"name": "web"}, func(c *fleet.Cluster) { *c = fleet.Cluster{ID: c.ID, Kind: fleet.KindEKS} }},
		"FAULT 10 nulls":                                   {object{"name": nil, "version": nil, "controlPlaneScalingConfig": nil, "health": nil, "encryptionConfig": nil, "resourcesVpcConfig": nil, "computeConfig": nil, "upgradePolicy": nil, "tags": nil}, func(c *fleet.Cluster) { *c = fleet.Cluster{ID: c.ID, Kind: fleet.KindEKS} }},
		"FAULT 10 a scaling config without a tier":         {with("controlPlaneScalingConfig", object{}), func(c *fleet.Cluster) { c.Tier = "" }},
		"FAULT 10 health without issues":                   {with("health", object{}), func(c *fleet.Cluster) { c.Health = nil }},
		"FAULT 10 an encryption config without a provider": {with("encryptionConfig", []object{{}}), func(c *fleet.Cluster) { c.KeyARN = "" }},
		"FAULT 10 a compute config that says nothing":      {with("computeConfig", object{}), func(c *fleet.Cluster) { c.AutoMode = false }},
		"FAULT 13 a connected cluster":                     {with("connectorConfig", object{"provider": "EKS_ANYWHERE"}), func(c *fleet.Cluster) { c.Kind = fleet.KindConnected }},
		"FAULT 13 a local cluster on an Outpost":           {with("outpostConfig", object{"controlPlaneInstanceType": "m5.large"}), func(c *fleet.Cluster) { c.Kind = fleet.KindOutpost }},
		"the name that was asked for, whatever comes back": {with("name", "other"), func(*fleet.Cluster) {}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := connect(t, func(call) reply { return jsonBody(object{"cluster": tt.answer}) })
			want := want
			tt.change(&want)
			got, err := f.Cluster(t.Context(), target, "web")
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestFault_09_UnknownEnumValueIsKept(t *testing.T) {
	f, _ := connect(t, func(call) reply {
		return jsonBody(object{"cluster": object{"status": "HIBERNATING", "controlPlaneScalingConfig": object{"tier": "tier-64xl"}}})
	})
	c, err := f.Cluster(t.Context(), target, "web")
	if err != nil || c.Status != "HIBERNATING" || c.Tier != "tier-64xl" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestFault_10_MissingFieldsAreNoPanic(t *testing.T) {
	for name, body := range map[string]string{"no cluster": `{}`, "null": `{"cluster":null}`} {
		t.Run(name, func(t *testing.T) {
			f, _ := connect(t, func(call) reply { return reply{status: 200, body: []byte(body)} })
			_, err := f.Cluster(t.Context(), target, "web")
			trouble(t, err, fleet.Failed)
		})
	}
	t.Run("a list without names", func(t *testing.T) {
		f, _ := connect(t, func(call) reply { return jsonBody(object{}) })
		if got, err := f.Clusters(t.Context(), target); err != nil || len(got) != 0 {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("a cluster of nothing", func(t *testing.T) {
		f, _ := connect(t, func(call) reply { return jsonBody(object{"cluster": object{}}) })
		if c, err := f.Cluster(t.Context(), target, "web"); err != nil || c.Version != "" || !c.CreatedAt.IsZero() {
			t.Errorf("got %+v, %v", c, err)
		}
	})
}

func tier(name string, gb any) object {
	return object{"tierName": name, "clusterDatabaseSizeGb": gb}
}

func version(v string, tiers ...object) object {
	return object{"clusterVersion": v, "controlPlaneScalingTiers": tiers}
}

func TestLimits(t *testing.T) {
	tests := map[string]struct {
		versions []object
		want     fleet.Limits
	}{
		"tiers as listed, standard from the configuration": {
			[]object{version("1.34", tier("tier-xl", 16), tier("tier-8xl", 32))},
			fleet.Limits{Standard: 8e9, ByTier: map[string]int64{"tier-xl": 16e9, "tier-8xl": 32e9}},
		},
		"the smallest of several versions": {
			[]object{version("1.34", tier("tier-xl", 16)), version("1.33", tier("tier-xl", 12)), version("1.32", tier("tier-xl", 20))},
			fleet.Limits{Standard: 8e9, ByTier: map[string]int64{"tier-xl": 12e9}},
		},
		"a listed standard tier beats the configuration": {
			[]object{version("1.34", tier("standard", 10))},
			fleet.Limits{Standard: 10e9, ByTier: map[string]int64{"standard": 10e9}},
		},
		"FAULT 10 what is not said stays unknown": {
			[]object{version("1.34", tier("tier-xl", nil), tier("tier-2xl", 0), object{"clusterDatabaseSizeGb": 4}), {"clusterVersion": "1.33"}, {}},
			fleet.Limits{Standard: 8e9, ByTier: map[string]int64{}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := connect(t, func(call) reply { return jsonBody(object{"clusterVersions": tt.versions}) })
			got, err := f.Limits(t.Context(), target, 8)
			if err != nil || got.Standard != tt.want.Standard || !maps.Equal(got.ByTier, tt.want.ByTier) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestLimitsReadsEveryPageAndNoticesALoop(t *testing.T) {
	next := map[string]string{"": "two"}
	f, _ := connect(t, func(c call) reply {
		if c.token() == "" {
			return jsonBody(object{"clusterVersions": []object{version("1.34", tier("tier-xl", 16))}, "nextToken": "two"})
		}
		return jsonBody(object{"clusterVersions": []object{version("1.33", tier("tier-2xl", 16))}, "nextToken": next["two"]})
	})
	got, err := f.Limits(t.Context(), target, 8)
	if err != nil || len(got.ByTier) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	next["two"] = "two"
	got, err = f.Limits(t.Context(), target, 8)
	trouble(t, err, fleet.LoopingPages)
	if got.Standard != 8e9 {
		t.Errorf("standard is %d beside the trouble", got.Standard)
	}
}
