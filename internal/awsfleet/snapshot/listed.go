package snapshot

import (
	"errors"
	"fmt"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// each reads what was listed, one after the other and in that order. What has
// been deleted since is left out. listed is what ended the list before its end:
// it comes first in the error.
func each[T any](names []string, listed error, read func(name string) (T, error)) ([]T, error) {
	var (
		found  []T
		first  error
		failed int
	)
	for _, name := range names {
		value, err := read(name)
		switch {
		case errors.Is(err, fleet.Gone):
			continue
		case err == nil:
			found = append(found, value)
			continue
		case first == nil:
			first = fmt.Errorf("%s: %w", name, err)
		}
		failed++
	}
	if first == nil {
		return found, listed
	}
	t := *fleet.TroubleOf(first)
	t.Err = fmt.Errorf("%d of %d could not be read, the first is %w", failed, len(names), first)
	return found, errors.Join(listed, &t)
}
