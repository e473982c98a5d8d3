package main

import (
	"sync"
	"syscall"
	"unsafe"
)

// child is told when the process that the agent started has ended.
type child interface {
	hasExited(status syscall.WaitStatus)
}

// earlyEnd is the end of a child that was not known yet. `begun` says which forks had begun by then: a later fork that
// gets the same pid is another process.
type earlyEnd struct {
	status syscall.WaitStatus
	begun  uint64
}

// reaper waits for every child of PID 1: those the agent started and the orphans it inherits.
//
// It looks first and reaps second (WNOWAIT), so that between the two, under the lock, a pid is certainly still the
// child's: whoever signals takes the same lock and never hits a stranger.
type reaper struct {
	mu       sync.Mutex
	children map[int]child
	// begun numbers forks; starting holds those under way. A child that ends before its pid is known waits in `early`,
	// together with orphans, which nobody will ask for.
	begun    uint64
	starting map[uint64]struct{}
	early    map[int]earlyEnd
	// born wakes the reaper when it had no children at all
	born chan struct{}
	// idle is closed and replaced whenever there are no children left
	idle chan struct{}
}

func newReaper() *reaper {
	return &reaper{
		children: map[int]child{}, starting: map[uint64]struct{}{}, early: map[int]earlyEnd{},
		born: make(chan struct{}, 1), idle: make(chan struct{}),
	}
}

const (
	pAll    = 0
	wExited = 4
	wNoWait = 0x1000000
)

// siginfo is long enough for any siginfo_t; si_pid is its fifth 32-bit word (64-bit systems).
type siginfo [32]int32

func (r *reaper) run() {
	for {
		var info siginfo
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), wExited|wNoWait, 0, 0)
		switch errno {
		case 0:
			guard(func() { r.reap(int(info[4])) })
		case syscall.EINTR:
		case syscall.ECHILD:
			r.mu.Lock()
			close(r.idle)
			r.idle = make(chan struct{})
			r.mu.Unlock()
			<-r.born
		default:
			logf("waitid: %v", errno)
			<-r.born
		}
	}
}

func (r *reaper) reap(pid int) {
	r.mu.Lock()
	got, status, err := reapNow(pid)
	if err != nil || got != pid {
		r.mu.Unlock()
		return
	}
	c := r.children[pid]
	delete(r.children, pid)
	if c == nil && len(r.starting) > 0 {
		r.early[pid] = earlyEnd{status, r.begun}
	}
	r.mu.Unlock()
	if c != nil {
		c.hasExited(status)
	}
}

// start forks and registers c as the child. `started` runs before c.hasExited can. With exitFd not nil and not -1 afterwards,
// the caller has a descriptor that tells the child's end and sees to its reaping, at the latest by `wake`.
func (r *reaper) start(c child, started func(pid int), path string, args []string, attr *syscall.ProcAttr, exitFd *int) error {
	r.mu.Lock()
	r.begun++
	mine := r.begun
	r.starting[mine] = struct{}{}
	r.mu.Unlock()
	pid, err := forkExec(path, args, attr, exitFd)
	r.mu.Lock()
	delete(r.starting, mine)
	end, ended := r.early[pid]
	ended = ended && err == nil && end.begun >= mine
	r.forgetOrphans()
	if err == nil {
		started(pid)
		if !ended {
			r.children[pid] = c
		}
	}
	r.mu.Unlock()
	if err != nil || exitFd == nil || *exitFd < 0 {
		r.wake()
	}
	if ended {
		// Not here: the caller holds locks that it needs.
		go c.hasExited(end.status)
	}
	return err
}

// wake has the reaper look for children if it had none.
func (r *reaper) wake() {
	select {
	case r.born <- struct{}{}:
	default:
	}
}

// wakeIfNeeded wakes the reaper if there is any child.
func (r *reaper) wakeIfNeeded() {
	var info siginfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)), wExited|wNoWait|syscall.WNOHANG, 0, 0)
	if errno != syscall.ECHILD {
		r.wake()
	}
}

// forgetOrphans drops early ends that no fork under way can be about. Preconditions: mu held.
func (r *reaper) forgetOrphans() {
	if len(r.early) == 0 {
		return
	}
	oldest := r.begun + 1
	for number := range r.starting {
		if number < oldest {
			oldest = number
		}
	}
	for pid, end := range r.early {
		if end.begun < oldest {
			delete(r.early, pid)
		}
	}
}
