package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestCensus(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	child := exec.Command("sh", "-c", "read line", "a\nb")
	// It waits for a line that never comes.
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	a := &agent{users: newUsers()}
	ours, ok := a.censusOf(os.Getpid())
	if !ok || ours.MemoryBytes < 1<<20 || ours.ParentPID != os.Getppid() || ours.User == "" || ours.StartTicks == 0 {
		t.Errorf("%+v", ours)
	}
	// It is the shell's or Go's child until it has become the program.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		theirs, ok := a.censusOf(child.Process.Pid)
		if ok && theirs.Command == "sh -c read line a b" && theirs.ParentPID == os.Getpid() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", theirs)
		}
	}
	listeners := listening("/proc/net/tcp")
	owners, whole := socketOwners(listeners, []censusProcess{ours}, time.Now().Add(time.Minute))
	found := false
	for inode, one := range listeners {
		if one.Port == port && one.Address == "127.0.0.1" {
			found = owners[inode] == os.Getpid()
		}
	}
	if !found || !whole {
		t.Errorf("port %d: %v %v", port, listeners, owners)
	}
	if _, ok := a.censusOf(1 << 30); ok {
		t.Error("a process that is not there")
	}
	taken := a.takeCensus()
	if len(taken.Processes) == 0 || taken.AtMs == 0 || taken.Ports == nil {
		t.Errorf("%+v", taken)
	}
	for _, process := range taken.Processes {
		if process.PID == 1 {
			t.Error("the agent itself")
		}
	}
}

func TestCensusOfStrangers(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F": "127.0.0.1", "00000000": "0.0.0.0", "00000000000000000000000001000000": "::1",
		"00000000000000000000000000000000": "::", "0000000000000000FFFF00000100007F": "::ffff:127.0.0.1", "xx": "", "0100": "",
	} {
		if got := addressOf(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := printable([]byte("a\x00b\x1b[31m\xff" + strings.Repeat("é", 600))); len(got) > maxCommand || !strings.HasPrefix(got, "a b [31m\ufffdé") {
		t.Errorf("%q", got)
	}
}
