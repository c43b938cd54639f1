package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	var (
		keys         []string
		organization bool
	)
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Print a policy that keeps clusters without an approved key from being created",
		Long: `policy prints an IAM policy, or with --org a service control policy, that denies
eks:CreateCluster and eks:AssociateEncryptionConfig unless the request names
approved KMS keys and no other. It grants nothing. docs/prevention.md says where
to attach it and how to try it. It calls nothing and needs no AWS access.`,
		Example: `  steward policy --keys arn:aws:kms:eu-west-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555555eeeeee
  steward policy --org --keys arn:aws:kms:eu-west-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef > scp.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printPolicy(cmd.OutOrStdout(), keys, organization) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&keys, "keys", nil, "ARNs of the approved keys, one for each region at least; may be repeated (required)")
	f.BoolVar(&organization, "org", false, "a service control policy for AWS Organizations")
	_ = cmd.MarkFlagRequired("keys") // the flag is defined above
	return cmd
}

// The limits of a policy in characters. A service control policy counts as it is
// saved, an IAM policy without white space:
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxControlPolicy = 5120
	maxManagedPolicy = 6144
)

func printPolicy(w io.Writer, keys []string, organization bool) error {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	if err := validKeys(keys); err != nil {
		return err
	}
	compact, err := json.Marshal(prevention(keys))
	if err != nil {
		return err
	}
	kind, most := "an IAM policy", maxManagedPolicy
	if organization {
		kind, most = "a service control policy", maxControlPolicy
	}
	if len(compact) > most {
		return fmt.Errorf("--keys: with %d keys the policy has %d characters, and %s at most %d: make one for each unit of the organization with the keys of that unit", len(keys), len(compact), kind, most)
	}
	if organization {
		_, err = fmt.Fprintln(w, string(compact)) // white space counts
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, compact, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, pretty.String())
	return err
}

// validKeys wants ARNs of keys: EKS takes an alias too, but what an alias stands
// for can be changed by whoever may change aliases.
func validKeys(keys []string) error {
	if len(keys) == 0 {
		return errors.New("--keys: want the ARN of at least one key")
	}
	grammar := regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	for _, k := range keys {
		if !grammar.MatchString(k) {
			return fmt.Errorf("--keys: %q is not the ARN of a key: want one such as arn:aws:kms:eu-west-1:111122223333:key/1111aaaa-22bb-33cc-44dd-555555eeeeee, no alias and no wildcard", k)
		}
	}
	return nil
}

type policyDocument struct {
	Version   string
	Statement []policyStatement
}

type policyStatement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  string
	Condition map[string]map[string]any
}

// keyArns is the condition key with the ARNs of the keys that a request names. It
// holds several values: an operator without a set prefix must not be used on it.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
const keyArns = "eks:encryptionConfigProviderKeyArns"

// prevention denies in two statements, because no single condition covers both
// cases: ForAnyValue is false when the request names no key at all, and Null says
// nothing about which key is named.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
func prevention(keys []string) policyDocument {
	deny := func(sid, operator string, value any) policyStatement {
		return policyStatement{
			Sid: sid, Effect: "Deny", Action: []string{"eks:AssociateEncryptionConfig", "eks:CreateCluster"}, Resource: "*",
			Condition: map[string]map[string]any{operator: {keyArns: value}},
		}
	}
	return policyDocument{Version: "2012-10-17", Statement: []policyStatement{
		deny("DenyWithoutKey", "Null", "true"),
		deny("DenyOtherKeys", "ForAnyValue:StringNotEquals", keys),
	}}
}
