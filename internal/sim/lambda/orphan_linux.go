package lambda

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when this process dies, however
// it dies: no test may leave a function behind.
func dieWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
