// Package paging cuts lists into pages as the simulated services hand them out.
// A token names the last key of the page before, so that what is removed between
// two pages shifts nothing. What a page may hold at most, and how a bad token is
// refused, is each service's own to say.
package paging

import (
	"encoding/base64"
	"errors"
	"strings"
)

// A Request is what a caller asks of a paged operation.
type Request struct {
	Token string // empty for the first page
	Size  int    // items in a page, 1 or more
	Loop  bool   // a fault: the next token must be the one of this very page
}

// ErrToken is the error of a token that no page was answered with.
var ErrToken = errors.New("the token is of no page")

// Cut returns one page of items, which are in the order of their keys, and the
// token of the next one; that is empty on the last page.
func Cut[T any](items []T, key func(T) string, order func(a, b string) int, r Request) ([]T, string, error) {
	here := r.Token
	if here == "" {
		here = tokenAfter("")
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
		if len(cut) == r.Size {
			next = tokenAfter(key(cut[r.Size-1]))
			break
		}
		cut = append(cut, item)
	}
	if r.Loop {
		next = here
	}
	return cut, next, nil
}

const tokenMark = "after:"

// tokenAfter keeps to the alphabet that Service Quotas allows, the narrowest.
func tokenAfter(key string) string {
	return base64.StdEncoding.EncodeToString([]byte(tokenMark + key))
}

func lastKey(token string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(token)
	key, ok := strings.CutPrefix(string(b), tokenMark)
	if err != nil || !ok {
		return "", ErrToken
	}
	return key, nil
}
