package lambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eks-steward/eks-steward/internal/sim/lambda"
)

var bootstrap string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bootstrap-")
	if err != nil {
		panic(err)
	}
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testdata/function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// start makes a function with a time limit no test reaches by accident.
func start(t *testing.T, change func(*lambda.Function)) *lambda.Running {
	t.Helper()
	f := lambda.Function{Name: "probe", Bootstrap: bootstrap, Timeout: 10 * time.Minute}
	if change != nil {
		change(&f)
	}
	r, err := f.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func invoke(t *testing.T, r *lambda.Running, do string) lambda.Result {
	t.Helper()
	result, err := r.Invoke(t.Context(), []byte(`{"Do":"`+do+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func payload(t *testing.T, r lambda.Result) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Payload, &m); err != nil {
		t.Fatalf("%v: %q", err, r.Payload)
	}
	return m
}

func TestAnInvocationReachesTheProcessAndItsAnswerComesBack(t *testing.T) {
	t.Setenv("HOME", "/never/inherited")
	var log bytes.Buffer
	r := start(t, func(f *lambda.Function) {
		f.Env = map[string]string{"WORD": "hello"}
		f.Log = &log
	})
	first := invoke(t, r, "answer")
	got := payload(t, first)
	for key, want := range map[string]any{
		"request": first.RequestID,
		"arn":     "arn:aws:lambda:eu-west-1:111122223333:function:probe",
		"left":    "10m0s",
		"home":    "",
		"word":    "hello",
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if first.FunctionError != "" || string(first.Log) != "asked to answer\n" {
		t.Errorf("error %q, log %q", first.FunctionError, first.Log)
	}
	if first.FirstPoll <= 0 {
		t.Errorf("the start of the process took %s", first.FirstPoll)
	}

	second := invoke(t, r, "answer")
	if payload(t, second)["pid"] != got["pid"] || second.FirstPoll != 0 {
		t.Error("a warm process was not used again")
	}
	if second.RequestID == first.RequestID {
		t.Error("two invocations have one request id")
	}
	if log.String() != "asked to answer\nasked to answer\n" {
		t.Errorf("log %q", log.String())
	}
}

func TestEachWayToFailHasLambdasNameForIt(t *testing.T) {
	for _, row := range []struct {
		name, do        string
		init            string
		timeout         time.Duration
		kind, message   string
		log             string
		processSurvives bool
	}{
		{name: "an error is reported and the process lives on", do: "fail", kind: "errorString", message: "as asked", processSurvives: true},
		{name: "a panic is reported and ends the process", do: "panic", kind: "string", message: "as asked"},
		{name: "an exit is Runtime.ExitError", do: "exit", kind: "Runtime.ExitError", message: "Runtime exited with error: exit status 7", log: "asked to exit\n"},
		{name: "a late function is killed", do: "sleep", timeout: 100 * time.Millisecond, kind: "Sandbox.Timedout", message: "Task timed out after 0.10 seconds"},
		{name: "an answer over 6 MB is too large", do: "boast", kind: "Function.ResponseSizeTooLarge", message: "maximum allowed payload size"},
		{name: "an exit before the first poll is Runtime.ExitError", init: "exit", kind: "Runtime.ExitError", message: "exit status 1", log: "no configuration\n"},
		{name: "a late start is killed", init: "sleep", timeout: 100 * time.Millisecond, kind: "Sandbox.Timedout", message: "Task timed out after 0.10 seconds"},
		{name: "an init error is passed on", init: "error", kind: "Init.Broken", message: "as asked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := start(t, func(f *lambda.Function) {
				f.Env = map[string]string{"INIT": row.init}
				switch {
				case row.init != "":
					f.InitTimeout = row.timeout
				case row.timeout != 0:
					f.Timeout = row.timeout
				}
			})
			result := invoke(t, r, row.do)
			got := payload(t, result)
			message, _ := got["errorMessage"].(string)
			if result.FunctionError != "Unhandled" || got["errorType"] != row.kind || !strings.Contains(message, row.message) {
				t.Errorf("%q %v", result.FunctionError, got)
			}
			if !strings.Contains(string(result.Log), row.log) {
				t.Errorf("log %q", result.Log)
			}
			if row.init != "" || row.timeout != 0 {
				return
			}
			if next := invoke(t, r, "answer"); (next.FirstPoll == 0) != row.processSurvives || next.FunctionError != "" {
				t.Errorf("the invocation after: first poll %s, %s", next.FirstPoll, next.Payload)
			}
		})
	}
}

func TestCloseLeavesNoProcessBehind(t *testing.T) {
	r := start(t, nil)
	pid := int(payload(t, invoke(t, r, "answer"))["pid"].(float64))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
}

func TestACallerThatStopsWaitingEndsTheProcess(t *testing.T) {
	r := start(t, nil)
	warm := payload(t, invoke(t, r, "answer"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // stops once the process is at it
		defer cancel()
		for ctx.Err() == nil {
			if out, err := r.Output(); err != nil || bytes.Contains(out, []byte("asked to sleep")) {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := r.Invoke(ctx, []byte(`{"Do":"sleep"}`)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if payload(t, invoke(t, r, "answer"))["pid"] == warm["pid"] {
		t.Error("a process in the middle of an invocation got another one")
	}
}

func TestAMissingBinaryIsRefusedAtOnce(t *testing.T) {
	for name, path := range map[string]string{
		"no such file":  filepath.Join(t.TempDir(), "bootstrap"),
		"a folder":      t.TempDir(),
		"not a program": "lambda_test.go",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (lambda.Function{Name: "probe", Bootstrap: path}).Start(); err == nil {
				t.Error("was started")
			}
		})
	}
}

func TestAFileThatIsNoProgramIsAnInvalidEntrypoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte("not ELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	result := invoke(t, start(t, func(f *lambda.Function) { f.Bootstrap = path }), "answer")
	if got := payload(t, result); got["errorType"] != "Runtime.InvalidEntrypoint" {
		t.Errorf("%v", got)
	}
}

// call posts to the Invoke API.
func call(t *testing.T, url, function, kind, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/2015-03-31/functions/"+function+"/invocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Invocation-Type", kind)
	req.Header.Set("X-Amz-Log-Type", "Tail")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestTheInvokeAPIAnswersAsDocumented(t *testing.T) {
	server := httptest.NewServer(lambda.Serve(start(t, nil)))
	defer server.Close()
	for _, row := range []struct {
		name, function, kind, body string
		status                     int
		errorType                  string
		functionError              string
	}{
		{name: "a call", function: "probe", kind: "RequestResponse", body: `{"Do":"answer"}`, status: 200},
		{name: "a call without a type or a body", function: "probe", status: 200},
		{name: "a call by ARN and version", function: "arn:aws:lambda:eu-west-1:111122223333:function:probe:$LATEST", status: 200},
		{name: "a failing function answers 200 and says so", function: "probe", body: `{"Do":"fail"}`, status: 200, functionError: "Unhandled"},
		{name: "a dry run", function: "probe", kind: "DryRun", status: 204},
		{name: "an unknown function", function: "other", status: 404, errorType: "ResourceNotFoundException"},
		{name: "an unknown type", function: "probe", kind: "Later", status: 400, errorType: "InvalidParameterValueException"},
		{name: "a body that is no JSON", function: "probe", body: `{`, status: 400, errorType: "InvalidRequestContentException"},
		{name: "a body over 6 MB", function: "probe", body: strings.Repeat(" ", 6<<20+1), status: 413, errorType: "RequestTooLargeException"},
		{name: "an event over 1 MB", function: "probe", kind: "Event", body: strings.Repeat(" ", 1<<20+1), status: 413, errorType: "RequestTooLargeException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp, body := call(t, server.URL, row.function, row.kind, row.body)
			if resp.StatusCode != row.status || resp.Header.Get("X-Amzn-Errortype") != row.errorType || resp.Header.Get("X-Amz-Function-Error") != row.functionError {
				t.Errorf("%s %v %s", resp.Status, resp.Header, body)
			}
			if log, _ := base64.StdEncoding.DecodeString(resp.Header.Get("X-Amz-Log-Result")); row.status == 200 && !strings.Contains(string(log), "asked to") {
				t.Errorf("log %q", log)
			}
		})
	}
}

func TestAnEventIsTriedThreeTimes(t *testing.T) {
	for _, row := range []struct {
		do    string
		tries int
	}{{"answer", 1}, {"fail-twice", 3}, {"fail", 3}} {
		t.Run(row.do, func(t *testing.T) {
			var log bytes.Buffer
			r := start(t, func(f *lambda.Function) {
				f.Env = map[string]string{"COUNTER": filepath.Join(t.TempDir(), "count")}
				f.Log = &log
			})
			server := httptest.NewServer(lambda.Serve(r))
			defer server.Close()
			if resp, body := call(t, server.URL, "probe", "Event", `{"Do":"`+row.do+`"}`); resp.StatusCode != http.StatusAccepted || body != "" {
				t.Fatalf("%s %s", resp.Status, body)
			}
			r.Settle()
			if tries := strings.Count(log.String(), "asked to"); tries != row.tries {
				t.Errorf("tried %d times, want %d", tries, row.tries)
			}
		})
	}
}

func TestAProcessThatDiedBetweenInvocationsIsReplaced(t *testing.T) {
	r := start(t, nil)
	pid := int(payload(t, invoke(t, r, "answer"))["pid"].(float64))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r.Exited()
	if next := invoke(t, r, "answer"); next.FunctionError != "" || next.FirstPoll == 0 {
		t.Errorf("%s", next.Payload)
	}
}

func TestAClosedFunctionSaysSo(t *testing.T) {
	r, err := (lambda.Function{Name: "probe", Bootstrap: bootstrap}).Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Invoke(t.Context(), nil); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
