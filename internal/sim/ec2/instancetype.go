package ec2

import (
	"cmp"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/edge"
)

// instanceType is one of the table: its name, what it has and what it runs.
type instanceType struct {
	name         string
	vcpus        int
	memoryMiB    int
	architecture string
}

// instanceTypes are those that are simulated, with the numbers of
// https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html
var instanceTypes = []instanceType{
	{"c7g.2xlarge", 8, 16384, "arm64"},
	{"g5.xlarge", 4, 16384, "x86_64"},
	{"m5.large", 2, 8192, "x86_64"},
	{"m5.xlarge", 4, 16384, "x86_64"},
	{"m6i.4xlarge", 16, 65536, "x86_64"},
	{"m7g.large", 2, 8192, "arm64"},
	{"r6i.24xlarge", 96, 786432, "x86_64"},
	{"t3.medium", 2, 4096, "x86_64"},
	{"t3.xlarge", 4, 16384, "x86_64"},
}

type describeInstanceTypesResponse struct {
	XMLName   xml.Name           `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeInstanceTypesResponse"`
	RequestID string             `xml:"requestId"`
	Types     []instanceTypeItem `xml:"instanceTypeSet>item"`
}

type instanceTypeItem struct {
	Name          string   `xml:"instanceType"`
	VCPUs         int      `xml:"vCpuInfo>defaultVCpus"`
	MemoryMiB     int      `xml:"memoryInfo>sizeInMiB"`
	Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
}

// describeInstanceTypes finds types by their names, or all that are simulated.
// One name that is not there fails the whole call.
func (s *Service) describeInstanceTypes(c edge.Call, form url.Values) (any, error) {
	if form.Has("Filter.1.Name") {
		return nil, invalid("InvalidParameterValue", "The simulator finds instance types by their names alone")
	}
	wanted := members(form, "InstanceType")
	for _, name := range wanted {
		if _, ok := slices.BinarySearchFunc(instanceTypes, name, byName); !ok {
			return nil, invalid("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(wanted, ", "))
		}
	}
	out := describeInstanceTypesResponse{RequestID: c.RequestID}
	for _, t := range instanceTypes {
		if len(wanted) == 0 || slices.Contains(wanted, t.name) {
			out.Types = append(out.Types, instanceTypeItem{Name: t.name, VCPUs: t.vcpus, MemoryMiB: t.memoryMiB, Architectures: []string{t.architecture}})
		}
	}
	return out, nil
}

func byName(t instanceType, name string) int { return cmp.Compare(t.name, name) }
