package eks

import (
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// An AddonRelease is one version of an add-on that EKS offers.
type AddonRelease struct {
	Addon      string   // such as vpc-cni
	Version    string   // such as v1.21.1-eksbuild.1
	Kubernetes []string // minors that it runs with
	DefaultFor []string // minors that get it when no version is named
}

type describeAddonVersionsOutput struct {
	Addons    []addonInfo `json:"addons"`
	NextToken string      `json:"nextToken,omitempty"`
}

type addonInfo struct {
	Name      string         `json:"addonName"`
	Type      string         `json:"type"`
	Versions  []addonVersion `json:"addonVersions"`
	Publisher string         `json:"publisher"`
	Owner     string         `json:"owner"`
	Namespace string         `json:"defaultNamespace"`
}

type addonVersion struct {
	Version         string          `json:"addonVersion"`
	Architecture    []string        `json:"architecture"`
	ComputeTypes    []string        `json:"computeTypes"`
	Compatibilities []compatibility `json:"compatibilities"`
	NeedsConfig     bool            `json:"requiresConfiguration"`
	NeedsIAM        bool            `json:"requiresIamPermissions"`
}

type compatibility struct {
	Kubernetes       string   `json:"clusterVersion"`
	PlatformVersions []string `json:"platformVersions"`
	Default          bool     `json:"defaultVersion"`
}

// addonTypes is what an add-on is for, where it is not networking.
var addonTypes = map[string]string{"aws-ebs-csi-driver": "storage", "eks-pod-identity-agent": "security"}

// describeAddonVersions answers with an empty list where nothing fits: an add-on
// or a Kubernetes version that EKS does not know is no error.
func (s *Service) describeAddonVersions(c edge.Call, r request) (any, error) {
	var found []addonInfo
	for _, info := range s.offered(r.query.Get("kubernetesVersion")) {
		if one(r.query["addonName"], info.Name) && one(r.query["types"], info.Type) && one(r.query["owners"], info.Owner) && one(r.query["publishers"], info.Publisher) {
			found = append(found, info)
		}
	}
	cut, next, err := page(r.query, found, func(i addonInfo) string { return i.Name }, strings.Compare, c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return describeAddonVersionsOutput{Addons: cut, NextToken: next}, nil
}

// one reports whether a filter admits a value; an empty one admits all.
func one(filter []string, value string) bool {
	return len(filter) == 0 || slices.Contains(filter, value)
}

// offered are the add-ons with a release for a Kubernetes minor, or all of them,
// by name. Releases stay in the order in which they were given.
func (s *Service) offered(kubernetes string) []addonInfo {
	var all []addonInfo
	for _, rel := range s.releases {
		v := versionOf(rel, kubernetes)
		if len(v.Compatibilities) == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(a addonInfo) bool { return a.Name == rel.Addon })
		if i < 0 {
			kind, ok := addonTypes[rel.Addon]
			if !ok {
				kind = "networking"
			}
			i, all = len(all), append(all, addonInfo{Name: rel.Addon, Type: kind, Publisher: "eks", Owner: "aws", Namespace: "kube-system"})
		}
		all[i].Versions = append(all[i].Versions, v)
	}
	slices.SortFunc(all, func(a, b addonInfo) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// versionOf tells of a release only the minor that is asked for, as EKS does.
func versionOf(r AddonRelease, kubernetes string) addonVersion {
	v := addonVersion{Version: r.Version, Architecture: []string{"amd64", "arm64"}, ComputeTypes: []string{"ec2", "auto"}}
	for _, minor := range r.Kubernetes {
		if kubernetes == "" || minor == kubernetes {
			v.Compatibilities = append(v.Compatibilities, compatibility{
				Kubernetes: minor, PlatformVersions: []string{"*"}, Default: slices.Contains(r.DefaultFor, minor),
			})
		}
	}
	return v
}
