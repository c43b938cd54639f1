package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// process is one execution environment: a process, and a Runtime API of its
// own, so that a dying process cannot speak for its successor.
type process struct {
	function Function
	command  *exec.Cmd
	api      *http.Server
	started  time.Time
	said     chan statement
	hand     chan<- invocation // where the process waits for its next invocation
	current  atomic.Pointer[string]
	exited   chan struct{} // closed after exit is set
	exit     error
}

// invocation is what the process gets as the answer to a poll.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
}

// statement is one thing that the process told its Runtime API.
type statement struct {
	hand   chan<- invocation // of a poll; nil for an answer
	at     time.Time         // when it was said
	body   []byte
	failed bool // body is an error
}

// launch starts a process. It has no invocation yet.
func launch(f Function, output *os.File) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{function: f, said: make(chan statement), exited: make(chan struct{})}
	p.api = &http.Server{Handler: p.routes(), ReadHeaderTimeout: 10 * time.Second}
	go p.api.Serve(listener) //nolint:errcheck // always ErrServerClosed, after kill

	p.command = exec.Command(f.Bootstrap) //nolint:noctx // kill ends it: it outlives the invocation that starts it
	p.command.Env = environ(f, listener.Addr().String())
	p.command.Stdout, p.command.Stderr = output, output
	dieWithParent(p.command)

	begun := make(chan error)
	go func() {
		// The kernel ties a parent's death to the thread that started the
		// child (prctl(2), PR_SET_PDEATHSIG): this one stays until the exit.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.started = time.Now()
		err := p.command.Start()
		begun <- err
		if err == nil {
			p.exit = p.command.Wait()
			close(p.exited)
		}
	}()
	if err := <-begun; err != nil {
		p.api.Close()
		return nil, fmt.Errorf("start the process: %w", err)
	}
	return p, nil
}

// environ is the environment of a function ("Using Lambda environment
// variables", Lambda developer guide).
func environ(f Function, api string) []string {
	vars := map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_DEFAULT_REGION":              "eu-west-1",
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_REGION":                      "eu-west-1",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                              ":UTC",
	}
	maps.Copy(vars, f.Env)
	vars["AWS_LAMBDA_RUNTIME_API"] = api
	env := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env
}

// routes is the Runtime API ("Using the Lambda runtime API", version
// 2018-06-01).
func (p *process) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, false) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, true) })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) { p.tell(w, r, true) })
	return mux
}

// next holds a poll open until there is an invocation.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	hand := make(chan invocation, 1)
	select {
	case p.said <- statement{hand: hand, at: time.Now()}:
	case <-r.Context().Done():
		return
	}
	select {
	case i := <-hand:
		p.current.Store(&i.id)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", arn(p.function.Name))
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		w.Write(i.payload)
	case <-r.Context().Done():
	}
}

// answer takes the response or the error of the current invocation.
func (p *process) answer(w http.ResponseWriter, r *http.Request, failed bool) {
	id := p.current.Load()
	if id == nil || *id != r.PathValue("id") || !p.current.CompareAndSwap(id, nil) {
		reply(w, http.StatusBadRequest, map[string]string{"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})
		return
	}
	p.tell(w, r, failed)
}

// tell passes a body on before the process hears that it arrived, so that no
// exit can overtake it.
func (p *process) tell(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return // the process died while it spoke: its exit says so
	}
	select {
	case p.said <- statement{at: time.Now(), body: body, failed: failed}:
	case <-r.Context().Done():
		return
	}
	if len(body) > maxPayload {
		reply(w, http.StatusRequestEntityTooLarge, map[string]string{"errorType": "RequestEntityTooLarge", "errorMessage": "Response payload too large"})
		return
	}
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// listen waits for what the process says next. The error is a fault when the
// process exited or ctx ended with one.
func (p *process) listen(ctx context.Context) (statement, error) {
	select {
	case s := <-p.said:
		return s, nil
	case <-p.exited:
		if p.exit != nil {
			return statement{}, fault{"Runtime.ExitError", "Runtime exited with error: " + p.exit.Error()}
		}
		return statement{}, fault{"Runtime.ExitError", "Runtime exited without providing a reason"}
	case <-ctx.Done():
		return statement{}, context.Cause(ctx)
	}
}

func (p *process) dead() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the process by its own id and waits for it.
func (p *process) kill() {
	p.command.Process.Kill() //nolint:errcheck // it may have exited
	<-p.exited
	p.api.Close()
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller is gone
}
