package lambda

import (
	"io"
	"math"
)

// Output is all that processes of r have printed so far.
func (r *Running) Output() ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(r.output, 0, math.MaxInt64))
}

// Exited is closed when the process of r has ended.
func (r *Running) Exited() <-chan struct{} { return r.process.exited }

// Settle waits for asynchronous invocations.
func (r *Running) Settle() { r.background.Wait() }
