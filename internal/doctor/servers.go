package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// A sign is what one cluster shows about one subject. Signs of one kind are told
// once, with the names of all their clusters: a fleet's worth of the same
// sentence would hide the others.
type sign struct {
	cluster string
	subject string
	kind    string
	tried   string
	outcome fleet.Outcome
	seen    string
	remedy  string
}

// The subjects of signs, and what is tried for them.
const (
	entries = "access entries"
	servers = "API servers"
)

// judgeEntry is about the access entry by which a cluster knows the role that
// the functions read as: whether there is one, and its groups.
func judgeEntry(t fleet.Target, who caller, cluster string, found bool, groups []string, err error) sign {
	s := sign{cluster: cluster, subject: entries, tried: "looked for the access entry of " + who.reader()}
	arguments := " --region " + t.Region + " --cluster-name " + cluster + " --principal-arn " + who.reader() + " --kubernetes-groups "
	trouble := fleet.TroubleOf(err)
	switch {
	case errors.Is(err, fleet.Denied):
		s.kind, s.seen = "denied", sentence(err)
		s.remedy = "nothing: " + needed(trouble.Action) + " needs " + trouble.Action + "; allow it to " + who.principal() + " if you want to see"
	case err != nil:
		s.kind, s.seen = string(trouble.Kind), sentence(err)
		s.remedy = "examine again; docs/kubernetes-access.md says which authentication modes know access entries"
	case !found:
		s.kind, s.outcome, s.seen = "none", fleet.Fail, "there is none"
		s.remedy = "aws eks create-access-entry --type STANDARD" + arguments + kubeapi.Group
	case !slices.Contains(groups, kubeapi.Group):
		s.kind, s.outcome = "group", fleet.Fail
		s.seen = fmt.Sprintf("its groups are %q, without %s", groups, kubeapi.Group)
		s.remedy = "aws eks update-access-entry" + arguments + strings.Join(append(slices.Clone(groups), kubeapi.Group), " ")
	default:
		s.outcome, s.seen = fleet.Pass, "it has the group "+kubeapi.Group
	}
	return s
}

// needed says what an action about access entries is for.
func needed(action string) string {
	if action == "eks:DescribeAccessEntry" {
		return "only the reason why an API server refuses the role"
	}
	return "only this examination"
}

// withinVPC is a cluster without a public endpoint.
func withinVPC(cluster string) sign {
	return sign{
		cluster: cluster, subject: servers, kind: string(kubeapi.Private), outcome: fleet.NotApplicable,
		seen: "not asked: the endpoint is private, so that the functions cannot reach it either; the size is read from CloudWatch",
	}
}

// judgeServer is about reading an API server.
func judgeServer(who caller, cluster string, err error) sign {
	s := answered(who, err)
	s.cluster, s.subject, s.tried = cluster, servers, "read /metrics as "+who.principal()+", with the cluster's own CA"
	return s
}

// answered is what follows from an API server's answer. A private one is nothing
// to mend: its cluster is read from CloudWatch. One that does not let in
// somebody's own credentials says nothing about the role that the functions read
// as.
func answered(who caller, err error) sign {
	unreachable := (*kubeapi.Unreachable)(nil)
	switch {
	case err == nil:
		return sign{outcome: fleet.Pass, seen: "it can be read"}
	case !errors.As(err, &unreachable):
		return sign{kind: "unexamined", seen: sentence(err), remedy: "examine again"}
	}
	s := sign{kind: string(unreachable.Kind), seen: unreachable.Error()} // says what to do
	switch unreachable.Kind {
	case kubeapi.Private:
		s.outcome = fleet.NotApplicable
	case kubeapi.Unauthorized, kubeapi.Forbidden:
		if who.role == "" {
			s.remedy = "it can be reached; these are your own credentials, so examine as the role of the functions (-f) to see whether it lets them in"
			break
		}
		s.outcome = fleet.Fail
	case kubeapi.WrongCA, kubeapi.TLSFailed, kubeapi.Redirected, kubeapi.OtherStatus, kubeapi.Refused, kubeapi.Unresolved:
		s.outcome = fleet.Fail
	}
	return s
}

// judgeObjects is about what clustercheck and rollouts read of an API server beside
// /metrics. Objects of which the server says the same are told together.
func judgeObjects(t fleet.Target, who caller, s fleet.Snapshot, pods fleet.Part[[]fleet.Pod]) []Examination {
	parts := []struct {
		name    string
		trouble *fleet.Trouble
	}{{"nodes", s.Nodes.Trouble}, {"kube-proxy", s.KubeProxy.Trouble}, {"backups of Velero", s.Backups.Trouble}, {"pods with their budgets", pods.Trouble}}
	var order []string
	first, names := map[string]sign{}, map[string][]string{} // by kind
	for _, p := range parts {
		var err error
		if p.trouble != nil {
			err = p.trouble
		}
		a := answered(who, err)
		if names[a.kind] == nil {
			order, first[a.kind] = append(order, a.kind), a
		}
		names[a.kind] = append(names[a.kind], p.name)
	}
	out := make([]Examination, len(order))
	for i, kind := range order {
		out[i] = Examination{
			Subject: "Kubernetes objects", Where: t.String(), Outcome: first[kind].outcome, Optional: true,
			Tried: "read " + strings.Join(names[kind], ", ") + " of cluster " + s.ID.Name + " as " + who.principal(),
			Seen:  first[kind].seen, Remedy: first[kind].remedy, Clusters: []string{s.ID.Name},
		}
	}
	return out
}

// readable are the clusters whose API server lets the functions in. That it lets
// in somebody's own credentials does not count.
func readable(signs []sign, who caller) []string {
	var names []string
	for _, s := range signs {
		if s.subject == servers && s.outcome == fleet.Pass && who.role != "" {
			names = append(names, s.cluster)
		}
	}
	return names
}

// together gathers signs into examinations, in the order of their first.
func together(t fleet.Target, signs []sign) []Examination {
	type key struct {
		subject, kind string
		outcome       fleet.Outcome
	}
	var order []key
	alike := map[key]Examination{}
	for _, s := range signs {
		k := key{s.subject, s.kind, s.outcome}
		e, met := alike[k]
		if !met {
			order = append(order, k)
			e = Examination{
				Subject: s.subject, Where: t.String(), Outcome: s.outcome, Optional: true,
				Tried: s.tried, Seen: s.seen, Remedy: s.remedy,
			}
		}
		e.Clusters = append(e.Clusters, s.cluster)
		alike[k] = e
	}
	out := make([]Examination, len(order))
	for i, k := range order {
		out[i] = alike[k]
	}
	return out
}
