package eks

import (
	"net/url"
	"strconv"

	"github.com/eks-steward/eks-steward/internal/sim/paging"
)

// maxPage is the most that one page of a List or Describe operation holds, and
// what it holds when maxResults is not given.
const maxPage = 100

// page cuts one page out of items, which are in the order of their keys, as the
// parameters maxResults and nextToken ask.
func page[T any](q url.Values, items []T, key func(T) string, order func(a, b string) int, loop bool) ([]T, string, error) {
	size := maxPage
	if q.Has("maxResults") {
		n, err := strconv.Atoi(q.Get("maxResults"))
		if err != nil || n < 1 || n > maxPage {
			return nil, "", invalid("maxResults must be between 1 and 100")
		}
		size = n
	}
	cut, next, err := paging.Cut(items, key, order, paging.Request{Token: q.Get("nextToken"), Size: size, Loop: loop})
	if err != nil {
		return nil, "", invalid("The nextToken is invalid")
	}
	return cut, next, nil
}
