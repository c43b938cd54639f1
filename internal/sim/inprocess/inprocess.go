// Package inprocess reaches a handler without a connection: what waits for none
// can run under the fake clock of testing/synctest.
package inprocess

import (
	"net/http"
	"net/http/httptest"
)

// Client is an HTTP client of AWS's SDK whose every request goes to one handler.
type Client struct{ http.Handler }

// Do implements aws.HTTPClient.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, r)
	return rec.Result(), r.Context().Err()
}
