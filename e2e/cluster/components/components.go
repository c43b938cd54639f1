//go:build unix

// Package components builds the programs that a test cluster runs, each once: the control
// plane out of Kubernetes' own modules, aws-iam-authenticator and kwok unmodified. Versions and
// checksums are those of the go.mod and go.sum beside it; it downloads nothing else.
//
// What it built lies in .cache/cluster/<program>-<key> at the root of the repository. The key is
// a hash of the Go version, the platform, the flags of the build and every file of the module,
// go.sum among them: whatever could change the binary changes the folder, and nothing else
// does. Delete .cache/cluster to make room.
package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
)

// Programs are the paths of what was built.
type Programs struct {
	ControlPlane  string // takes the component's name as its first argument
	Authenticator string
	Kwok          string
}

// Build returns the programs and makes those that are missing: some minutes on two cores for
// the first time, a moment after that. Processes that ask at once wait for each other.
func Build(ctx context.Context) (Programs, error) {
	root, err := repository()
	if err != nil {
		return Programs{}, err
	}
	plane, err := controlPlane(root)
	if err != nil {
		return Programs{}, err
	}
	var built []string
	for _, p := range []program{
		plane,
		tool(root, "aws-iam-authenticator", "sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator"),
		tool(root, "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
	} {
		path, err := p.build(ctx, filepath.Join(root, ".cache", "cluster"))
		if err != nil {
			return Programs{}, err
		}
		built = append(built, path)
	}
	return Programs{ControlPlane: built[0], Authenticator: built[1], Kwok: built[2]}, nil
}

// tool is a program that is not ours. Each has a module of its own, since they do not compile
// with each other's versions of Kubernetes.
func tool(root, name, pkg string) program {
	return program{name: name, dir: filepath.Join(root, "e2e", "cluster", "tools", name), pkg: pkg, ldflags: "-s -w"}
}

var kubernetes = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)$`)

// controlPlane tells Kubernetes its version, which its own build sets by the linker: without
// it /version says v0.0.0.
func controlPlane(root string) (program, error) {
	dir := filepath.Join(root, "e2e", "cluster", "controlplane")
	gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return program{}, err
	}
	v := kubernetes.FindSubmatch(gomod)
	if v == nil {
		return program{}, fmt.Errorf("no version of k8s.io/kubernetes in %s: require one", filepath.Join(dir, "go.mod"))
	}
	return program{
		name: "controlplane", dir: dir, pkg: ".",
		ldflags: fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s",
			"k8s.io/component-base/version", v[1], v[2], v[3]),
	}, nil
}

// A program is the main package pkg of the module in dir.
type program struct {
	name, dir, pkg string
	ldflags        string
}

// build makes the program unless it is in the cache, and returns its path.
func (p program) build(ctx context.Context, cache string) (path string, err error) {
	key, err := p.key()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, p.name+"-"+key, p.name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, p.name+".lock"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, p.compile(ctx, path)
}

// compile builds beside path and moves the program there: it is complete, or absent.
func (p program) compile(ctx context.Context, path string) error {
	unfinished := path + ".unfinished"
	// Two packages at a time: some of Kubernetes' take a gigabyte to compile.
	args := slices.Concat([]string{"build"}, p.flags(), []string{"-p", "2", "-o", unfinished, p.pkg})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for the test cluster: %w\n%s", p.name, err, out)
	}
	return os.Rename(unfinished, path)
}

func (p program) flags() []string {
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", p.ldflags}
}

// key names all that the binary depends on.
func (p program) key() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH, p.flags(), p.pkg)
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(p.dir, f.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, f.Name(), len(content))
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// repository is the folder above the working one that holds e2e/cluster.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "e2e", "cluster", "controlplane", "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no e2e/cluster/controlplane in %s or above: run this inside the repository", start)
		}
	}
}

// lock waits until no other process holds the file at path. The kernel gives it back when its
// holder dies.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
