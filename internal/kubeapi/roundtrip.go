package kubeapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

// maxObjects is the most that is read of one answer of objects, in bytes. It is
// held in memory, so it is a few times what 500 nodes take.
const maxObjects = 32 << 20

// RoundTrip lets another client, such as Kubernetes' own, read objects as this one
// reads metrics: each try with its own token, with the same patience, and with
// every failure a *fleet.Trouble. What speaks of the object is an answer: 404,
// that there is none, and 410, that a page token is too old. An answer is whole
// when it is handed on; compressed it is not asked for.
func (c *Client) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet || request.URL.Scheme != c.url.Scheme || request.URL.Host != c.url.Host {
		return nil, fmt.Errorf("%s %s: only reading from the API server of %s is let through", request.Method, request.URL.Redacted(), c.endpoint.Cluster)
	}
	response, err := c.send(request, http.StatusNotFound, http.StatusGone)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(metrics.Capped(response.Body, maxObjects))
	if err != nil {
		return nil, c.unreachable(request.URL.Path, err).Trouble()
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
