//go:build unix

package cluster

import (
	"strings"
	"testing"
)

// Eventually asks until there is no error.
func Eventually(t *testing.T, ask func() error) error { return eventually(t.Context(), nil, ask) }

// Addresses are where components listen.
func (c *Cluster) Addresses() (hosts []string) {
	for _, server := range []string{c.Endpoint, c.etcd, c.authenticator} {
		hosts = append(hosts, server[strings.LastIndex(server, "/")+1:])
	}
	return hosts
}
