package nodegroup_test

import (
	"net/http"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
	"github.com/eks-steward/eks-steward/internal/sim"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// onDemand is a nodegroup of some types of instances.
func onDemand(types ...string) fleet.Nodegroup {
	return fleet.Nodegroup{Name: "blue", Capacity: "ON_DEMAND", InstanceTypes: types, Subnets: []string{"subnet-1"}}
}

func TestTheQuotaCountsForTheStandardFamiliesAlone(t *testing.T) {
	templated := onDemand()
	templated.Template = fleet.TemplateVersion{ID: "lt-1", Version: "1"}
	untyped := onDemand()
	untyped.Template = fleet.TemplateVersion{ID: "lt-2", Version: "1"}
	spot, newer, unsaid := onDemand("m5.large"), onDemand("m5.large"), onDemand("m5.large")
	spot.Capacity, newer.Capacity, unsaid.Capacity = "SPOT", "CAPACITY_BLOCK", ""
	limited := func(left, each int) rollout.Room { return rollout.Room{Addresses: 250, VCPUs: left, EachVCPUs: each} }
	unlimited := limited(-1, 0)
	tests := []struct {
		name  string
		group fleet.Nodegroup
		used  int
		want  rollout.Room
	}{
		{"one type", onDemand("m5.large"), 60, limited(40, 2)},
		{"of several types the largest one", onDemand("t3.medium", "r6i.24xlarge", "c7g.2xlarge"), 60, limited(40, 96)},
		{"a quota that is used up", onDemand("m5.large"), 100, limited(0, 2)},
		{"a quota that was lowered since", onDemand("m5.large"), 130, limited(0, 2)},
		{"a type that the launch template names", templated, 60, limited(40, 4)},
		{"a launch template that names none", untyped, 60, unlimited},
		{"graphics have another quota", onDemand("g5.xlarge"), 60, unlimited},
		{"so has one type of two", onDemand("m5.large", "g5.xlarge"), 60, unlimited},
		{"machine learning", onDemand("inf2.xlarge"), 60, unlimited},
		{"a name that is none", onDemand("m"), 60, unlimited},
		{"Spot instances", spot, 60, unlimited},
		{"FAULT 09 a capacity that nobody knows yet", newer, 60, unlimited},
		{"FAULT 10 a capacity that EKS did not say", unsaid, 60, unlimited},
		{"no figure of what is in use", onDemand("m5.large"), -1, unlimited},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := payments()
			r.VCPUs = map[string]int{"Standard/OnDemand": tt.used}
			if tt.used < 0 {
				r.VCPUs = nil
			}
			r.LaunchTemplates = []sim.LaunchTemplate{{ID: "lt-1", InstanceType: "m5.xlarge"}, {ID: "lt-2"}}
			got := enter(t, r).reader.Room(t.Context(), target, tt.group)
			if !got.Known() || got.Value != tt.want || !got.At.Equal(noon) {
				t.Errorf("got %+v, %s; want %+v", got.Value, got.Why(), tt.want)
			}
		})
	}
}

// metric answers GetMetricData with these results.
func metric(results ...cbor.Value) edge.Step {
	body := cbor.Encode(cbor.Map{"MetricDataResults": cbor.List(results)})
	return edge.Step{Operation: "GetMetricData", Times: edge.Always, Do: edge.Raw(http.StatusOK, "application/cbor", string(body))}
}

func TestRoomThatCannotBeReadIsUnknown(t *testing.T) {
	gone := onDemand()
	gone.Template = fleet.TemplateVersion{ID: "lt-1", Version: "1"}
	tests := []struct {
		name   string
		group  fleet.Nodegroup
		step   edge.Step
		kind   fleet.TroubleKind
		action string
	}{
		{"FAULT 10 a group without subnets", fleet.Nodegroup{Capacity: "SPOT"}, edge.Step{}, fleet.Failed, "ec2:DescribeSubnets"},
		{"FAULT 05 the subnets are denied", onDemand("m5.large"), denied("DescribeSubnets", "ec2:DescribeSubnets"), fleet.Denied, "ec2:DescribeSubnets"},
		{"FAULT 05 the launch template is denied", gone, denied("DescribeLaunchTemplateVersions", "ec2:DescribeLaunchTemplateVersions"), fleet.Denied, "ec2:DescribeLaunchTemplateVersions"},
		{"FAULT 46 CloudWatch could not say what is in use", onDemand("m5.large"), metric(cbor.Map{"Id": cbor.String("vcpus"), "StatusCode": cbor.String("InternalError")}), fleet.Failed, "cloudwatch:GetMetricData"},
		{"FAULT 46 CloudWatch left the metric out", onDemand("m5.large"), metric(), fleet.Failed, "cloudwatch:GetMetricData"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := payments()
			r.LaunchTemplates = []sim.LaunchTemplate{{ID: "lt-1"}}
			w := enter(t, r)
			if tt.step.Operation != "" {
				w.Faults().Script(tt.step)
			}
			troubleIn(t, w.reader.Room(t.Context(), target, tt.group), tt.kind, tt.action)
		})
	}
}

func TestAQuotaThatNobodyMayReadLeavesTheAddresses(t *testing.T) {
	w := enter(t, payments())
	w.Faults().Script(edge.Step{Operation: "GetServiceQuota", Times: edge.Always, Do: edge.Answer(http.StatusBadRequest, "AccessDeniedException", "no")})
	got := w.reader.Room(t.Context(), target, onDemand("m5.large"))
	troubleIn(t, got, fleet.Denied, "servicequotas:GetServiceQuota")
	if got.Value.Addresses != 250 {
		t.Errorf("got %+v", got.Value)
	}
}
