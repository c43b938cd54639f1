package snapshot

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// A statement is one of a key's policy (IAM User Guide, IAM JSON policy elements
// reference).
type statement struct {
	Effect       string
	Principal    principals
	NotPrincipal json.RawMessage
	Action       list
	NotAction    json.RawMessage
	Condition    map[string]map[string]json.RawMessage
}

// list is one text or several.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// principals are those of AWS, among them "*" for anybody.
type principals []string

func (p *principals) UnmarshalJSON(b []byte) error {
	var anybody string
	if json.Unmarshal(b, &anybody) == nil {
		*p = principals{anybody}
		return nil
	}
	var kinds struct{ AWS list }
	err := json.Unmarshal(b, &kinds)
	*p = principals(kinds.AWS)
	return err
}

// statements are one or several.
type statements []statement

func (s *statements) UnmarshalJSON(b []byte) error {
	var one statement
	if json.Unmarshal(b, &one) == nil {
		*s = statements{one}
		return nil
	}
	return json.Unmarshal(b, (*[]statement)(s))
}

// policyUse says whether a key's policy names a role for what EBS needs, which is
// to make a grant. It is unknown where the answer hangs on conditions, on
// exceptions or on what is forbidden.
func policyUse(document, role string) fleet.KeyUse {
	var policy struct{ Statement statements }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		return fleet.UseUnknown
	}
	use := fleet.UseRefused
	for _, s := range policy.Statement {
		switch {
		case !s.touches(role):
		case s.Effect != "Allow":
			return fleet.UseUnknown
		case s.plain(role):
			use = fleet.UseAllowed
		case use == fleet.UseRefused:
			use = fleet.UseUnknown
		}
	}
	return use
}

// touches reports whether a statement may be about the role and making grants.
func (s statement) touches(role string) bool {
	who := s.NotPrincipal != nil || slices.Contains(s.Principal, role) || slices.Contains(s.Principal, "*")
	what := s.NotAction != nil || slices.ContainsFunc(s.Action, makesGrants)
	return who && what
}

// plain reports whether a statement says it without conditions, but for the one
// that AWS's own example has.
func (s statement) plain(role string) bool {
	if s.NotPrincipal != nil || s.NotAction != nil {
		return false
	}
	for _, keys := range s.Condition {
		for key := range keys {
			if !strings.EqualFold(key, "kms:GrantIsForAWSResource") {
				return false
			}
		}
	}
	return slices.Contains(s.Principal, role) || len(s.Condition) == 0
}

// makesGrants reports whether an action of a policy covers kms:CreateGrant.
func makesGrants(action string) bool {
	covers, err := path.Match(strings.ToLower(action), "kms:creategrant")
	return err == nil && covers
}
