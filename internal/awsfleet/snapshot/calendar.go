package snapshot

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// versions reads the calendar of Kubernetes versions, those included that are no
// longer supported, once in the survey.
func (s *Survey) versions(ctx context.Context) fleet.Part[[]fleet.VersionSupport] {
	return s.calendar.of("", func() fleet.Part[[]fleet.VersionSupport] {
		return ask(s, func() ([]fleet.VersionSupport, error) {
			var rows []fleet.VersionSupport
			err := awsfleet.Pages("eks:DescribeClusterVersions", func(token *string) (*string, error) {
				out, err := s.eks.DescribeClusterVersions(ctx, &eks.DescribeClusterVersionsInput{
					IncludeAll: aws.Bool(true), MaxResults: aws.Int32(pageSize), NextToken: token,
				})
				if err != nil {
					return nil, err
				}
				for _, v := range out.ClusterVersions {
					rows = append(rows, fleet.VersionSupport{
						Version:       aws.ToString(v.ClusterVersion),
						Status:        string(v.VersionStatus),
						Released:      aws.ToTime(v.ReleaseDate),
						EndOfStandard: aws.ToTime(v.EndOfStandardSupportDate),
						EndOfExtended: aws.ToTime(v.EndOfExtendedSupportDate),
						Default:       v.DefaultVersion,
						Platform:      aws.ToString(v.DefaultPlatformVersion),
					})
				}
				return out.NextToken, nil
			})
			return rows, err
		})
	})
}
