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
		polls, streams, over := p.unread()
		left := time.Until(until)
		if over || left <= 0 {
			return
		}
		if len(polls) == 0 {
			// The reaper tells its exit, and sends all this with it.
			steps++
			left = gatherPause
		}
		if !pollOnce(polls, left) {
			continue
		}
		output := false
		p.mu.Lock()
		for i, st := range streams {
			// The poller reads it by now if it was paused, for a slow reader, and goes on.
			if polls[i].revents != 0 && st.watched == 0 {
				output = true
				st.read(scratch[:])
			}
		}
		p.mu.Unlock()
		if !output && len(polls) > len(streams) {
			p.table.reaper.reap(p.info.PID)
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
	syscall.Close(exitFd)
	if reaped {
		// It may have left children of its own.
		p.table.reaper.wakeIfNeeded()
	} else {
		p.table.reaper.wake()
	}
}

// unread lists the streams that nobody reads but the caller, and behind them what tells the process's end; over tells that
// there is nothing to wait for.
func (p *process) unread() (polls []pollFd, streams []*stream, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	over = p.exit != nil
	for _, st := range p.streams {
		if st.watched != 0 || st.paused {
			over = true
		} else if st.fd >= 0 {
			polls = append(polls, pollFd{fd: int32(st.fd), events: pollIn})
			streams = append(streams, st)
		}
	}
	if p.exitFd >= 0 && !p.reaped {
		polls = append(polls, pollFd{fd: int32(p.exitFd), events: pollIn})
	}
	return polls, streams, over
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
