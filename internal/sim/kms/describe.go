package kms

import (
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

type describeKeyOutput struct{ KeyMetadata keyMetadata }

type keyMetadata struct {
	Account              string `json:"AWSAccountId"`
	ID                   string `json:"KeyId"`
	ARN                  string `json:"Arn"`
	CreationDate         float64
	Enabled              bool
	Description          string
	KeyUsage             string
	KeyState             string
	DeletionDate         float64 `json:",omitempty"`
	PendingWindow        int     `json:"PendingDeletionWindowInDays,omitempty"`
	Origin               string
	KeyManager           string
	KeySpec              string
	CustomerKeySpec      string   `json:"CustomerMasterKeySpec"` // deprecated in favour of KeySpec, still sent
	EncryptionAlgorithms []string `json:",omitempty"`
	MultiRegion          bool
	Regions              *multiRegionConfiguration `json:"MultiRegionConfiguration,omitempty"`
}

type multiRegionConfiguration struct {
	Type     string        `json:"MultiRegionKeyType"`
	Primary  regionalKey   `json:"PrimaryKey"`
	Replicas []regionalKey `json:"ReplicaKeys"`
}

type regionalKey struct {
	ARN    string `json:"Arn"`
	Region string
}

func (s *Service) describeKey(c edge.Call, in input) (any, error) {
	k, err := s.find(c, in.KeyID, true)
	if err != nil {
		return nil, err
	}
	out := keyMetadata{
		Account: c.Account, ID: k.ID, ARN: c.ARN("kms", "key/"+k.ID), CreationDate: awsjson.Seconds(k.CreatedAt),
		Enabled: k.State == enabled, KeyUsage: k.Usage, KeyState: k.State, DeletionDate: awsjson.Seconds(k.Deletion),
		Origin: "AWS_KMS", KeyManager: "CUSTOMER", KeySpec: k.Spec, CustomerKeySpec: k.Spec,
		MultiRegion: k.MultiRegion != nil, Regions: regionsOf(c.Scope, k),
	}
	if k.State == pendingReplicaDeletion { // its waiting period has not begun: a length and no date
		out.PendingWindow = k.window
	}
	if k.symmetric() {
		out.EncryptionAlgorithms = []string{"SYMMETRIC_DEFAULT"}
	}
	return describeKeyOutput{out}, nil
}

func regionsOf(in edge.Scope, k Key) *multiRegionConfiguration {
	if k.MultiRegion == nil {
		return nil
	}
	at := func(region string) regionalKey {
		return regionalKey{ARN: edge.Scope{Account: in.Account, Region: region}.ARN("kms", "key/"+k.ID), Region: region}
	}
	out := &multiRegionConfiguration{Type: "REPLICA", Primary: at(k.MultiRegion.Primary), Replicas: []regionalKey{}}
	if in.Region == k.MultiRegion.Primary {
		out.Type = "PRIMARY"
	}
	for _, region := range k.MultiRegion.Replicas {
		out.Replicas = append(out.Replicas, at(region))
	}
	return out
}

type rotationOutput struct {
	Enabled bool   `json:"KeyRotationEnabled"`
	KeyID   string `json:"KeyId"`
	Period  int    `json:"RotationPeriodInDays,omitempty"`
}

// rotationStatus is off while a deletion is pending, and as before when that is
// cancelled: API reference of GetKeyRotationStatus.
func (s *Service) rotationStatus(c edge.Call, in input) (any, error) {
	k, err := s.find(c, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	arn := c.ARN("kms", "key/"+k.ID)
	if !k.symmetric() {
		return nil, awsjson.Refuse("UnsupportedOperationException", arn+" key spec "+k.Spec+" is not supported for this operation.")
	}
	out := rotationOutput{Enabled: k.Rotation && !k.pending(), KeyID: arn}
	if out.Enabled {
		out.Period = 365
	}
	return out, nil
}

type listAliasesOutput struct {
	Aliases    []alias
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

type alias struct {
	Name   string `json:"AliasName"`
	ARN    string `json:"AliasArn"`
	Target string `json:"TargetKeyId"`
}

func (s *Service) listAliases(c edge.Call, in input) (any, error) {
	const most = 100
	keys := s.all(c.Scope)
	if in.KeyID != "" {
		k, err := s.find(c, in.KeyID, false)
		if err != nil {
			return nil, err
		}
		keys = []Key{k}
	}
	var all []alias
	for _, k := range keys {
		for _, name := range k.Aliases {
			all = append(all, alias{Name: name, ARN: c.ARN("kms", name), Target: k.ID})
		}
	}
	cut, next, err := page(c, in, most, all, func(a alias) string { return a.Name })
	if err != nil {
		return nil, err
	}
	return listAliasesOutput{Aliases: cut, NextMarker: next, Truncated: next != ""}, nil
}

// all are the keys of a scope that are not gone.
func (s *Service) all(in edge.Scope) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []Key
	for _, k := range s.keys[in] {
		if !k.gone(s.now()) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return keys
}

type listTagsOutput struct {
	Tags       []tag
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

type tag struct {
	Key   string `json:"TagKey"`
	Value string `json:"TagValue"`
}

func (s *Service) listResourceTags(c edge.Call, in input) (any, error) {
	const most = 50
	k, err := s.find(c, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	var all []tag
	for name, value := range k.Tags {
		all = append(all, tag{Key: name, Value: value})
	}
	cut, next, err := page(c, in, most, all, func(t tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	return listTagsOutput{Tags: cut, NextMarker: next, Truncated: next != ""}, nil
}
