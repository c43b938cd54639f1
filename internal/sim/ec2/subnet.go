package ec2

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// A Subnet is part of a VPC in one zone.
type Subnet struct {
	ID   string
	VPC  string
	Zone string // such as eu-west-1a
	Free int    // addresses that are available
}

// Put adds subnets, or replaces those of their ids.
func (s *Service) Put(in edge.Scope, subnets ...Subnet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subnets[in] == nil {
		s.subnets[in] = map[string]Subnet{}
	}
	for _, n := range subnets {
		s.subnets[in][n.ID] = n
	}
}

// SetFree says how many addresses of a subnet are available; false when there is
// no such subnet.
func (s *Service) SetFree(in edge.Scope, id string, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	subnet, ok := s.subnets[in][id]
	if ok {
		subnet.Free = n
		s.subnets[in][id] = subnet
	}
	return ok
}

type describeSubnetsResponse struct {
	XMLName   xml.Name     `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeSubnetsResponse"`
	RequestID string       `xml:"requestId"`
	Subnets   []subnetItem `xml:"subnetSet>item"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type subnetItem struct {
	ID        string `xml:"subnetId"`
	ARN       string `xml:"subnetArn"`
	State     string `xml:"state"`
	Owner     string `xml:"ownerId"`
	VPC       string `xml:"vpcId"`
	CIDR      string `xml:"cidrBlock"`
	Available int    `xml:"availableIpAddressCount"`
	Zone      string `xml:"availabilityZone"`
	Default   bool   `xml:"defaultForAz"`
}

func (s *Service) describeSubnets(c edge.Call, form url.Values) (any, error) {
	if filter := form.Get("Filter.1.Name"); filter != "" {
		return nil, invalid("InvalidParameterValue", "The simulator does not know the filter '%s'", filter)
	}
	size, err := pageSize(form)
	if err != nil {
		return nil, err
	}
	found, err := s.named(c.Scope, members(form, "SubnetId"))
	if err != nil {
		return nil, err
	}
	found, next, err := paging.Cut(found, func(n Subnet) string { return n.ID }, strings.Compare,
		paging.Request{Token: form.Get("NextToken"), Size: size, Loop: c.LoopTokens})
	if err != nil {
		return nil, invalid("InvalidNextToken", "The token '%s' is invalid", form.Get("NextToken"))
	}
	out := describeSubnetsResponse{RequestID: c.RequestID, NextToken: next}
	for _, n := range found {
		out.Subnets = append(out.Subnets, itemOf(c.Scope, n))
	}
	return out, nil
}

// named finds subnets by their ids, or all of them, in order. One id that is not
// there fails the whole call.
func (s *Service) named(in edge.Scope, ids []string) ([]Subnet, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(ids) == 0 {
		ids = slices.Collect(maps.Keys(s.subnets[in]))
	}
	found := make([]Subnet, 0, len(ids))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		n, ok := s.subnets[in][id]
		if !ok {
			return nil, invalid("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
		}
		found = append(found, n)
	}
	return found, nil
}

func itemOf(in edge.Scope, n Subnet) subnetItem {
	return subnetItem{
		ID: n.ID, ARN: in.ARN("ec2", "subnet/"+n.ID), State: "available", Owner: in.Account, VPC: n.VPC,
		CIDR: "10.0.0.0/20", Available: n.Free, Zone: cmp.Or(n.Zone, in.Region+"a"),
	}
}

// Bounds of MaxResults, from the API reference of DescribeSubnets.
const minPage, maxPage = 5, 1000

func pageSize(form url.Values) (int, error) {
	if !form.Has("MaxResults") {
		return maxPage, nil
	}
	n, err := strconv.Atoi(form.Get("MaxResults"))
	if err != nil || n < minPage || n > maxPage {
		return 0, invalid("InvalidParameterValue", "Value ( %s ) for parameter maxResults is invalid. Expecting a value between %d and %d.", form.Get("MaxResults"), minPage, maxPage)
	}
	return n, nil
}
