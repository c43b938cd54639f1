package eks

import "strconv"

// maxNodes is the quota "Nodes per managed node group".
const maxNodes = 450

// sizeInput is a scalingConfig as requests give it: what is left out stays.
type sizeInput struct {
	Min     *int `json:"minSize"`
	Max     *int `json:"maxSize"`
	Desired *int `json:"desiredSize"`
}

// over is the size that a request asks for where there was another.
func (in *sizeInput) over(old Size) (Size, error) {
	if in == nil {
		return old, nil
	}
	size := old
	for given, member := range map[*int]*int{in.Min: &size.Min, in.Max: &size.Max, in.Desired: &size.Desired} {
		if given != nil {
			*member = *given
		}
	}
	switch {
	case size.Min < 0 || size.Max < 1:
		return old, invalid("minSize must be at least 0 and maxSize at least 1")
	case size.Min > size.Max:
		return old, invalid("Minimum capacity " + strconv.Itoa(size.Min) + " can't be greater than maximum capacity " + strconv.Itoa(size.Max))
	case size.Desired < size.Min:
		return old, invalid("desired capacity " + strconv.Itoa(size.Desired) + " can't be less than min size " + strconv.Itoa(size.Min))
	case size.Desired > size.Max:
		return old, invalid("desired capacity " + strconv.Itoa(size.Desired) + " can't be greater than max size " + strconv.Itoa(size.Max))
	case size.Max > maxNodes:
		return old, invalid("maxSize can't be greater than " + strconv.Itoa(maxNodes))
	}
	return size, nil
}

// params are the members that were given, as an update lists them.
func (in *sizeInput) params() []Param {
	params := []Param{}
	for _, p := range []struct {
		name  string
		value *int
	}{{"MinSize", in.Min}, {"MaxSize", in.Max}, {"DesiredSize", in.Desired}} {
		if p.value != nil {
			params = append(params, Param{p.name, strconv.Itoa(*p.value)})
		}
	}
	return params
}
