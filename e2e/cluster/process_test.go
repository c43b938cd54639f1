//go:build unix

package cluster_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/cluster"
)

func TestAClusterEndsWithItsTest(t *testing.T) {
	var addresses []string
	t.Run("which uses it", func(t *testing.T) { addresses = cluster.Start(t, cluster.Options{}).Addresses() })
	for _, address := range addresses {
		if err := refuses(address); err != nil {
			t.Error(err)
		}
	}
}

// keeper makes a run of the next test start a cluster and hold on to it.
const keeper = "CLUSTER_KEEPER"

func TestAClusterEndsWithAProcessThatIsKilled(t *testing.T) {
	if os.Getenv(keeper) != "" {
		fmt.Println(strings.Join(cluster.Start(t, cluster.Options{}).Addresses(), " "))
		select {}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), keeper+"=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for address := range strings.FieldsSeq(line) {
		if err := cluster.Eventually(t, func() error { return refuses(address) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAnswerThatComesAfterTheEndIsAnothers(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	for range 10 {
		if err := cluster.EventuallyOf(t, ended, func() error { return nil }); err == nil {
			t.Fatal("what has ended is taken for ready")
		}
	}
}

func TestAPortIsOfOneTestUntilItEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := cluster.Take(t, l.Addr().(*net.TCPAddr).Port); err == nil {
		t.Error("a port is taken that somebody listens on")
	}
	var port int
	t.Run("which takes it", func(t *testing.T) {
		port = cluster.Port(t)
		if err := cluster.Take(t, port); err == nil {
			t.Error("the port is taken twice")
		}
	})
	if err := cluster.Take(t, port); err != nil {
		t.Errorf("the port is not free after the test that took it: %v", err)
	}
}

// refuses says whether nobody listens there.
func refuses(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil //nolint:nilerr // what it is for
	}
	_ = conn.Close()
	return fmt.Errorf("%s still answers", address)
}
