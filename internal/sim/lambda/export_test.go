package lambda

// Exited is closed when the process of r has ended.
func (r *Running) Exited() <-chan struct{} { return r.process.exited }

// Settle waits for asynchronous invocations.
func (r *Running) Settle() { r.background.Wait() }
