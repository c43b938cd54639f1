//go:build !linux

package lambda

import "os/exec"

// dieWithParent can do nothing here: only Linux ties a child to its parent.
// Close still ends it.
func dieWithParent(*exec.Cmd) {}
