package ec2

import (
	"cmp"
	"encoding/xml"
	"net/url"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// VolumeDefaults are a region's settings for new volumes.
type VolumeDefaults struct {
	Encrypted bool   // whatever their maker asks for
	Key       string // an ARN, or alias/aws/ebs
}

// PutVolumeDefaults says how a scope makes volumes. One that is not told encrypts
// them with the key that AWS manages.
func (s *Service) PutVolumeDefaults(in edge.Scope, d VolumeDefaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.volumes[in] = d
}

func (s *Service) volumeDefaults(in edge.Scope) VolumeDefaults {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, ok := s.volumes[in]
	d.Encrypted = d.Encrypted || !ok
	d.Key = cmp.Or(d.Key, "alias/aws/ebs")
	return d
}

type encryptionByDefaultResponse struct {
	XMLName   xml.Name `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ GetEbsEncryptionByDefaultResponse"`
	RequestID string   `xml:"requestId"`
	Encrypted bool     `xml:"ebsEncryptionByDefault"`
}

func (s *Service) encryptionByDefault(c edge.Call, _ url.Values) (any, error) {
	return encryptionByDefaultResponse{RequestID: c.RequestID, Encrypted: s.volumeDefaults(c.Scope).Encrypted}, nil
}

type defaultKeyResponse struct {
	XMLName   xml.Name `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ GetEbsDefaultKmsKeyIdResponse"`
	RequestID string   `xml:"requestId"`
	Key       string   `xml:"kmsKeyId"`
}

func (s *Service) defaultKey(c edge.Call, _ url.Values) (any, error) {
	return defaultKeyResponse{RequestID: c.RequestID, Key: s.volumeDefaults(c.Scope).Key}, nil
}
