package nodegroup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/quotas"
	"github.com/eks-steward/eks-steward/internal/awsfleet/snapshot"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/rollout"
)

// Room reads what AWS has left for more nodes of a group.
func (r *Reader) Room(ctx context.Context, t fleet.Target, group fleet.Nodegroup) fleet.Part[rollout.Room] {
	s := r.survey(t)
	room := rollout.Room{VCPUs: unlimited}
	var free, left error
	together(
		func() { room.Addresses, free = addresses(ctx, s, group) },
		func() { room.VCPUs, room.EachVCPUs, left = r.vcpus(ctx, t, s, group) },
	)
	return fleet.Read(room, errors.Join(free, left), r.now())
}

// addresses are those that are free in the subnets of a group.
func addresses(ctx context.Context, s *snapshot.Survey, group fleet.Nodegroup) (int, error) {
	subnets := s.Subnets(ctx, group.Subnets)
	if !subnets.Known() {
		return 0, troubleOf(subnets, "ec2:DescribeSubnets", "EKS names no subnets of the nodegroup")
	}
	free := 0
	for _, n := range subnets.Value {
		free += n.Free
	}
	return free, nil
}

// unlimited stands for a quota that is not known to apply.
const unlimited = -1

// vcpus is what the quota of the standard families leaves and what one node takes,
// or unlimited: other families and Spot instances have quotas of their own, which
// are not read.
func (r *Reader) vcpus(ctx context.Context, t fleet.Target, s *snapshot.Survey, group fleet.Nodegroup) (left, each int, err error) {
	if group.Capacity != string(ekstypes.CapacityTypesOnDemand) {
		return unlimited, 0, nil
	}
	types, err := instanceTypes(ctx, s, group)
	if err != nil || len(types) == 0 || !allStandard(types) {
		return unlimited, 0, err
	}
	used, published, err := r.vcpusInUse(ctx, t)
	if err != nil || !published {
		return unlimited, 0, err
	}
	limit, err := quotas.New(r.fleet).VCPUs(ctx, t)
	if err != nil {
		return unlimited, 0, err
	}
	one := s.VCPUs(ctx, types)
	if !one.Known() {
		return unlimited, 0, one.Trouble
	}
	return max(0, limit-used), one.Value, nil
}

// instanceTypes are those that a group may start, from its launch template where
// that names one.
func instanceTypes(ctx context.Context, s *snapshot.Survey, group fleet.Nodegroup) ([]string, error) {
	if len(group.InstanceTypes) > 0 || group.Template == (fleet.TemplateVersion{}) {
		return group.InstanceTypes, nil
	}
	templates := s.Templates(ctx, []fleet.Nodegroup{group})
	if !templates.Known() {
		return nil, troubleOf(templates, "ec2:DescribeLaunchTemplateVersions", templates.Why())
	}
	var all []string
	for _, t := range templates.Value {
		if t.InstanceType != "" {
			all = append(all, t.InstanceType)
		}
	}
	return all, nil
}

// allStandard reports whether one quota is about all of these types: "On-Demand
// Instance quotas" in the EC2 user guide. Types are named by their family, a
// generation and what is special; im and is are of family I.
func allStandard(instanceTypes []string) bool {
	standard := []string{"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"}
	return !slices.ContainsFunc(instanceTypes, func(name string) bool {
		end := strings.IndexFunc(name, func(c rune) bool { return c < 'a' || c > 'z' })
		return end < 0 || !slices.Contains(standard, name[:end])
	})
}

// EC2 publishes its usage every few minutes; the newest point of the last hours
// counts.
const (
	usagePeriod = 5 * time.Minute
	usageWindow = 3 * time.Hour
)

// vcpusInUse is how many vCPUs the On-Demand instances of the standard families
// have: "View and request Service Quotas" in the EC2 user guide. published is false
// where CloudWatch has no such figure, as where no such instance runs.
func (r *Reader) vcpusInUse(ctx context.Context, t fleet.Target) (used int, published bool, err error) {
	const action = "cloudwatch:GetMetricData"
	client, now := cloudwatch.NewFromConfig(r.fleet.Config(t)), r.now()
	var newest types.MetricDataResult
	err = awsfleet.Pages(action, func(token *string) (*string, error) {
		out, err := client.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
			MetricDataQueries: []types.MetricDataQuery{standardVCPUs()},
			StartTime:         aws.Time(now.Add(-usageWindow).Truncate(usagePeriod)), EndTime: &now,
			ScanBy: types.ScanByTimestampDescending, NextToken: token,
		})
		if err != nil {
			return nil, err
		}
		for _, r := range out.MetricDataResults {
			newest = r
			if len(r.Values) > 0 {
				return nil, nil // older ones do not matter
			}
		}
		return out.NextToken, nil
	})
	switch {
	case err != nil:
		return 0, false, err
	case len(newest.Values) > 0:
		return int(newest.Values[0]), true, nil
	case newest.StatusCode != types.StatusCodeComplete:
		return 0, false, &fleet.Trouble{Kind: fleet.Failed, Action: action, Err: fmt.Errorf("CloudWatch answered with status %q to how many vCPUs are in use", newest.StatusCode)}
	}
	return 0, false, nil
}

func standardVCPUs() types.MetricDataQuery {
	var dimensions []types.Dimension
	for _, d := range [][2]string{{"Service", "EC2"}, {"Type", "Resource"}, {"Resource", "vCPU"}, {"Class", "Standard/OnDemand"}} {
		dimensions = append(dimensions, types.Dimension{Name: &d[0], Value: &d[1]})
	}
	return types.MetricDataQuery{
		Id: aws.String("vcpus"),
		MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String("AWS/Usage"), MetricName: aws.String("ResourceCount"), Dimensions: dimensions},
			Period: aws.Int32(int32(usagePeriod / time.Second)),
			Stat:   aws.String("Maximum"),
		},
	}
}

// troubleOf is why a part is not known, or says so where nobody asked.
func troubleOf[T any](p fleet.Part[T], action, untried string) error {
	if p.Trouble != nil {
		return p.Trouble
	}
	return &fleet.Trouble{Kind: fleet.Failed, Action: action, Err: errors.New(untried)}
}
