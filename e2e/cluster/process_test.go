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

// refuses says whether nobody listens there.
func refuses(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil //nolint:nilerr // what it is for
	}
	_ = conn.Close()
	return fmt.Errorf("%s still answers", address)
}
