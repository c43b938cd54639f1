package eks

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// DefaultVPC is the id of the VPC of clusters that name none.
const DefaultVPC = "vpc-00000000000000000"

// PlatformVersion is what clusters have that name none.
const PlatformVersion = "eks.1"

// Complete fills in what is empty of a cluster that EKS runs: its identity and
// what EKS chooses when it is not told.
func (c *Cluster) Complete(in edge.Scope, now time.Time) {
	c.ARN = in.ARN("eks", "cluster/"+c.Name)
	c.CreatedAt = cmp.Or(c.CreatedAt, Time{now})
	c.Status = cmp.Or(c.Status, active)
	c.RoleARN = cmp.Or(c.RoleARN, "arn:"+in.Partition()+":iam::"+in.Account+":role/eks-cluster")
	c.PlatformVersion = cmp.Or(c.PlatformVersion, PlatformVersion)
	c.Endpoint = cmp.Or(c.Endpoint, "https://"+strings.ToLower(c.Name)+".simulated."+in.Region+".invalid")
	c.Authority = cmp.Or(c.Authority, &Authority{Data: base64.StdEncoding.EncodeToString([]byte("simulated"))})
	c.VPC = cmp.Or(c.VPC, &VPC{EndpointPrivateAccess: true})
	c.VPC.ID, c.VPC.ClusterSecurityGroup = cmp.Or(c.VPC.ID, DefaultVPC), "sg-00000000000000000"
	c.VPC.SubnetIDs, c.VPC.SecurityGroupIDs = slices.Concat([]string{}, c.VPC.SubnetIDs), slices.Concat([]string{}, c.VPC.SecurityGroupIDs)
	c.VPC.PublicAccessCIDRs = slices.Concat([]string{}, c.VPC.PublicAccessCIDRs)
	if c.VPC.EndpointPublicAccess && len(c.VPC.PublicAccessCIDRs) == 0 {
		c.VPC.PublicAccessCIDRs = []string{"0.0.0.0/0"}
	}
	c.Network = cmp.Or(c.Network, &Network{ServiceIPv4CIDR: "172.20.0.0/16", IPFamily: "ipv4"})
	c.Access = cmp.Or(c.Access, &Access{AuthenticationMode: "API"})
	c.UpgradePolicy = cmp.Or(c.UpgradePolicy, &UpgradePolicy{SupportType: "EXTENDED"})
	c.Health = cmp.Or(c.Health, &Health{Issues: []Issue{}})
	if c.Tags == nil {
		c.Tags = map[string]string{}
	}
}

// created is a cluster as far as its creation has come by a moment: before its
// end nobody is told where its API server will be.
func (c Cluster) created(now time.Time) Cluster {
	switch {
	case c.ready.IsZero():
	case now.Before(c.ready):
		c.Endpoint, c.Authority = "", nil
	default:
		c.Status = active
	}
	return c
}

type createClusterInput struct {
	Name       string             `json:"name"`
	Version    string             `json:"version"`
	Role       string             `json:"roleArn"`
	VPC        *vpcInput          `json:"resourcesVpcConfig"`
	Encryption []EncryptionConfig `json:"encryptionConfig"`
	Tags       map[string]string  `json:"tags"`
	Token      string             `json:"clientRequestToken"`
}

// vpcInput is VPC where the members that have a default may be absent.
type vpcInput struct {
	SubnetIDs             []string `json:"subnetIds"`
	SecurityGroupIDs      []string `json:"securityGroupIds"`
	EndpointPublicAccess  *bool    `json:"endpointPublicAccess"`
	EndpointPrivateAccess *bool    `json:"endpointPrivateAccess"`
	PublicAccessCIDRs     []string `json:"publicAccessCidrs"`
}

// createdName reads the one name of a cluster that is not in the path.
func createdName(r request) string {
	in, err := decode[createClusterInput](r)
	if err != nil {
		return "" // the operation refuses the request
	}
	return in.Name
}

func (s *Service) createCluster(c edge.Call, r request) (any, error) {
	in, err := decode[createClusterInput](r)
	if err != nil {
		return nil, err
	}
	if known, ok := s.Cluster(c.Scope, in.Name); ok {
		if in.Token != "" && in.Token == known.token {
			return describeClusterOutput{known}, nil
		}
		return nil, inUse("Cluster already exists with name: "+in.Name, in.Name, "")
	}
	cluster, err := s.wanted(in)
	if err != nil {
		return nil, err
	}
	now := s.now()
	cluster.Status, cluster.ready, cluster.token = creating, now.Add(s.durations.ControlPlane), in.Token
	cluster.Complete(c.Scope, now)
	if len(in.Encryption) > 0 {
		if cluster.EncryptionConfig, err = s.encryption(c, cluster, in.Encryption); err != nil {
			return nil, err
		}
	}
	s.Put(c.Scope, cluster)
	return describeClusterOutput{cluster.created(now)}, nil
}

// wanted is the cluster that a request describes, where EKS would make it.
func (s *Service) wanted(in createClusterInput) (Cluster, error) {
	version := cmp.Or(in.Version, s.defaultVersion())
	switch {
	case fleet.ValidClusterName(in.Name) != nil:
		return Cluster{}, invalid("The cluster's name must be 1 to 100 letters, digits, hyphens and underscores, and not begin with a hyphen or underscore")
	case in.Role == "" || in.VPC == nil || len(in.VPC.SubnetIDs) < 2:
		return Cluster{}, invalid("roleArn and resourcesVpcConfig with at least two subnets are required")
	case !slices.ContainsFunc(s.versions, func(v Version) bool { return v.Name == version }):
		return Cluster{}, invalid("unsupported Kubernetes version " + version)
	}
	return Cluster{
		Name: in.Name, Version: version, RoleARN: in.Role, Tags: in.Tags,
		VPC: &VPC{
			SubnetIDs: in.VPC.SubnetIDs, SecurityGroupIDs: in.VPC.SecurityGroupIDs, PublicAccessCIDRs: in.VPC.PublicAccessCIDRs,
			EndpointPublicAccess:  in.VPC.EndpointPublicAccess == nil || *in.VPC.EndpointPublicAccess,
			EndpointPrivateAccess: in.VPC.EndpointPrivateAccess != nil && *in.VPC.EndpointPrivateAccess,
		},
	}, nil
}

// defaultVersion is what a cluster gets that names none; empty when the calendar
// has none.
func (s *Service) defaultVersion() string {
	for _, v := range s.versions {
		if v.Default {
			return v.Name
		}
	}
	return ""
}

var creationOperations = []operation{
	{name: "CreateCluster", method: http.MethodPost, path: "/clusters", cluster: createdName, resource: createdResource, run: alone((*Service).createCluster)},
}

func createdResource(r request) string { return "cluster/" + createdName(r) }
