package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	keyOne  = "arn:aws:kms:eu-west-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555555eeeeee"
	keyTwo  = "arn:aws-us-gov:kms:us-gov-west-1:444455556666:key/mrk-0123456789abcdef0123456789abcdef"
	foreign = "arn:aws:kms:eu-west-1:111122223333:key/9999aaaa-22bb-33cc-44dd-555555eeeeee"
)

// policy runs the command and reads what it prints.
func policy(t *testing.T, args ...string) policyDocument {
	t.Helper()
	code, out, errs := runSteward(t, append([]string{"policy"}, args...)...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var p policyDocument
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return p
}

// denies evaluates a statement as IAM would, for the operators that the policy
// has; with any other the test fails. keys are those that a request names.
func denies(t *testing.T, s policyStatement, action string, keys []string) bool {
	t.Helper()
	if s.Effect != "Deny" || s.Resource != "*" {
		t.Fatalf("the statement %s is no denial of everything", s.Sid)
	}
	if !slices.Contains(s.Action, action) {
		return false
	}
	for operator, condition := range s.Condition {
		for key, value := range condition {
			if key != "eks:encryptionConfigProviderKeyArns" {
				t.Fatalf("unknown condition key %s", key)
			}
			holds := false
			switch operator {
			case "Null":
				holds = (len(keys) == 0) == (value == "true")
			case "ForAnyValue:StringNotEquals": // false of no value at all
				holds = slices.ContainsFunc(keys, func(k string) bool { return !slices.Contains(value.([]any), any(k)) })
			default:
				t.Fatalf("unknown operator %s", operator)
			}
			if !holds {
				return false
			}
		}
	}
	return true
}

func TestThePolicyRefusesEverythingButApprovedKeys(t *testing.T) {
	for _, organization := range []bool{false, true} {
		args := []string{"--keys", keyOne + "," + keyTwo}
		if organization {
			args = append(args, "--org")
		}
		p := policy(t, args...)
		if p.Version != "2012-10-17" || len(p.Statement) != 2 {
			t.Fatalf("the policy is %+v", p)
		}
		for _, tt := range []struct {
			name   string
			keys   []string
			denied bool
		}{
			{"an approved key is let through", []string{keyOne}, false},
			{"the other approved key is let through", []string{keyTwo}, false},
			{"both approved keys are let through", []string{keyOne, keyTwo}, false},
			{"no key is refused", nil, true},
			{"a foreign key is refused", []string{foreign}, true},
			{"a foreign key beside an approved one is refused", []string{keyOne, foreign}, true},
			{"an alias is refused, as nobody knows what it stands for", []string{"alias/eks"}, true},
			{"the beginning of an approved key is refused", []string{keyOne[:len(keyOne)-1]}, true},
		} {
			for _, action := range []string{"eks:CreateCluster", "eks:AssociateEncryptionConfig"} {
				t.Run(fmt.Sprintf("%s/%s/org=%t", tt.name, action, organization), func(t *testing.T) {
					denied := slices.ContainsFunc(p.Statement, func(s policyStatement) bool { return denies(t, s, action, tt.keys) })
					if denied != tt.denied {
						t.Errorf("denied: %t", denied)
					}
				})
			}
		}
		if slices.ContainsFunc(p.Statement, func(s policyStatement) bool { return denies(t, s, "eks:UpdateClusterConfig", nil) }) {
			t.Error("a call without a key to name is refused")
		}
	}
}

func TestAControlPolicyHasNoWhiteSpaceThatCounts(t *testing.T) {
	_, out, _ := runSteward(t, "policy", "--org", "--keys", keyOne)
	if strings.ContainsAny(strings.TrimSpace(out), " \n\t") {
		t.Errorf("printed %s", out)
	}
}

func TestThePolicyIsRefusedWithASentence(t *testing.T) {
	var many []string
	for i := range 80 {
		many = append(many, fmt.Sprintf("%s%02d", keyOne[:len(keyOne)-2], i))
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no key":             {nil, "keys"},
		"an empty key":       {[]string{"--keys", ""}, "at least one key"},
		"an alias":           {[]string{"--keys", "arn:aws:kms:eu-west-1:111122223333:alias/eks"}, "no alias and no wildcard"},
		"a wildcard":         {[]string{"--keys", "arn:aws:kms:*:111122223333:key/*"}, "no alias and no wildcard"},
		"too many for SCP":   {[]string{"--org", "--keys", strings.Join(many, ",")}, "a service control policy at most 5120"},
		"too many for IAM":   {[]string{"--keys", strings.Join(many, ",")}, "an IAM policy at most 6144"},
		"an argument":        {[]string{"scp", "--keys", keyOne}, "unknown command"},
		"one of two is good": {[]string{"--keys", keyOne + ",x"}, `"x" is not the ARN of a key`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := runSteward(t, append([]string{"policy"}, tt.args...)...)
			if code != exitUsage || !strings.Contains(errs, tt.want) || out != "" {
				t.Errorf("exit %d, %q, %q", code, out, errs)
			}
		})
	}
}
