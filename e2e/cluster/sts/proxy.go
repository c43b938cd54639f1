package sts

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// tunnels are the connections that clients opened through the proxy, as a listener: all of
// them end here, whatever host they name.
type tunnels struct {
	connections chan net.Conn
	closed      chan struct{}
	close       *sync.Once
}

func listenInside() tunnels {
	return tunnels{connections: make(chan net.Conn), closed: make(chan struct{}), close: new(sync.Once)}
}

// connect is the handler of the proxy. It lets nobody reach anything but STS.
func (t tunnels) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || !strings.HasPrefix(r.Host, "sts.") {
		http.Error(w, "this proxy leads to STS only", http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case t.connections <- conn:
	case <-t.closed:
		_ = conn.Close()
	}
}

func (t tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.connections:
		return conn, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

func (t tunnels) Close() error {
	t.close.Do(func() { close(t.closed) })
	return nil
}

func (t tunnels) Addr() net.Addr { return &net.TCPAddr{} }
