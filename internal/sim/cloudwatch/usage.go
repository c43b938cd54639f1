package cloudwatch

import "github.com/eks-steward/eks-steward/internal/sim/edge"

// PutVCPUs says how many vCPUs of a class, such as Standard/OnDemand, are in use
// and always were. Nothing is published of a class that nobody speaks of.
func (s *Service) PutVCPUs(in edge.Scope, class string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vcpus[in] == nil {
		s.vcpus[in] = map[string]int{}
	}
	s.vcpus[in][class] = n
}

// vcpuDimensions are those of vCPUs in use, without Class. See
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Service-Quota-Integration.html
func vcpuDimensions() map[string]string {
	return map[string]string{"Service": "EC2", "Type": "Resource", "Resource": "vCPU"}
}

// inUse answers a query for vCPUs.
func (s *Service) inUse(in edge.Scope, q query) (int, bool) {
	if q.namespace != "AWS/Usage" || q.metric != "ResourceCount" || (q.unit != "" && q.unit != "None") {
		return 0, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok := s.vcpus[in][q.class]
	return n, ok
}
