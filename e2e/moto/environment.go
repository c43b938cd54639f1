package moto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	requirements = "requirements.txt"
	venv         = ".venv"
)

// NoProxy is for the variables NO_PROXY and no_proxy of programs that speak to an
// emulator. Go speaks to loopback itself; node and Python would ask the machine's proxy.
const NoProxy = "localhost,127.0.0.1"

// Python returns the interpreter of a virtual environment that holds exactly
// requirements.txt, and makes it where there is none or another. Tests of several
// packages may ask at once: a lock lets one of them do it.
func Python(ctx context.Context) (python string, err error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	wanted, err := os.ReadFile(filepath.Join(root, requirements))
	if err != nil {
		return "", err
	}
	unlock, err := Lock(filepath.Join(root, venv+".lock"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	dir := filepath.Join(root, venv)
	python = filepath.Join(dir, "bin", "python")
	stamp := filepath.Join(dir, requirements) // what was installed, written last
	if installed, err := os.ReadFile(stamp); err == nil && bytes.Equal(installed, wanted) {
		return python, nil
	}
	if err := install(ctx, dir, filepath.Join(root, requirements)); err != nil {
		return "", err
	}
	return python, os.WriteFile(stamp, wanted, 0o600)
}

func install(ctx context.Context, dir, requirements string) error {
	python3, err := exec.LookPath("python3")
	if err != nil {
		return errors.New("these tests run the AWS emulator moto and found no python3: install Python 3.10 or newer with its venv module")
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, step := range [][]string{
		{python3, "-m", "venv", dir},
		{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements},
	} {
		if out, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("install the emulator: %s: %w\n%s", step[2], err, out)
		}
	}
	return nil
}

// ModuleRoot is the folder above the running test that holds requirements.txt:
// the root of the module e2e.
func ModuleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, requirements))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no %s in %s or above: run the test inside the e2e module", requirements, start)
		}
	}
}
