//go:build unix

package cluster

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// Eventually asks until there is no error.
func Eventually(t *testing.T, ask func() error) error { return eventually(t.Context(), nil, ask) }

// EventuallyOf asks as long as something has not ended.
func EventuallyOf(t *testing.T, ended <-chan struct{}, ask func() error) error {
	return eventually(t.Context(), ended, ask)
}

// Port is one that was free and is kept from other tests until t ends.
func Port(t testing.TB) int {
	_, port, _ := net.SplitHostPort((&plane{t: t}).address())
	n, _ := strconv.Atoi(port)
	return n
}

// Take keeps a port from other tests until t ends, if it is free.
func Take(t testing.TB, port int) error { return (&plane{t: t}).take(port) }

// Addresses are where components listen.
func (c *Cluster) Addresses() (hosts []string) {
	for _, server := range []string{c.Endpoint, c.etcd, c.authenticator} {
		hosts = append(hosts, server[strings.LastIndex(server, "/")+1:])
	}
	return hosts
}
