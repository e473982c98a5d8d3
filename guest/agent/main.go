// The guest agent: PID 1 of every sandbox. It speaks the protocol of docs/guest-protocol.md on its standard input and
// output, starts and follows processes, works on files, and reaps orphans.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(agentVersion, protocolVersion)
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "tree" {
		// Not as an agent: the host has a tree of files read, in a cage and by the program that knows how.
		os.Exit(treeMain(os.Args[2], os.Stdin, os.Stdout))
	}
	if os.Getpid() != 1 {
		// It would write the identity of a sandbox over a machine's own files.
		fmt.Fprintln(os.Stderr, "agent: must be PID 1 of a sandbox")
		os.Exit(2)
	}
	syscall.Umask(0o022)
	a := &agent{users: newUsers(), collector: newCollector()}
	if err := openDevNull(); err != nil {
		logf("no /dev/null: %v", err)
		os.Exit(1)
	}
	table, err := newProcesses(a)
	if err != nil {
		logf("cannot watch output: %v", err)
		os.Exit(1)
	}
	a.processes = table
	if err := setNonblock(1); err != nil {
		logf("stdout: %v", err)
	}
	ignoreChildSignal()
	a.session = newSession(0, 1, a)
	go a.stopOnSignal()
	logf("version %s, protocol %d", agentVersion, protocolVersion)
	a.session.read()
	select {} // read hands over to other goroutines and returns
}

// stopOnSignal shuts the sandbox down in order when the runtime asks PID 1 to end.
func (a *agent) stopOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	logf("asked to end")
	a.processes.endAll(stopGrace)
	os.Exit(0)
}
