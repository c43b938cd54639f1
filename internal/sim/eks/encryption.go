package eks

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// Keys is KMS as EKS uses it: in the name of whoever asks for a key to be put on
// a cluster.
type Keys interface {
	// Lend grants EKS the use of a key for the cluster of an ARN, and returns the
	// key's ARN. The key may be named by its id, its ARN or an alias; the error says
	// why it will not do. A second loan for a cluster replaces the first.
	Lend(c edge.Call, key, cluster string) (arn string, err error)
}

const associateEncryption = "AssociateEncryptionConfig" // the operation, and its type of update

var encryptionOperations = []operation{
	{name: associateEncryption, method: http.MethodPost, path: "/clusters/{cluster}/encryption-config/associate", resource: clusterResource, also: lending, run: alone((*Service).associateEncryptionConfig)},
}

// lending is what EKS asks KMS for in the caller's name: "Encrypt Kubernetes
// secrets with KMS on existing clusters" in the EKS user guide.
var lending = []string{"kms:DescribeKey", "kms:CreateGrant"}

type associateEncryptionConfigInput struct {
	Config []EncryptionConfig `json:"encryptionConfig"`
	Token  string             `json:"clientRequestToken"`
}

// associateEncryptionConfig accepts every version: AWS documents the operation up
// to Kubernetes 1.27 only, and a refusal above it is for a script of faults.
func (s *Service) associateEncryptionConfig(c edge.Call, r request) (any, error) {
	in, err := decode[associateEncryptionConfigInput](r)
	if err != nil {
		return nil, err
	}
	at := place{c.Scope, r.path["cluster"]}
	cluster, ok := s.Cluster(at.Scope, at.cluster)
	switch {
	case !ok:
		return nil, noCluster(at.cluster)
	case cluster.Connector != nil:
		return nil, wrongState("EKS does not run the control plane of cluster " + at.cluster)
	}
	if u, ok := s.updateBy(at, in.Token); ok {
		return updateOutput{u}, nil
	}
	if cluster.Status != active {
		return nil, inUse("Cannot AssociateEncryptionConfig because cluster "+at.cluster+" is "+cluster.Status, at.cluster, "")
	}
	if len(cluster.EncryptionConfig) > 0 { // in these words: https://github.com/hashicorp/terraform-provider-aws/issues/19968
		return nil, invalid("Encryption is already enabled on the cluster")
	}
	config, err := s.encryption(c, cluster, in.Config)
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	return updateOutput{s.begin(at, in.Token, Course{
		Type: associateEncryption, Params: []Param{{"EncryptionConfig", string(value)}},
		Ends: s.now().Add(s.durations.ControlPlane), Encryption: config,
	})}, nil
}

// encryption is what a cluster gets that asks for it, with the key's ARN.
func (s *Service) encryption(c edge.Call, cluster Cluster, asked []EncryptionConfig) ([]EncryptionConfig, error) {
	const only = "secrets" // "The only supported value", says the model, where it still matters
	if len(asked) != 1 || slices.ContainsFunc(asked[0].Resources, func(r string) bool { return r != only }) {
		return nil, invalid("encryptionConfig must have one entry, with no resource but " + only)
	}
	key := asked[0].Provider.KeyARN
	if key == "" {
		return nil, invalid("KeyArn is required")
	}
	arn, err := s.keys.Lend(c, key, cluster.ARN)
	if err != nil {
		return nil, invalid("The key " + key + " cannot encrypt secrets: " + err.Error())
	}
	return []EncryptionConfig{{Resources: []string{only}, Provider: Provider{KeyARN: arn}}}, nil
}
