package main

import (
	"crypto/rand"
	"encoding/hex"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// keptFinished is how many finished processes can still be asked about.
	keptFinished = 1024
	// keptOutput bounds the output that finished processes keep, in bytes; the oldest lose theirs first.
	keptOutput = 64 << 20
)

// processes is the table of all processes that requests started.
type processes struct {
	agent  *agent
	poller *poller
	reaper *reaper

	held atomic.Bool

	mu   sync.Mutex
	byID map[string]*process
	// done holds the finished ones, oldest first
	done      []*process
	keptBytes int
}

func newProcesses(a *agent) (*processes, error) {
	poller, err := newPoller()
	if err != nil {
		return nil, err
	}
	t := &processes{agent: a, poller: poller, reaper: newReaper(), byID: map[string]*process{}}
	go poller.run()
	go t.reaper.run()
	return t, nil
}

// find resolves an agent id or `pid:<number>`; of several with a pid, the youngest.
func (t *processes) find(ref string) (*process, error) {
	var found *process
	if strings.HasPrefix(ref, "pid:") {
		pid, err := strconv.Atoi(ref[len("pid:"):])
		if err == nil && pid > 0 {
			youngest := int64(-1)
			for _, p := range t.all() {
				if info := p.snapshot(); info.PID == pid && info.StartedAtMs > youngest {
					found, youngest = p, info.StartedAtMs
				}
			}
		}
	} else {
		t.mu.Lock()
		found = t.byID[ref]
		t.mu.Unlock()
		if found != nil && found.snapshot().PID == 0 {
			found = nil
		}
	}
	if found == nil {
		return nil, failed("process_not_found", "no such process: %.80q", ref)
	}
	return found, nil
}

// finished moves a process to the kept ones and prunes. Preconditions: p.mu held.
func (t *processes) finished(p *process) {
	if p.internal {
		return
	}
	if p.gathers {
		return // whoever gathers keeps it, once the host knows
	}
	// Not on this goroutine: pruning locks other processes, and p is locked.
	go t.keep(p)
}

// keepGathered keeps a process that ended while it was gathered, and leaves one that did not to whoever finishes it.
func (t *processes) keepGathered(p *process) {
	p.mu.Lock()
	ended := p.gathers && p.exit != nil
	p.gathers = false
	p.mu.Unlock()
	if ended {
		t.keep(p)
	}
}

func (t *processes) keep(p *process) {
	kept := 0
	p.mu.Lock()
	for _, st := range p.streams {
		kept += len(st.ring.data)
	}
	p.mu.Unlock()

	var pruned, emptied []*process
	t.mu.Lock()
	p.kept = kept
	t.keptBytes += kept
	t.done = append(t.done, p)
	for len(t.done) > keptFinished {
		oldest := t.done[0]
		pruned = append(pruned, oldest)
		t.keptBytes -= oldest.kept
		delete(t.byID, oldest.info.ID)
		t.done = t.done[1:]
	}
	for i := 0; t.keptBytes > keptOutput && i < len(t.done)-1; i++ {
		if old := t.done[i]; old.kept > 0 {
			emptied = append(emptied, old)
			t.keptBytes -= old.kept
			old.kept = 0
		}
	}
	t.mu.Unlock()
	for _, old := range pruned {
		old.forget()
	}
	for _, old := range emptied {
		old.mu.Lock()
		for _, st := range old.streams {
			st.ring.drop()
		}
		old.pumpAll()
		old.mu.Unlock()
	}
}

func (t *processes) list() []processInfo {
	var infos []processInfo
	for _, p := range t.all() {
		if info := p.snapshot(); info.PID != 0 {
			infos = append(infos, info)
		}
	}
	sort.Slice(infos, func(i, j int) bool {
		if infos[i].StartedAtMs != infos[j].StartedAtMs {
			return infos[i].StartedAtMs < infos[j].StartedAtMs
		}
		return infos[i].PID < infos[j].PID
	})
	return infos
}

// kill signals a process, or its group. The pid cannot be somebody else's: the reaper takes the same lock.
func (t *processes) kill(p *process, signal syscall.Signal, group bool) error {
	t.reaper.mu.Lock()
	defer t.reaper.mu.Unlock()
	pid := p.info.PID
	if t.reaper.children[pid] != p {
		if !group {
			return guestError(syscall.ESRCH, "")
		}
		if t.reaper.children[pid] != nil {
			return guestError(syscall.ESRCH, "") // the pid is a younger process's by now
		}
	}
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return toFailure(err, "")
	}
	return nil
}

// frozen tells that the agent is held for a snapshot: time limits stand still.
func (t *processes) frozen() bool { return t.held.Load() }

func (t *processes) freeze() {
	t.held.Store(true)
	for _, p := range t.all() {
		p.freeze()
	}
}

func (t *processes) thaw() {
	if !t.held.CompareAndSwap(true, false) {
		return
	}
	for _, p := range t.all() {
		p.thaw()
	}
}

func (t *processes) all() []*process {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*process, 0, len(t.byID))
	for _, p := range t.byID {
		all = append(all, p)
	}
	return all
}

func newProcessID() string {
	var b [8]byte
	rand.Read(b[:]) // reads getrandom, which does not fail
	return "p" + hex.EncodeToString(b[:])
}
