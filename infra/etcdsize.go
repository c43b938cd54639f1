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
// watched: any of the organisation, or else those of the targets.
func (h *hub) grantReaders() []awsiam.PolicyStatement {
	var grants []awsiam.PolicyStatement
	if h.props.OrganizationID != "" {
		grants = append(grants, h.grantInOrganization(config.ReaderRole))
	}
	var named []*string
	for _, t := range h.props.Targets {
		switch {
		case t.Role != "":
			named = append(named, jsii.String(t.Role))
		case h.props.OrganizationID == "":
			named = append(named, jsii.String(iamARN(t.Account, "role/"+config.ReaderRole)))
		}
	}
	if named != nil {
		grants = append(grants, allow(named, "sts:AssumeRole"))
	}
	return grants
}

// grantInOrganization lets a function take on a role in any account of the
// organisation.
func (h *hub) grantInOrganization(role string) awsiam.PolicyStatement {
	grant := allow([]*string{jsii.String(iamARN("*", "role/"+role))}, "sts:AssumeRole")
	grant.AddCondition(jsii.String("StringEquals"), map[string]any{"aws:ResourceOrgID": h.props.OrganizationID})
	return grant
}
