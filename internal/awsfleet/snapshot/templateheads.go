package snapshot

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// maxTemplates is how many launch templates one call may be about (EC2 API
// reference).
const maxTemplates = 200

// TemplateHeads reads which versions the launch templates of nodegroups have by
// now, sorted by id; untried when they name none. One that no longer exists is
// missing.
func (s *Survey) TemplateHeads(ctx context.Context, groups []fleet.Nodegroup) fleet.Part[[]fleet.TemplateHead] {
	var ids []string
	for _, g := range groups {
		if g.Template.ID != "" {
			ids = append(ids, g.Template.ID)
		}
	}
	if len(ids) == 0 {
		return fleet.Part[[]fleet.TemplateHead]{}
	}
	slices.Sort(ids)
	return ask(s, func() ([]fleet.TemplateHead, error) {
		var all []fleet.TemplateHead
		for some := range slices.Chunk(slices.Compact(ids), maxTemplates) {
			heads, err := s.heads(ctx, some)
			all = append(all, heads...)
			if err != nil {
				return all, err
			}
		}
		return all, nil
	})
}

// heads reads several at once. EC2 refuses a request that names one which does not
// exist, without the others: they are then read one by one.
func (s *Survey) heads(ctx context.Context, ids []string) ([]fleet.TemplateHead, error) {
	out, err := s.ec2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: ids})
	switch {
	case absent(err) && len(ids) > 1:
		var found []fleet.TemplateHead
		for _, id := range ids {
			head, err := s.heads(ctx, []string{id})
			if err != nil {
				return found, err
			}
			found = append(found, head...)
		}
		return found, nil
	case absent(err):
		return nil, nil
	case err != nil:
		return nil, refusal.Of("ec2:DescribeLaunchTemplates", err)
	}
	heads := make([]fleet.TemplateHead, len(out.LaunchTemplates))
	for i, t := range out.LaunchTemplates {
		heads[i] = fleet.TemplateHead{
			ID: aws.ToString(t.LaunchTemplateId), Default: aws.ToInt64(t.DefaultVersionNumber), Latest: aws.ToInt64(t.LatestVersionNumber),
		}
	}
	slices.SortFunc(heads, func(a, b fleet.TemplateHead) int { return cmp.Compare(a.ID, b.ID) })
	return heads, nil
}
