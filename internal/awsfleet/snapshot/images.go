package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Images reads the newest AMI release for each type of AMI that nodegroups have, at
// their own version and at the control plane's, each once in the survey; untried
// without nodegroups. What AWS offers no release of is missing.
func (s *Survey) Images(ctx context.Context, version string, groups []fleet.Nodegroup) fleet.Part[[]fleet.AMIRelease] {
	if len(groups) == 0 {
		return fleet.Part[[]fleet.AMIRelease]{}
	}
	wanted := map[string]fleet.AMIRelease{} // by type and version
	var names []string
	for _, g := range groups {
		for _, of := range []string{version, g.Version} {
			v, err := fleet.ParseVersion(of)
			if _, offered := parameterOf(g.AMIType); err != nil || !offered {
				continue
			}
			name := fmt.Sprintf("%s of %s", g.AMIType, v)
			wanted[name], names = fleet.AMIRelease{AMIType: g.AMIType, Version: v.String()}, append(names, name)
		}
	}
	if len(names) == 0 {
		return fleet.Read[[]fleet.AMIRelease](nil, nil, s.now())
	}
	slices.Sort(names)
	return eachShared(s, &s.images, slices.Compact(names), func(name string) (fleet.AMIRelease, error) {
		return s.image(ctx, wanted[name])
	})
}

// image adds the release to a type and version.
func (s *Survey) image(ctx context.Context, of fleet.AMIRelease) (fleet.AMIRelease, error) {
	p, _ := parameterOf(of.AMIType)
	out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(p.of(of.Version))})
	if err == nil && out.Parameter == nil {
		err = errors.New("the answer holds no parameter")
	}
	if err == nil {
		of.Published = aws.ToTime(out.Parameter.LastModifiedDate)
		of.Release, err = p.release(aws.ToString(out.Parameter.Value))
	}
	if err != nil {
		return fleet.AMIRelease{}, refusal.Of("ssm:GetParameter", err)
	}
	return of, nil
}
