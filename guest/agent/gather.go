package main

import (
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	maxGather = time.Second
	// gatherRoom: with so many bytes to send nothing is won by waiting for more.
	gatherRoom = 16 << 10
	// A process whose output has ended is as a rule reaped within gatherSteps of gatherPause.
	gatherPause = 100 * time.Microsecond
	gatherSteps = 10
	// drainReads bounds what is read at once of a process that has ended; others may go on writing to its pipes.
	drainReads = 16
)

// gatherScratch is not on the stack, which would have to grow for it each time.
var gatherScratch = sync.Pool{New: func() any { return new([8 << 10]byte) }}

// gather reads a process that has just been started, on the goroutine that started it, and keeps back what there is to say
// about it until it has ended or the limit has passed. So a short command costs no change of threads to the poller and back
// and the host wakes up once: for its answer, its output and its exit together. The caller flushes.
//
// A process that was there already under its id is with the poller as a rule, and gather returns at once.
func (p *process) gather(limit time.Duration) {
	defer p.letGo()
	if limit > maxGather {
		limit = maxGather
	}
	until := time.Now().Add(limit)
	scratch := gatherScratch.Get().(*[8 << 10]byte)
	defer gatherScratch.Put(scratch)
	for steps := 0; steps < gatherSteps && p.table.agent.session.out.queued() < gatherRoom; {
		g, over := p.unread()
		left := time.Until(until)
		if over || left <= 0 {
			return
		}
		if len(g.polls) == 0 {
			// The reaper tells its exit, and sends all this with it.
			steps++
			left = gatherPause
		}
		if !pollOnce(g.polls, left) {
			continue
		}
		if g.end >= 0 && g.polls[g.end].revents != 0 {
			p.drain(scratch[:])
			p.table.reaper.reap(p.info.PID)
		} else {
			p.readSome(g, scratch[:])
		}
	}
}

// readSome reads once what has something to read.
func (p *process) readSome(g gathered, scratch []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, st := range g.streams {
		// The poller reads it by now if it was paused, for a slow reader, and goes on.
		if g.polls[i].revents != 0 && st.watched == 0 {
			st.read(scratch)
		}
	}
}

// drain reads what a process has left behind.
func (p *process) drain(scratch []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.streams {
		for reads, before := 0, int64(-1); reads < drainReads && st.watched == 0 && st.ring.end != before; reads++ {
			before = st.ring.end
			st.read(scratch)
		}
	}
}

// letGo leaves the process to the poller and the reaper.
func (p *process) letGo() {
	p.mu.Lock()
	for _, st := range p.streams {
		if st.fd >= 0 && st.watched == 0 && !st.paused {
			st.watch()
		}
	}
	exitFd, reaped := p.exitFd, p.reaped
	p.exitFd = -1
	p.mu.Unlock()
	if exitFd < 0 {
		return
	}
	closeNow(exitFd)
	if reaped {
		// It may have left children of its own.
		p.table.reaper.wakeIfNeeded()
	} else {
		p.table.reaper.wake()
	}
}

// gathered is what gather waits for: the streams that nobody else reads and, behind them, the end of the process, at -1 where
// nothing tells that.
type gathered struct {
	polls   []pollFd
	streams []*stream
	end     int
}

// unread tells what there is to wait for, or that it is over.
func (p *process) unread() (g gathered, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g = gathered{polls: make([]pollFd, 0, 4), end: -1}
	over = p.exit != nil
	for _, st := range p.streams {
		if st.watched != 0 || st.paused {
			over = true
		} else if st.fd >= 0 {
			g.polls = append(g.polls, pollFd{fd: int32(st.fd), events: pollIn})
			g.streams = append(g.streams, st)
		}
	}
	if p.exitFd >= 0 && !p.reaped {
		g.end = len(g.polls)
		g.polls = append(g.polls, pollFd{fd: int32(p.exitFd), events: pollIn})
	}
	return g, over
}

// pollOnce waits for one of the descriptors, or for nothing but the time where there are none.
func pollOnce(polls []pollFd, limit time.Duration) bool {
	var first unsafe.Pointer
	if len(polls) > 0 {
		first = unsafe.Pointer(&polls[0])
	}
	timeout := syscall.NsecToTimespec(int64(limit))
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(first), uintptr(len(polls)), uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return errno == 0 && n > 0
}
