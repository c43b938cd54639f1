package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// peakMemory is the most memory in MB of a process that does nothing but read
// the page from a pipe, the runtime's own included: nearer to what a function
// needs than what was allocated.
func peakMemory(ctx context.Context, name string, page []byte) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "-alone", name)
	child.Stdin, child.Stderr = bytes.NewReader(page), os.Stderr
	out, err := child.Output()
	if err != nil {
		return 0, fmt.Errorf("read alone: %w", err)
	}
	peak, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	return float64(peak) / 1e6, err
}

// readAlone reads standard input and prints the bytes that the runtime took from
// the system, a number that never falls.
func readAlone(name string) error {
	i := slices.IndexFunc(readers, func(r reader) bool { return r.name == name })
	if i < 0 {
		return fmt.Errorf("there is no reader %q", name)
	}
	if _, err := readers[i].read(os.Stdin); err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println(m.Sys)
	return nil
}
