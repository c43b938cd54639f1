// Package lambda runs the real bootstrap binary of a function the way the
// Lambda service runs it on provided.al2023: it speaks the documented Runtime
// API to the process and the documented Invoke API to its callers, keeps the
// time limit, and names failures as Lambda names them. It never looks into what
// a function says, and it isolates nothing: the process runs on this machine.
//
// Where Lambda differs: here a function has one execution environment at a
// time, which is never frozen, and only what the product uses is spoken (no
// extensions, no streamed responses, no destinations).
package lambda

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Function says what to run; Start makes it ready to be invoked.
type Function struct {
	Name        string
	Bootstrap   string            // path of the binary
	Env         map[string]string // beside the variables that Lambda sets; nothing is inherited
	Timeout     time.Duration     // of one invocation; 0 is Lambda's default of 3 s
	InitTimeout time.Duration     // of the start, up to the first poll; 0 is Lambda's limit of 10 s
	RetryWait   time.Duration     // before each of two asynchronous retries; Lambda waits 1 min, then 2 min
	Log         io.Writer         // gets what the process prints; nil is nowhere
}

// Limits of the service ("Lambda quotas", Lambda developer guide).
const (
	defaultTimeout  = 3 * time.Second
	defaultInit     = 10 * time.Second
	maxPayload      = 6 << 20 // bytes of a request or a response
	maxAsyncPayload = 1 << 20 // bytes of an asynchronous request
	asyncRetries    = 2
)

// Running is a function that can be invoked.
type Running struct {
	Function

	turn       chan struct{} // holds one token: one invocation at a time
	process    *process      // nil until the first invocation, and after a failure that ended it
	output     *os.File      // everything the processes print
	shown      int64         // bytes of output that a Result has carried
	background sync.WaitGroup
	closing    context.Context
	shut       context.CancelFunc
	end        func() error // stop, once
}

// ErrClosed is the answer of a function that was closed.
var ErrClosed = errors.New("the function was closed")

// Start checks the binary. The process starts with the first invocation, as on
// Lambda. The caller closes what Start returns.
func (f Function) Start() (*Running, error) {
	info, err := os.Stat(f.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.Name, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("function %s: %s is not an executable file: build one", f.Name, f.Bootstrap)
	}
	// The process writes to a file rather than a pipe: what it printed before
	// it answered is there when the answer is.
	output, err := os.CreateTemp("", "lambda-output-")
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.Name, err)
	}
	r := &Running{Function: f, turn: make(chan struct{}, 1), output: output}
	r.Timeout, r.InitTimeout = cmp.Or(f.Timeout, defaultTimeout), cmp.Or(f.InitTimeout, defaultInit)
	r.closing, r.shut = context.WithCancel(context.Background())
	r.end = sync.OnceValue(r.stop)
	r.turn <- struct{}{}
	return r, nil
}

// Close kills the process, and waits for it and for asynchronous invocations.
// Closing again does nothing.
func (r *Running) Close() error { return r.end() }

func (r *Running) stop() error {
	r.shut()
	r.background.Wait()
	<-r.turn // for good: nothing runs after this
	r.drop()
	return errors.Join(r.output.Close(), os.Remove(r.output.Name()))
}

// Result is what an invocation answered.
type Result struct {
	RequestID     string
	Payload       []byte        // the response, or the error as {"errorType", "errorMessage"}
	FunctionError string        // "Unhandled" when Payload is an error, else empty
	Log           []byte        // what the process printed since the result before
	FirstPoll     time.Duration // from process start to first poll; 0 when the process ran already
}

// Invoke calls the function and waits for its answer. A failure of the function
// is a Result with a FunctionError; an error says that there is no answer. When
// ctx ends first, the process is killed.
func (r *Running) Invoke(ctx context.Context, payload []byte) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.closing, func() { cancel(ErrClosed) })()
	select {
	case <-r.turn:
	case <-ctx.Done():
		return Result{}, fmt.Errorf("invoke %s: %w", r.Name, context.Cause(ctx))
	}
	defer func() { r.turn <- struct{}{} }()

	result, err := r.invoke(ctx, payload)
	if err != nil {
		return Result{}, fmt.Errorf("invoke %s: %w", r.Name, err)
	}
	if result.Log, err = r.printed(); err != nil {
		return Result{}, fmt.Errorf("log of %s: %w", r.Name, err)
	}
	return result, nil
}

// invokeAsync calls the function, and again while it fails.
func (r *Running) invokeAsync(payload []byte) {
	r.background.Go(func() {
		for range 1 + asyncRetries {
			result, err := r.Invoke(r.closing, payload)
			if err != nil || result.FunctionError == "" {
				return
			}
			select {
			case <-time.After(r.RetryWait):
			case <-r.closing.Done():
				return
			}
		}
	})
}

// invoke takes one invocation to its end. The caller holds the turn.
func (r *Running) invoke(ctx context.Context, payload []byte) (Result, error) {
	result := Result{RequestID: requestID()}
	if r.process != nil && r.process.dead() {
		r.drop()
	}
	if r.process == nil {
		if err := r.boot(ctx, &result); err != nil || result.FunctionError != "" {
			return result, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, taskTimedOut(r.Timeout))
	defer cancel()
	deadline, _ := ctx.Deadline()
	r.process.hand <- invocation{id: result.RequestID, payload: payload, deadline: deadline}

	said, err := r.process.listen(ctx)
	switch {
	case err != nil:
		return result, r.lost(&result, err)
	case said.hand != nil:
		return result, r.lost(&result, errors.New("the process asked for another invocation before it answered this one"))
	}
	result.take(said)

	// "The Invoke phase ends after the runtime sends a Next request" (Runtime
	// API). A process that panicked has reported it and exits instead.
	if said, err = r.process.listen(ctx); err != nil {
		r.drop()
		return result, nil
	}
	r.process.hand = said.hand
	return result, nil
}

// boot starts a process and waits until it is ready for an invocation.
func (r *Running) boot(ctx context.Context, result *Result) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.InitTimeout, taskTimedOut(r.InitTimeout))
	defer cancel()
	p, err := launch(r.Function, r.output)
	if err != nil {
		result.fail(fault{"Runtime.InvalidEntrypoint", err.Error()})
		return nil
	}
	r.process = p
	said, err := p.listen(ctx)
	switch {
	case err != nil:
		return r.lost(result, err)
	case said.hand == nil:
		result.take(said)
		r.drop()
		return nil
	}
	p.hand, result.FirstPoll = said.hand, said.at.Sub(p.started)
	return nil
}

// lost ends a process that went silent, and tells a fault that Lambda has a
// name for from a caller that stopped waiting.
func (r *Running) lost(result *Result, err error) error {
	r.drop()
	var f fault
	if !errors.As(err, &f) {
		return err
	}
	result.fail(f)
	return nil
}

// drop ends the process; the next invocation starts another one.
func (r *Running) drop() {
	if r.process != nil {
		r.process.kill()
		r.process = nil
	}
}

// printed is the output that no result has carried yet.
func (r *Running) printed() ([]byte, error) {
	b, err := io.ReadAll(io.NewSectionReader(r.output, r.shown, 1<<40))
	r.shown += int64(len(b))
	if err == nil && r.Log != nil {
		_, err = r.Log.Write(b)
	}
	return b, err
}

func requestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
