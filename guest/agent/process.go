package main

import (
	"sort"
	"sync"
	"syscall"
	"time"
)

const (
	// exitSilence: a grandchild that keeps the output open delays the exit until it was silent for so long …
	exitSilence = 250 * time.Millisecond
	// … and never longer than this.
	exitPatience = 2 * time.Second
)

type processExit struct {
	Code     int    `json:"code"`
	Signal   string `json:"signal,omitempty"`
	TimedOut bool   `json:"timedOut"`
	AtMs     int64  `json:"atMs"`
}

// processInfo is ProcessInfo of the host's port.
type processInfo struct {
	ID          string            `json:"id"`
	PID         int               `json:"pid"`
	Args        []string          `json:"args"`
	Env         map[string]string `json:"env"`
	Cwd         string            `json:"cwd"`
	User        string            `json:"user"`
	Tag         *string           `json:"tag"`
	PTY         bool              `json:"pty"`
	StartedAtMs int64             `json:"startedAtMs"`
	Exit        *processExit      `json:"exit"`
}

// process is one that a request started, alive or finished.
//
// Its exit is told once the kernel has reported it and its output is drained (or given up waiting for, see exitSilence).
type process struct {
	table *processes
	// internal: a hook, not in the table
	internal bool
	info     processInfo

	mu      sync.Mutex
	streams []*stream
	// pty is the master's descriptor, -1 if there is none or it is closed
	pty        int
	followers  map[*follower]struct{}
	waiters    []func(processExit)
	lastOutput time.Time

	// exitFd tells the end of a process that gather reads, -1 where it does not
	exitFd int
	// gathers: see keepGathered
	gathers  bool
	reaped   bool
	status   syscall.WaitStatus
	reapedAt time.Time
	exit     *processExit
	timedOut bool
	// lingers: its exit is not told while somebody keeps its output open; a signal to end it ends that, too
	lingers bool

	deadline time.Time
	timer    *time.Timer
	// left is what remains of the time limit while the agent is held
	left time.Duration

	stdin stdinPipe

	// kept is how many bytes of output it is counted with once finished; the table guards it
	kept int
}

// hasExited is called by the reaper: from now on the pid may belong to somebody else.
func (p *process) hasExited(status syscall.WaitStatus) {
	p.mu.Lock()
	p.reaped = true
	p.status = status
	p.reapedAt = time.Now()
	if p.timer != nil && !p.lingers {
		p.timer.Stop()
	}
	p.settle()
	p.mu.Unlock()
	p.stdin.close()
	p.table.agent.session.out.flush()
}

// settle tells the exit if it is time to. Preconditions: mu held.
func (p *process) settle() {
	if !p.reaped || p.exit != nil {
		return
	}
	open := 0
	for _, st := range p.streams {
		if st.fd >= 0 {
			open++
		}
	}
	if open > 0 && p.lingers {
		return
	}
	if open > 0 {
		p.waitForSilence()
		return
	}
	p.finish()
}

// waitForSilence gives up on output that somebody else keeps open. Preconditions: mu held.
func (p *process) waitForSilence() {
	now := time.Now()
	since := p.reapedAt
	paused := false
	for _, st := range p.streams {
		paused = paused || st.paused
	}
	if p.lastOutput.After(since) {
		since = p.lastOutput
	}
	wait := exitSilence - now.Sub(since)
	if rest := exitPatience - now.Sub(p.reapedAt); rest < wait {
		wait = rest
	}
	if paused && wait <= 0 {
		// Output is waiting for a slow reader; nobody is silent.
		wait = exitSilence
	}
	if wait <= 0 {
		p.finish()
		return
	}
	time.AfterFunc(wait, func() {
		p.mu.Lock()
		if p.exit == nil {
			p.waitForSilence()
		}
		p.mu.Unlock()
		p.table.agent.session.out.flush()
	})
}

// finish records the exit and tells everybody. Preconditions: mu held.
func (p *process) finish() {
	exit := processExit{TimedOut: p.timedOut, AtMs: p.reapedAt.UnixMilli()}
	if p.status.Signaled() {
		exit.Code = 128 + int(p.status.Signal())
		exit.Signal = signalName(p.status.Signal())
	} else {
		exit.Code = p.status.ExitStatus()
	}
	p.exit = &exit
	if p.timer != nil {
		p.timer.Stop()
	}
	p.pumpAll()
	for _, tell := range p.waiters {
		tell(exit)
	}
	p.waiters = nil
	p.table.finished(p)
}

// snapshot copies what the host may know.
func (p *process) snapshot() processInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown()
}

// shown is the info with bounded arguments: it goes into lists. Preconditions: mu held.
func (p *process) shown() processInfo {
	info := p.info
	info.Exit = p.exit
	const limit = 16 << 10
	size := 0
	for i, arg := range info.Args {
		if size += len(arg) + 1; size > limit || i == 1000 {
			info.Args = append(append([]string(nil), info.Args[:i]...), "…")
			break
		}
	}
	return info
}

// shownEnv is the part of a request's environment that is told to hosts that ask.
func shownEnv(env map[string]string) map[string]string {
	const limit = 16 << 10
	shown := make(map[string]string, len(env))
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	sort.Strings(names)
	size := 0
	for _, name := range names {
		if size += len(name) + len(env[name]) + 2; size > limit || len(shown) == 1000 {
			break
		}
		shown[name] = env[name]
	}
	return shown
}

// forget closes what is left of a pruned process.
func (p *process) forget() {
	p.mu.Lock()
	for _, st := range p.streams {
		st.close()
		st.ring.drop()
	}
	p.mu.Unlock()
}

// limitTime arms or re-arms the time limit. Preconditions: mu held.
func (p *process) limitTime(limit time.Duration) {
	p.deadline = time.Now().Add(limit)
	p.timer = time.AfterFunc(limit, func() {
		p.mu.Lock()
		if p.waitedFor() && !p.table.frozen() {
			p.timedOut = true
		}
		kill := p.timedOut
		p.mu.Unlock()
		if kill {
			p.table.kill(p, syscall.SIGKILL, true)
			p.stopLingering()
		}
	})
}

// waitedFor tells whether the time limit still concerns it. Preconditions: mu held.
func (p *process) waitedFor() bool { return !p.reaped || p.lingers && p.exit == nil }

// stopLingering tells the exit without waiting for who keeps the output open.
func (p *process) stopLingering() {
	p.mu.Lock()
	if p.lingers {
		p.lingers = false
		p.settle()
	}
	p.mu.Unlock()
	p.table.agent.session.out.flush()
}

// freeze stops the time limit, thaw goes on with what was left: time spent in a snapshot does not count.
func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil && p.waitedFor() && p.left == 0 {
		p.timer.Stop()
		if p.left = time.Until(p.deadline); p.left <= 0 {
			p.left = 1
		}
	}
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left > 0 && p.waitedFor() {
		p.limitTime(p.left)
	}
	p.left = 0
}
