package doctor

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/config"
)

// A Grant is one action that IAM has to allow.
type Grant struct {
	Principal string // ARN of the role or user that calls
	Action    string // such as eks:DescribeCluster
	Resource  string // ARN, or * where IAM takes nothing else
}

// A Policy is what to add to one principal, ready to paste.
type Policy struct {
	Principal string   `json:"principal"` // ARN of the role or user to attach it to
	Document  Document `json:"document"`
}

// A Document is an IAM policy in the form that IAM reads.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// A Statement allows some actions on some resources.
type Statement struct {
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

// policyLanguage is the current version of the policy language (IAM user guide,
// "IAM JSON policy elements: Version").
const policyLanguage = "2012-10-17"

// Policies grants what is missing and nothing more, one policy for each
// principal. Actions share a statement where they share their resources.
func Policies(grants []Grant) []Policy {
	missing := map[string]map[string]map[string]bool{} // by principal, action, resource
	for _, g := range grants {
		if missing[g.Principal] == nil {
			missing[g.Principal] = map[string]map[string]bool{}
		}
		if missing[g.Principal][g.Action] == nil {
			missing[g.Principal][g.Action] = map[string]bool{}
		}
		missing[g.Principal][g.Action][g.Resource] = true
	}
	policies := []Policy{} // a list in JSON too, not null
	for _, principal := range slices.Sorted(maps.Keys(missing)) {
		policies = append(policies, Policy{principal, Document{policyLanguage, statements(missing[principal])}})
	}
	return policies
}

func statements(missing map[string]map[string]bool) []Statement {
	shared := map[string]*Statement{} // by resources
	for _, action := range slices.Sorted(maps.Keys(missing)) {
		resources := slices.Sorted(maps.Keys(missing[action]))
		key := strings.Join(resources, " ")
		if shared[key] == nil {
			shared[key] = &Statement{Effect: "Allow", Resource: resources}
		}
		shared[key].Action = append(shared[key].Action, action)
	}
	var out []Statement
	for _, s := range shared {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Statement) int { return cmp.Compare(a.Action[0], b.Action[0]) })
	return out
}

// caller is as whom a target is read, and what ARNs begin with there.
type caller struct {
	account string
	arn     string // as GetCallerIdentity says it
	role    string // ARN of the target's role; empty when the caller's own credentials read
}

// principal is what a policy can be attached to: the role behind a session. A
// session's ARN does not tell the path of its role.
func (c caller) principal() string {
	if c.role != "" {
		return c.role
	}
	_, session, ok := strings.Cut(c.arn, ":assumed-role/")
	if !ok {
		return c.arn
	}
	name, _, _ := strings.Cut(session, "/")
	return c.iam("role/" + name)
}

// partition is that of the caller's ARN: a policy made for another one grants
// nothing.
func (c caller) partition() string {
	fields := strings.SplitN(c.arn, ":", 3)
	if len(fields) < 3 || fields[1] == "" {
		return "aws"
	}
	return fields[1]
}

// reader is the role that the functions read as, whoever examines.
func (c caller) reader() string {
	if c.role != "" {
		return c.role
	}
	return c.iam("role/" + config.ReaderRole)
}

// iam is the ARN of something that IAM holds in the caller's account.
func (c caller) iam(resource string) string {
	return "arn:" + c.partition() + ":iam::" + c.account + ":" + resource
}
