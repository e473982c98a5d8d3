package main

import (
	"syscall"
	"time"
	"unsafe"
)

// stopGrace is what processes get to end when PID 1 itself is told to.
const stopGrace = 5 * time.Second

func shutdown(c *call) (any, error) {
	var params struct {
		GraceMs int64 `json:"graceMs"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	c.agent.processes.endAll(time.Duration(params.GraceMs) * time.Millisecond)
	flush()
	return nil, nil
}

// endAll ends every process of the sandbox but the agent: SIGTERM, time to end, SIGKILL.
func (t *processes) endAll(grace time.Duration) {
	idle := t.reaper.whenIdle()
	t.reaper.wake() // or it would not notice that the last one has gone
	// PID 1's -1 is everybody else in its namespace. ESRCH: nobody is left.
	if syscall.Kill(-1, syscall.SIGTERM) == syscall.ESRCH {
		return
	}
	syscall.Kill(-1, syscall.SIGCONT) // a stopped process cannot end; ESRCH as above
	select {
	case <-idle:
		return
	case <-time.After(grace):
	}
	for i := 0; i < 20; i++ {
		if syscall.Kill(-1, syscall.SIGKILL) == syscall.ESRCH {
			return
		}
		select {
		case <-idle:
			return
		case <-time.After(50 * time.Millisecond): // a fork may have slipped through
		}
	}
	logf("processes survived SIGKILL")
}

// whenIdle is closed when the agent has no children any more.
func (r *reaper) whenIdle() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idle
}

// ignoreChildSignal takes SIGCHLD back to its default, which does nothing: the reaper waits by itself, and Go's handler
// would only wake a thread for each process that ends.
func ignoreChildSignal() {
	var action [4]uintptr // zero is SIG_DFL
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if errno != 0 {
		logf("sigaction: %v", errno)
	}
}
