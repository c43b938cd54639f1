package deployed

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// A Stack is a template and what was made of it.
type Stack struct {
	Name      string
	Resources map[string]Resource // by short name, such as DispatchQueue
}

// A Resource of a template.
type Resource struct {
	Type           string
	DeletionPolicy string
	Properties     json.RawMessage
	ID             string `json:"-"` // physical; empty when nothing was created
}

var logicalHash = regexp.MustCompile(`[0-9A-F]{8}$`)

// Short takes from a logical id what the CDK adds to make it unique.
func Short(logical string) string {
	logical = logicalHash.ReplaceAllString(logical, "")
	return strings.TrimPrefix(strings.TrimPrefix(logical, "Steward"), "Member")
}

// Template reads a stack of an assembly that is not deployed.
func Template(assembly, name string) (*Stack, error) {
	b, err := os.ReadFile(filepath.Join(assembly, name+".template.json"))
	if err != nil {
		return nil, err
	}
	var template struct{ Resources map[string]Resource }
	if err := json.Unmarshal(b, &template); err != nil {
		return nil, fmt.Errorf("template of %s: %w", name, err)
	}
	s := &Stack{Name: name, Resources: map[string]Resource{}}
	for logical, r := range template.Resources {
		s.Resources[Short(logical)] = r
	}
	return s, nil
}

// locate fills in the physical ids.
func (s *Stack) locate(ctx context.Context, cfg aws.Config) error {
	out, err := cloudformation.NewFromConfig(cfg).DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &s.Name})
	if err != nil {
		return fmt.Errorf("resources of stack %s: %w", s.Name, err)
	}
	for _, r := range out.StackResources {
		name := Short(aws.ToString(r.LogicalResourceId))
		if resource, ok := s.Resources[name]; ok { // the emulator lists things that are in no template
			resource.ID = aws.ToString(r.PhysicalResourceId)
			s.Resources[name] = resource
		}
	}
	return nil
}

// ID is the physical id of a resource, by its short name. It panics where there
// is none: the test names what is not in the stack.
func (s *Stack) ID(name string) string {
	r, ok := s.Resources[name]
	if !ok || r.ID == "" {
		panic(fmt.Sprintf("the stack %s has no resource %s", s.Name, name))
	}
	return r.ID
}

// A reference of a template to another resource: {"Ref": id} or
// {"Fn::GetAtt": [id, attribute]}.
type reference struct {
	Ref    string
	GetAtt []string `json:"Fn::GetAtt"`
}

func (r reference) target() string {
	if len(r.GetAtt) > 0 {
		return Short(r.GetAtt[0])
	}
	return Short(r.Ref)
}
