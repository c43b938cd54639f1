// Command controlplane is one of the components of a Kubernetes control plane: etcd,
// kube-apiserver, kube-controller-manager or kube-scheduler, whichever its first argument
// names. It adds nothing to them and decides nothing: one binary links what the four share
// once, which saves most of the time and space of building them.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // as each component's own main does
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("name a component")
	}
	component, args := os.Args[1], os.Args[2:]
	switch component {
	case "etcd":
		etcdmain.Main(os.Args[1:]) // it reads its flags behind its name
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand(), args)
	case "kube-controller-manager":
		run(controllermanager.NewControllerManagerCommand(), args)
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand(), args)
	default:
		fail(fmt.Sprintf("no component is called %q", component))
	}
}

func run(command *cobra.Command, args []string) {
	command.SetArgs(args)
	os.Exit(cli.Run(command))
}

func fail(reason string) {
	fmt.Fprintf(os.Stderr, "%s: use etcd, kube-apiserver, kube-controller-manager or kube-scheduler, then its flags\n", reason)
	os.Exit(2)
}
