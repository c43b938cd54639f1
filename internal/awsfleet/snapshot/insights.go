package snapshot

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Readiness reads EKS's insights into what an upgrade of a cluster would meet.
func (s *Survey) Readiness(ctx context.Context, cluster string) fleet.Part[[]fleet.Insight] {
	return ask(s, func() ([]fleet.Insight, error) { return s.insights(ctx, cluster, types.CategoryUpgradeReadiness) })
}

// insights reads EKS's own insights about a cluster, sorted by name and id, of all
// categories unless some are named. Those that pass have no details worth a call
// each; of one whose details were refused the status is kept.
func (s *Survey) insights(ctx context.Context, cluster string, of ...types.Category) ([]fleet.Insight, error) {
	var filter *types.InsightsFilter
	if len(of) > 0 {
		filter = &types.InsightsFilter{Categories: of}
	}
	listed := map[string]fleet.Insight{} // by id
	err := awsfleet.Pages("eks:ListInsights", func(token *string) (*string, error) {
		out, err := s.eks.ListInsights(ctx, &eks.ListInsightsInput{ClusterName: &cluster, Filter: filter, MaxResults: aws.Int32(pageSize), NextToken: token})
		if err != nil {
			return nil, err
		}
		for _, i := range out.Insights {
			listed[aws.ToString(i.Id)] = summary(i)
		}
		return out.NextToken, nil
	})
	_, err = each(detailed(listed), err, func(id string) (fleet.Insight, error) {
		out, err := s.eks.DescribeInsight(ctx, &eks.DescribeInsightInput{ClusterName: &cluster, Id: &id})
		if err == nil && out.Insight == nil {
			err = errors.New("the answer holds no insight")
		}
		if err != nil {
			trouble := refusal.Of("eks:DescribeInsight", err)
			if trouble.Kind == fleet.Gone {
				delete(listed, id)
			}
			return fleet.Insight{}, trouble
		}
		listed[id] = insight(listed[id], out.Insight)
		return listed[id], nil
	})
	all := slices.SortedFunc(maps.Values(listed), func(a, b fleet.Insight) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, err
}

// detailed are the ids of the insights that do not pass.
func detailed(listed map[string]fleet.Insight) []string {
	var ids []string
	for id, i := range listed {
		if id != "" && i.Status != string(types.InsightStatusValuePassing) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func summary(i types.InsightSummary) fleet.Insight {
	known := fleet.Insight{
		ID:        aws.ToString(i.Id),
		Name:      aws.ToString(i.Name),
		Category:  string(i.Category),
		For:       aws.ToString(i.KubernetesVersion),
		Refreshed: aws.ToTime(i.LastRefreshTime),
	}
	if i.InsightStatus != nil {
		known.Status, known.Reason = string(i.InsightStatus.Status), aws.ToString(i.InsightStatus.Reason)
	}
	return known
}

// insight adds the details to what was listed.
func insight(known fleet.Insight, i *types.Insight) fleet.Insight {
	known.Recommendation = aws.ToString(i.Recommendation)
	if i.InsightStatus != nil {
		known.Status, known.Reason = string(i.InsightStatus.Status), aws.ToString(i.InsightStatus.Reason)
	}
	if i.CategorySpecificSummary == nil {
		return known
	}
	for _, d := range i.CategorySpecificSummary.DeprecationDetails {
		known.Deprecations = append(known.Deprecations, deprecation(d))
	}
	for _, a := range i.CategorySpecificSummary.AddonCompatibilityDetails {
		known.Addons = append(known.Addons, fleet.AddonCompatibility{Name: aws.ToString(a.Name), Compatible: a.CompatibleVersions})
	}
	return known
}

func deprecation(d types.DeprecationDetail) fleet.Deprecation {
	known := fleet.Deprecation{
		Usage:        aws.ToString(d.Usage),
		ReplacedWith: aws.ToString(d.ReplacedWith),
		StopServing:  aws.ToString(d.StopServingVersion),
	}
	for _, c := range d.ClientStats {
		known.Clients = append(known.Clients, fleet.Client{
			UserAgent: aws.ToString(c.UserAgent), Requests: int(c.NumberOfRequestsLast30Days), Last: aws.ToTime(c.LastRequestTime),
		})
	}
	return known
}
