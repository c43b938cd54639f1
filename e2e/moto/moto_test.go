package moto

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

func TestAServerEndsWithItsTest(t *testing.T) {
	var open net.Conn
	t.Run("which uses it", func(t *testing.T) { open = dial(t, Start(t).URL) })
	ends(t, open)
}

// keeper makes a run of this test start a server and hold on to it.
const keeper = "MOTO_KEEPER"

func TestAServerEndsWithAProcessThatIsKilled(t *testing.T) {
	if os.Getenv(keeper) != "" {
		fmt.Println(Start(t).URL)
		select {}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), keeper+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	open := dial(t, strings.TrimSpace(url))
	_ = child.Process.Kill()
	_ = child.Wait()
	ends(t, open)
}

// The proxy hears of whatever leaves loopback, and of that it would be asked for.
func TestAServerAsksNobodyForCredentials(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	out, err := lambda.NewFromConfig(Start(t).Config).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil || len(out.Functions) > 0 || asked.Load() > 0 {
		t.Errorf("got %+v, %v, and %d requests went elsewhere", out, err, asked.Load())
	}
}

func TestWithoutPythonOneSentenceSaysWhatToInstall(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(filepath.Join(".", requirements), []byte("moto\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err := Python(t.Context())
	if err == nil || !strings.Contains(err.Error(), "install Python 3.10 or newer") {
		t.Fatalf("got %v, want a sentence that says what to install", err)
	}
}

func TestAServerThatDoesNotStartIsQuoted(t *testing.T) {
	_, err := announced(strings.NewReader("No module named moto\n"))
	if err == nil || !strings.Contains(err.Error(), "No module named moto") {
		t.Fatalf("got %v, want what the process said", err)
	}
}

// dial opens a connection that only the end of the server closes.
func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func ends(t *testing.T, open net.Conn) {
	t.Helper()
	defer open.Close()
	if err := open.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(open); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	// The kernel closes a dying process's sockets one by one: the one that listens
	// may outlive the connection by a moment.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		again, err := net.Dial("tcp", open.RemoteAddr().String())
		if err != nil {
			return
		}
		_ = again.Close()
	}
	t.Fatalf("%s still answers", open.RemoteAddr())
}
