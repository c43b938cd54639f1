package tagging

import (
	"slices"
	"strings"

	"github.com/eks-steward/eks-steward/internal/sim/awsjson"
)

// Limits of one GetResources call, from its API reference.
const (
	defaultPage = 50
	maxPage     = 100
	maxFilters  = 50
	maxValues   = 20
	maxTypes    = 100
)

// check says what the API refuses.
func (in getResourcesInput) check() error {
	switch {
	case in.ResourcesPerPage != nil && (*in.ResourcesPerPage < 1 || *in.ResourcesPerPage > maxPage):
		return awsjson.Refuse("InvalidParameterException", "ResourcesPerPage must be between 1 and 100.")
	case len(in.TagFilters) > maxFilters:
		return awsjson.Refuse("InvalidParameterException", "TagFilters must have at most 50 items.")
	case len(in.ResourceTypeFilters) > maxTypes:
		return awsjson.Refuse("InvalidParameterException", "ResourceTypeFilters must have at most 100 items.")
	case len(in.ResourceARNList) > 0 && (len(in.TagFilters) > 0 || len(in.ResourceTypeFilters) > 0 || in.ResourcesPerPage != nil || in.PaginationToken != ""):
		return awsjson.Refuse("InvalidParameterException", "ResourceARNList cannot be used with filters or pages.")
	}
	for _, f := range in.TagFilters {
		if f.Key == "" || len(f.Values) > maxValues {
			return awsjson.Refuse("InvalidParameterException", "A tag filter must have a key and at most 20 values.")
		}
	}
	return nil
}

// admits holds a resource against all filters: every tag filter, any of the
// types.
func (in getResourcesInput) admits(r Resource) bool {
	if len(in.ResourceARNList) > 0 {
		return slices.Contains(in.ResourceARNList, r.ARN)
	}
	for _, f := range in.TagFilters {
		v, ok := r.Tags[f.Key]
		if !ok || (len(f.Values) > 0 && !slices.Contains(f.Values, v)) {
			return false
		}
	}
	if len(in.ResourceTypeFilters) == 0 {
		return true
	}
	service, kind := typeOf(r.ARN)
	return slices.Contains(in.ResourceTypeFilters, service) || slices.Contains(in.ResourceTypeFilters, service+":"+kind)
}

// typeOf is the service and the resource type as an ARN spells them.
func typeOf(arn string) (service, kind string) {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) < 6 {
		return "", ""
	}
	kind = fields[5]
	if end := strings.IndexAny(kind, "/:"); end >= 0 {
		kind = kind[:end]
	}
	return fields[2], kind
}
