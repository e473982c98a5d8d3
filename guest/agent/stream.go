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
	// watched is its number with the poller, 0 while that does not read it
	watched int32
	ring    ring
	// paused: not read because a reader lags and the ring is full
	paused     bool
	stall      *time.Timer
	stallStart time.Time
}

// readable reads once and sends what came. Called by the poller only.
func (st *stream) readable(scratch []byte) {
	st.process.mu.Lock()
	st.read(scratch)
	st.process.mu.Unlock()
	st.process.table.agent.session.out.flush()
}

// read reads once; the caller flushes. Preconditions: process.mu held.
func (st *stream) read(scratch []byte) {
	p := st.process
	if st.fd < 0 || st.paused {
		return
	}
	free := p.freeFor(st)
	if free <= 0 {
		st.pause()
		return
	}
	if free > len(scratch) {
		free = len(scratch)
	}
	n, err := readNow(st.fd, scratch[:free])
	if err == syscall.EINTR || err == syscall.EAGAIN {
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
}

// watch hands the reading over to the poller. Preconditions: process.mu held.
func (st *stream) watch() {
	if err := st.process.table.poller.watch(st); err != nil {
		logf("cannot watch output: %v", err)
	}
}

// unwatch takes it back. Preconditions: process.mu held.
func (st *stream) unwatch() {
	if st.watched != 0 {
		st.process.table.poller.unwatch(st)
		st.watched = 0
	}
}

// pause stops reading until a reader has made room or 30 s passed. Preconditions: process.mu held.
func (st *stream) pause() {
	st.paused = true
	st.unwatch()
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
	st.watch()
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
		st.unwatch()
	}
	if st.process.pty == st.fd {
		st.process.pty = -1
	}
	closeNow(st.fd)
	st.fd = -1
	st.ring.trim()
}
