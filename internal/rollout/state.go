package rollout

// AtRest reports whether a beat would find nothing to do: no group is begun any
// more, none is under way, and the bus has heard of it.
func (r Rollout) AtRest() bool {
	if r.State == Running || r.Told != r.State {
		return false
	}
	for _, m := range r.Members {
		if m.Busy > 0 {
			return false
		}
	}
	return true
}
