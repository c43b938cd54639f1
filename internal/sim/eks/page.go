package eks

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
)

// maxPage is the most that one page of a List or Describe operation holds, and
// what it holds when maxResults is not given.
const maxPage = 100

// page cuts one page out of items, which are in the order of their keys. A token
// names the last key of the page before, so that what is removed between two
// pages shifts nothing.
func page[T any](q url.Values, items []T, key func(T) string, order func(a, b string) int, loop bool) ([]T, string, error) {
	size, err := pageSize(q)
	if err != nil {
		return nil, "", err
	}
	here := tokenAfter("")
	if token := q.Get("nextToken"); token != "" {
		here = token
	}
	after, err := lastKey(here)
	if err != nil {
		return nil, "", err
	}
	cut := []T{} // an empty page is [] on the wire, not null
	next := ""
	for _, item := range items {
		if after != "" && order(key(item), after) <= 0 {
			continue
		}
		if len(cut) == size {
			next = tokenAfter(key(cut[size-1]))
			break
		}
		cut = append(cut, item)
	}
	if loop {
		next = here
	}
	return cut, next, nil
}

func pageSize(q url.Values) (int, error) {
	if !q.Has("maxResults") {
		return maxPage, nil
	}
	n, err := strconv.Atoi(q.Get("maxResults"))
	if err != nil || n < 1 || n > maxPage {
		return 0, invalid("maxResults must be between 1 and 100")
	}
	return n, nil
}

const tokenMark = "after:"

func tokenAfter(key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenMark + key))
}

func lastKey(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	key, ok := strings.CutPrefix(string(b), tokenMark)
	if err != nil || !ok {
		return "", invalid("The nextToken is invalid")
	}
	return key, nil
}
