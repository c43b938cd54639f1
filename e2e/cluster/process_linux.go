package cluster

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends a component when the test process dies without running its cleanup: a
// panic, a timeout, a kill.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
