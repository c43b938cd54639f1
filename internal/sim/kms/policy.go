package kms

import (
	"cmp"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

type keyPolicyOutput struct {
	Policy string
	Name   string `json:"PolicyName"`
}

// keyPolicy is the text of a key's policy, which nothing here obeys. One that was
// never written is KMS's own: the account's IAM decides (KMS developer guide,
// Default key policy).
func (s *Service) keyPolicy(c edge.Call, in input) (any, error) {
	k, err := s.find(c, in.KeyID, false)
	if err != nil {
		return nil, err
	}
	if name := cmp.Or(in.PolicyName, "default"); name != "default" {
		return nil, awsjson.Refuse("NotFoundException", "No such policy exists")
	}
	root := "arn:" + c.Partition() + ":iam::" + c.Account + ":root"
	own := strings.ReplaceAll(`{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"ROOT"},"Action":"kms:*","Resource":"*"}]}`, "ROOT", root)
	return keyPolicyOutput{Policy: cmp.Or(k.Policy, own), Name: "default"}, nil
}
