package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/eks-steward/eks-steward/internal/awsfleet"
	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// addons reads the add-ons of a cluster, sorted by name.
func (s *Survey) addons(ctx context.Context, cluster string) ([]fleet.Addon, error) {
	var names []string
	err := awsfleet.Pages("eks:ListAddons", func(token *string) (*string, error) {
		out, err := s.eks.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: &cluster, MaxResults: aws.Int32(pageSize), NextToken: token})
		if err != nil {
			return nil, err
		}
		names = append(names, out.Addons...)
		return out.NextToken, nil
	})
	slices.Sort(names)
	return each(slices.Compact(names), err, func(name string) (fleet.Addon, error) {
		out, err := s.eks.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: &cluster, AddonName: &name})
		if err == nil && out.Addon == nil {
			err = errors.New("the answer holds no add-on")
		}
		if err != nil {
			return fleet.Addon{}, refusal.Of("eks:DescribeAddon", err)
		}
		return addon(name, out.Addon), nil
	})
}

func addon(name string, a *types.Addon) fleet.Addon {
	known := fleet.Addon{Name: name, Version: aws.ToString(a.AddonVersion), Status: string(a.Status)}
	if a.Health != nil {
		for _, i := range a.Health.Issues {
			known.Health = append(known.Health, fleet.Issue{Code: string(i.Code), Message: aws.ToString(i.Message), Resources: i.ResourceIds})
		}
	}
	return known
}

// offers reads the add-on releases for a cluster's minor version and for the
// next. A next version that EKS does not list has none to ask for.
func (s *Survey) offers(ctx context.Context, version string, calendar fleet.Part[[]fleet.VersionSupport]) (own, next fleet.Part[[]fleet.AddonRelease]) {
	v, err := fleet.ParseVersion(version)
	if err != nil {
		return own, next // the cluster's own part says what is wrong
	}
	own = s.offered(ctx, v)
	v.Minor++
	if _, listed := fleet.Supported(calendar.Value, v.String()); listed || !calendar.Known() {
		next = s.offered(ctx, v)
	}
	return own, next
}

// offered reads the add-on releases for one minor version, once in the survey.
func (s *Survey) offered(ctx context.Context, v fleet.Version) fleet.Part[[]fleet.AddonRelease] {
	return s.releases.of(v.String(), func() fleet.Part[[]fleet.AddonRelease] {
		return ask(s, func() ([]fleet.AddonRelease, error) {
			var offered []fleet.AddonRelease
			err := awsfleet.Pages("eks:DescribeAddonVersions", func(token *string) (*string, error) {
				out, err := s.eks.DescribeAddonVersions(ctx, &eks.DescribeAddonVersionsInput{
					KubernetesVersion: aws.String(v.String()), MaxResults: aws.Int32(pageSize), NextToken: token,
				})
				if err != nil {
					return nil, err
				}
				for _, a := range out.Addons {
					offered = append(offered, releases(a, v)...)
				}
				return out.NextToken, nil
			})
			return offered, err
		})
	})
}

// releases are the versions of an add-on that run with a minor version.
func releases(a types.AddonInfo, v fleet.Version) []fleet.AddonRelease {
	var all []fleet.AddonRelease
	for _, version := range a.AddonVersions {
		i := slices.IndexFunc(version.Compatibilities, func(c types.Compatibility) bool {
			with, err := fleet.ParseVersion(aws.ToString(c.ClusterVersion))
			return err == nil && with.Compare(v) == 0
		})
		if i >= 0 {
			all = append(all, fleet.AddonRelease{
				Name: aws.ToString(a.AddonName), Version: aws.ToString(version.AddonVersion),
				Default: version.Compatibilities[i].DefaultVersion,
			})
		}
	}
	return all
}
