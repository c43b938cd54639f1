package infra

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/config"
)

// newEtcdSize adds the function that looks how full the etcd of every cluster
// is: on the hour, and at once when clusters come, go or change their tier.
func newEtcdSize(h *hub) *function {
	f := h.add("EtcdSize", functionProps{
		name:        "etcdsize",
		description: "Looks how full the etcd of every cluster of an account and region is",
		timeout:     2 * time.Minute,
		batch:       1,  // one account and region may be a hundred clusters
		concurrency: 10, // AWS publishes no rates for the EKS API: a pace it bears
		heartbeat:   events.Hourly.Interval(),
		environment: []any{config.EtcdSizeEnv{
			Table: *h.ledger.TableName(),
			Bus:   *h.bus.EventBusArn(),
			Topic: *h.findings.TopicArn(),
		}},
		grants: append([]awsiam.PolicyStatement{
			allow([]*string{h.bus.EventBusArn()}, "events:PutEvents"),
			// With the ledger down, what is critical goes straight to the topic.
			allow([]*string{h.findings.TopicArn()}, "sns:Publish"),
		}, append(h.grantReaders(), h.grantRecords(), h.grantLists())...),
	})
	h.on(f, "Calls", fields(events.EtcdSizeCalls))
	return f
}

// grantReaders lets a function take on the reader role of each account that is
// watched: steward-reader, or the role that the target names in its place.
func (h *hub) grantReaders() []awsiam.PolicyStatement {
	var accounts, named []string
	for _, t := range h.props.Targets {
		if t.Role == "" {
			accounts = append(accounts, t.Account)
		} else {
			named = append(named, t.Role)
		}
	}
	var grants []awsiam.PolicyStatement
	if accounts != nil || h.props.OrganizationID != "" {
		grants = append(grants, h.grantInMembers(config.ReaderRole, accounts))
	}
	if named != nil {
		grants = append(grants, allow(*jsii.Strings(named...), "sts:AssumeRole"))
	}
	return grants
}

// grantInMembers lets a function take on a role that member stacks make: in any
// account of the organisation, or else in accounts. These stand in a condition,
// since a policy has no room for a hundred ARNs. STS has the key aws:ResourceAccount
// as it has aws:ResourceOrgID.
// https://aws.amazon.com/about-aws/whats-new/2022/04/iam-access-resource-organization/
func (h *hub) grantInMembers(role string, accounts []string) awsiam.PolicyStatement {
	within := map[string]any{"aws:ResourceAccount": accounts}
	if h.props.OrganizationID != "" {
		within = map[string]any{"aws:ResourceOrgID": h.props.OrganizationID}
	}
	grant := allow([]*string{jsii.String(iamARN("*", "role/"+role))}, "sts:AssumeRole")
	grant.AddCondition(jsii.String("StringEquals"), within)
	return grant
}
