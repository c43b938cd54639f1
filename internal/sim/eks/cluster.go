package eks

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// A Cluster is the member cluster of DescribeCluster's answer. What is empty is
// left out, as AWS does for what a kind of cluster does not have.
type Cluster struct {
	Name                string             `json:"name"`
	ARN                 string             `json:"arn"`
	CreatedAt           Time               `json:"createdAt"`
	Version             string             `json:"version,omitempty"`
	Endpoint            string             `json:"endpoint,omitempty"`
	RoleARN             string             `json:"roleArn,omitempty"`
	Status              string             `json:"status,omitempty"`
	PlatformVersion     string             `json:"platformVersion,omitempty"`
	Tags                map[string]string  `json:"tags"`
	Authority           *Authority         `json:"certificateAuthority,omitempty"`
	VPC                 *VPC               `json:"resourcesVpcConfig,omitempty"`
	Network             *Network           `json:"kubernetesNetworkConfig,omitempty"`
	Access              *Access            `json:"accessConfig,omitempty"`
	UpgradePolicy       *UpgradePolicy     `json:"upgradePolicy,omitempty"`
	Health              *Health            `json:"health,omitempty"`
	EncryptionConfig    []EncryptionConfig `json:"encryptionConfig,omitempty"`
	ControlPlaneScaling *Scaling           `json:"controlPlaneScalingConfig,omitempty"`
	Compute             *Compute           `json:"computeConfig,omitempty"` // Auto Mode only, as storage
	Storage             *Storage           `json:"storageConfig,omitempty"`
	Connector           *Connector         `json:"connectorConfig,omitempty"`
	Outpost             *Outpost           `json:"outpostConfig,omitempty"`
	ID                  string             `json:"id,omitempty"` // local clusters only
	DeletionProtection  *bool              `json:"deletionProtection,omitempty"`

	token string    // of the request that created it
	ready time.Time // when its creation ends; zero unless a request created it
}

// The parts of a Cluster. Their names are those of the EKS model, shortened.
type (
	// Authority holds the CA of the API server, PEM in base64.
	Authority struct {
		Data string `json:"data"`
	}
	// VPC says where the control plane's interfaces are.
	VPC struct {
		SubnetIDs             []string `json:"subnetIds"`
		SecurityGroupIDs      []string `json:"securityGroupIds"`
		ClusterSecurityGroup  string   `json:"clusterSecurityGroupId"`
		ID                    string   `json:"vpcId"`
		EndpointPublicAccess  bool     `json:"endpointPublicAccess"`
		EndpointPrivateAccess bool     `json:"endpointPrivateAccess"`
		PublicAccessCIDRs     []string `json:"publicAccessCidrs"`
	}
	// Network is the address family and range of services.
	Network struct {
		ServiceIPv4CIDR string `json:"serviceIpv4Cidr"`
		IPFamily        string `json:"ipFamily"`
		// LoadBalancing is whether Auto Mode makes load balancers.
		LoadBalancing *Switch `json:"elasticLoadBalancing,omitempty"`
	}
	// Switch is a capability of Auto Mode; EKS turns all of them on or off at once.
	Switch struct {
		Enabled bool `json:"enabled"`
	}
	// Compute is how Auto Mode makes nodes.
	Compute struct {
		Enabled   bool     `json:"enabled"`
		NodePools []string `json:"nodePools"`
		NodeRole  string   `json:"nodeRoleArn"`
	}
	// Storage is whether Auto Mode makes volumes.
	Storage struct {
		Block Switch `json:"blockStorage"`
	}
	// Access is the authentication mode.
	Access struct {
		AuthenticationMode string `json:"authenticationMode"`
	}
	// UpgradePolicy says what happens at the end of standard support.
	UpgradePolicy struct {
		SupportType string `json:"supportType"` // STANDARD or EXTENDED
	}
	// Health lists what EKS found wrong.
	Health struct {
		Issues []Issue `json:"issues"`
	}
	// Issue is one entry of Health.
	Issue struct {
		Code        string   `json:"code"`
		Message     string   `json:"message"`
		ResourceIDs []string `json:"resourceIds"`
	}
	// EncryptionConfig names the customer's key.
	EncryptionConfig struct {
		Resources []string `json:"resources"`
		Provider  Provider `json:"provider"`
	}
	// Provider is the key of an EncryptionConfig.
	Provider struct {
		KeyARN string `json:"keyArn"`
	}
	// Scaling is the control-plane scaling tier.
	Scaling struct {
		Tier string `json:"tier"`
	}
	// Connector is how a cluster that EKS does not run was registered.
	Connector struct {
		ActivationID     string `json:"activationId"`
		ActivationExpiry Time   `json:"activationExpiry"`
		Provider         string `json:"provider"`
		RoleARN          string `json:"roleArn"`
	}
	// Outpost is where a local cluster runs.
	Outpost struct {
		OutpostARNs  []string `json:"outpostArns"`
		InstanceType string   `json:"controlPlaneInstanceType"`
	}
)

var clusterOperations = []operation{
	{name: "ListClusters", method: http.MethodGet, path: "/clusters", run: (*Service).listClusters},
	{name: "DescribeCluster", method: http.MethodGet, path: "/clusters/{cluster}", resource: clusterResource, run: (*Service).describeCluster},
}

func clusterResource(r request) string { return "cluster/" + r.path["cluster"] }

type listClustersOutput struct {
	Clusters  []string `json:"clusters"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listClusters(c edge.Call, r request) (any, error) {
	include := r.query["include"]
	if slices.ContainsFunc(include, func(v string) bool { return v != "all" }) {
		return nil, invalid("include accepts only the value all")
	}
	names := s.names(c.Scope, len(include) > 0)
	same := func(name string) string { return name }
	names, next, err := page(r.query, names, same, strings.Compare, c.LoopTokens)
	if err != nil {
		return nil, err
	}
	return listClustersOutput{Clusters: names, NextToken: next}, nil
}

// names lists the clusters of a scope in order; connected ones only on request.
func (s *Service) names(in edge.Scope, connected bool) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.clusters[in]))
	for name, c := range s.clusters[in] {
		if c.Connector == nil || connected {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

type describeClusterOutput struct {
	Cluster Cluster `json:"cluster"`
}

func (s *Service) describeCluster(c edge.Call, r request) (any, error) {
	cluster, ok := s.Cluster(c.Scope, r.path["cluster"])
	if !ok {
		return nil, noCluster(r.path["cluster"])
	}
	return describeClusterOutput{cluster}, nil
}

func noCluster(name string) *edge.Refusal {
	return &edge.Refusal{
		Status: http.StatusNotFound, Code: "ResourceNotFoundException",
		Message: "No cluster found for name: " + name + ".",
		Members: map[string]string{"clusterName": name},
	}
}
