package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// testAgent is an agent without a host: what it says can be read from the returned function.
func testAgent(t *testing.T) (*agent, func() frame) {
	t.Helper()
	if err := openDevNull(); err != nil {
		t.Fatal(err)
	}
	var toHost [2]int
	if err := syscall.Pipe2(toHost[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if err := setNonblock(toHost[1]); err != nil {
		t.Fatal(err)
	}
	a := &agent{users: newUsers()}
	table, err := newProcesses(a)
	if err != nil {
		t.Fatal(err)
	}
	a.processes = table
	a.session = newSession(-1, toHost[1], a)
	p := newParser()
	return a, func() frame {
		for {
			kind, f := p.next()
			if kind == parsedFrame {
				f.payload = append([]byte(nil), f.payload...)
				return f
			}
			n, err := syscall.Read(toHost[0], p.space())
			if err != nil || n == 0 {
				t.Fatal("no more frames", err)
			}
			p.filled(n)
		}
	}
}

func testChannel(a *agent, id uint32, credit int) *channel {
	c := &channel{session: a.session, id: id, credit: credit, over: a.session.over, inEnded: true}
	c.changed.L = &c.mu
	return c
}

// A reader that takes nothing holds the process back only for so long; then it gets a gap, and another reader all.
func TestStalledReaderLosesItsClaim(t *testing.T) {
	stallLimit = 100 * time.Millisecond
	defer func() { stallLimit = 30 * time.Second }()
	a, next := testAgent(t)
	// It begins to write once it has its reader: a pipe that is opened for writing says so.
	ready := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	write := `read line <"$0"; exec head -c 300000 /dev/zero`
	spec := &processSpec{ID: "p", Args: []string{"sh", "-c", write, ready}, Cwd: "/", BufferBytes: 65536}
	p, err := a.processes.start(spec)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	lazy := testChannel(a, 1, 0)
	p.follow(lazy, [3]int64{}, false)
	exited := make(chan processExit, 1)
	p.mu.Lock()
	if p.exit != nil {
		t.Fatal("ended although nobody read")
	}
	p.waiters = append(p.waiters, func(exit processExit) { exited <- exit })
	p.mu.Unlock()
	go func() {
		if fd, err := syscall.Open(ready, syscall.O_WRONLY|syscall.O_CLOEXEC, 0); err == nil {
			syscall.Close(fd)
		}
	}()
	if exit := <-exited; exit.Code != 0 {
		t.Fatal(exit)
	}
	if time.Since(began) < stallLimit {
		t.Fatal("did not wait for its reader")
	}
	lazy.takeCredit(1 << 20)
	if f := next(); f.kind != frameResult {
		t.Fatal(f.kind)
	}
	var gap gapItem
	if f := next(); f.kind != frameItem || json.Unmarshal(f.payload, &gap) != nil {
		t.Fatal("no gap")
	}
	if gap.Offset != 0 || gap.ResumeAt != 300000-65536 {
		t.Fatalf("%+v", gap)
	}
	got := 0
	for {
		f := next()
		if f.kind == frameItem {
			break
		}
		got += len(f.payload) - 9
	}
	if got != 65536 {
		t.Fatal(got)
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("PATH", "") // so that it comes back
	os.Unsetenv("PATH")
	who := &account{name: "ann", home: "/home/ann", shell: "/bin/zsh"}
	env, path := environment(who, nil, map[string]string{"A": "1", "B": "1"}, &processSpec{
		Env: map[string]string{"B": "2", "": "x", "BAD=NAME": "x", "NUL": "a\x00b"},
	})
	if path != defaultPath {
		t.Fatal(path)
	}
	seen := map[string]bool{}
	for _, pair := range env {
		seen[pair] = true
	}
	for _, want := range []string{"A=1", "B=2", "HOME=/home/ann", "USER=ann", "LOGNAME=ann", "SHELL=/bin/zsh"} {
		if !seen[want] {
			t.Errorf("no %s in %q", want, env)
		}
	}
	if len(env) != 7 {
		t.Errorf("%q", env)
	}
}
