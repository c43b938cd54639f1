//go:build unix

package moto

import (
	"errors"
	"os"
	"syscall"
)

// Lock waits until no other process holds the file at path. The kernel gives it
// back when its holder dies.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
