package kubeapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestARoundTripOnlyReadsTheClustersOwnServer(t *testing.T) {
	tests := map[string]struct {
		method, url string
		asked       int
	}{
		"an object is read":      {http.MethodGet, "https://example.com/api/v1/nodes", 1},
		"nothing is written":     {http.MethodPost, "https://example.com/api/v1/nodes", 0},
		"nothing is deleted":     {http.MethodDelete, "https://example.com/api/v1/nodes/n1", 0},
		"no other host is asked": {http.MethodGet, "https://elsewhere.example.com/api/v1/nodes", 0},
		"nor without TLS":        {http.MethodGet, "http://example.com/api/v1/nodes", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, body)
			r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := connect(t, s).RoundTrip(r)
			if s.Asked() != tt.asked || (err == nil) != (tt.asked == 1) {
				t.Fatalf("asked %d times, error %v", s.Asked(), err)
			}
			if r.Header.Get("Authorization") != "" {
				t.Error("the token was left in the caller's request")
			}
			if err != nil {
				if !strings.Contains(err.Error(), "only reading") { // before there is a connection
					t.Errorf("error %v", err)
				}
				return
			}
			got, err := io.ReadAll(response.Body)
			if err != nil || string(got) != page {
				t.Errorf("body %q, error %v", got, err)
			}
		})
	}
}
