package main

import (
	"syscall"
	"time"
)

const (
	stdoutStream = 0
	stderrStream = 1
	ptyStream    = 2
)

// stallLimit is how long a reader that lags behind may hold a process back.
var stallLimit = 30 * time.Second

var streamNames = [3]string{"stdout", "stderr", "pty"}

// stream is one output of a process: the pipe or PTY it is read from and the bytes kept. process.mu guards it.
type stream struct {
	process *process
	index   int
	fd      int // -1 once closed
	watched int32
	ring    ring
	// paused: not read because a reader lags and the ring is full
	paused     bool
	stall      *time.Timer
	stallStart time.Time
}

// readable reads once. Called by the poller only.
func (st *stream) readable(scratch []byte) {
	p := st.process
	p.mu.Lock()
	if st.fd < 0 || st.paused {
		p.mu.Unlock()
		return
	}
	free := p.freeFor(st)
	if free <= 0 {
		st.pause()
		p.mu.Unlock()
		return
	}
	if free > len(scratch) {
		free = len(scratch)
	}
	n, err := syscall.Read(st.fd, scratch[:free])
	if err == syscall.EINTR || err == syscall.EAGAIN {
		p.mu.Unlock()
		return
	}
	if n > 0 {
		p.lastOutput = time.Now()
		st.ring.append(scratch[:n])
		p.pumpAll()
	} else {
		// End of a pipe, or EIO of a PTY whose last terminal closed.
		st.close()
		p.settle()
	}
	p.mu.Unlock()
	p.table.agent.session.out.flush()
}

// pause stops reading until a reader has made room or 30 s passed. Preconditions: process.mu held.
func (st *stream) pause() {
	st.paused = true
	st.process.table.poller.unwatch(st)
	st.stallStart = time.Now()
	st.stall = time.AfterFunc(stallLimit, st.stalled)
}

func (st *stream) stalled() {
	p := st.process
	p.mu.Lock()
	defer p.mu.Unlock()
	if !st.paused || st.fd < 0 {
		return
	}
	if p.table.frozen() {
		// Time in a snapshot does not count.
		st.stall = time.AfterFunc(stallLimit, st.stalled)
		return
	}
	for f := range p.followers {
		if st.ring.end-f.position[st.index] >= int64(st.ring.limit) {
			f.claims[st.index] = false
		}
	}
	st.unpause()
}

// unpause goes on reading. Preconditions: process.mu held.
func (st *stream) unpause() {
	if !st.paused || st.fd < 0 {
		return
	}
	st.paused = false
	st.stall.Stop()
	if err := st.process.table.poller.watch(st); err != nil {
		logf("cannot watch output: %v", err)
	}
}

// close ends the stream. Preconditions: process.mu held.
func (st *stream) close() {
	if st.fd < 0 {
		return
	}
	if st.paused {
		st.stall.Stop()
		st.paused = false
	} else {
		st.process.table.poller.unwatch(st)
	}
	if st.process.pty == st.fd {
		st.process.pty = -1
	}
	syscall.Close(st.fd) // nothing to do about a failing close of a pipe
	st.fd = -1
	st.ring.trim()
}
