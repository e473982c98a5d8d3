package main

import (
	"sync"
	"syscall"
	"time"
)

// outRoom bounds what waits to be written: streams pause above it.
const outRoom = 256 << 10

// out sends frames to the host. Whoever has something to say writes it himself if nobody writes at that moment and the
// pipe has room, which saves a change of threads; what does not fit is left to one goroutine that waits for room.
// The descriptor is non-blocking: no goroutine of a process or a request ever hangs on a host that does not read.
type out struct {
	fd int
	mu sync.Mutex
	// epoch counts sessions; frames of an earlier one are dropped
	epoch uint64
	// pending is being written, queue comes next, after waits for release
	pending, queue, after []byte
	writing               bool
	// broken: the last write failed for good, not for want of room
	broken bool
	// held: frames go to `after`
	held    bool
	waiters []func()
	wake    chan struct{}
}

func newOut(fd int) *out {
	o := &out{fd: fd, wake: make(chan struct{}, 1)}
	go o.writeWhenReady()
	return o
}

// push queues a frame of the session `epoch`; flush sends it.
func (o *out) push(epoch uint64, kind, flags byte, channel uint32, parts ...[]byte) {
	o.mu.Lock()
	if epoch == o.epoch {
		if o.held {
			o.after = appendFrame(o.after, kind, flags, channel, parts...)
		} else {
			o.queue = appendFrame(o.queue, kind, flags, channel, parts...)
		}
	}
	o.mu.Unlock()
}

// hasRoom tells a stream whether to queue more. If not, `again` is called once when there is.
func (o *out) hasRoom(again func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.held && len(o.queue) < outRoom {
		return true
	}
	o.waiters = append(o.waiters, again)
	return false
}

// queued is how many bytes wait for a flush.
func (o *out) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}

// flush writes what is queued, as far as the pipe takes it.
func (o *out) flush() {
	o.mu.Lock()
	if o.writing || len(o.queue) == 0 {
		o.mu.Unlock()
		return
	}
	o.writing = true
	waiters := o.writeLocked()
	o.mu.Unlock()
	for _, again := range waiters {
		again()
	}
}

// writeLocked writes until all is out or the pipe is full, and returns whom to tell that there is room.
// Preconditions: mu held, writing set by the caller.
func (o *out) writeLocked() []func() {
	for {
		if len(o.pending) == 0 {
			if len(o.queue) == 0 {
				break
			}
			spare := o.pending[:0]
			o.pending = o.queue
			o.queue = spare
		}
		epoch, batch := o.epoch, o.pending
		o.mu.Unlock()
		n, err := writeNow(o.fd, batch)
		o.mu.Lock()
		if epoch != o.epoch {
			// A marker came meanwhile; `pending` is the new session's already.
			continue
		}
		if n > 0 {
			o.pending = o.pending[n:]
		}
		if err == syscall.EINTR || err == nil {
			continue
		}
		// EAGAIN: the pipe is full. Anything else (the host's end is being replaced): the waiting goroutine retries.
		o.broken = err != syscall.EAGAIN
		select {
		case o.wake <- struct{}{}:
		default:
		}
		return nil
	}
	o.writing = false
	if cap(o.pending) > 4*outRoom {
		o.pending = nil
	}
	if o.held {
		return nil
	}
	waiters := o.waiters
	o.waiters = nil
	return waiters
}

func (o *out) writeWhenReady() {
	for range o.wake {
		o.mu.Lock()
		broken := o.broken
		o.mu.Unlock()
		if broken {
			// poll would return at once.
			time.Sleep(50 * time.Millisecond)
		} else {
			waitFor(o.fd, pollOut, -1)
		}
		o.mu.Lock()
		waiters := o.writeLocked()
		o.mu.Unlock()
		for _, again := range waiters {
			again()
		}
	}
}

// restart begins a new session: everything queued is dropped, the marker is echoed, a hold ends.
func (o *out) restart(nonce [16]byte) uint64 {
	o.mu.Lock()
	o.epoch++
	o.held = false
	o.after, o.waiters = nil, nil
	o.queue = nil
	echo := append(append([]byte{}, markerMagic[:]...), nonce[:]...)
	if o.writing {
		o.pending = echo
	} else {
		o.queue = echo
	}
	epoch := o.epoch
	o.mu.Unlock()
	return epoch
}

// hold queues the frame as the last one until release. False if the session is over or held already.
func (o *out) hold(epoch uint64, kind, flags byte, channel uint32, payload []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch != o.epoch || o.held {
		return false
	}
	o.queue = appendFrame(o.queue, kind, flags, channel, payload)
	o.held = true
	return true
}

// release ends hold; true if there was one.
func (o *out) release() bool {
	o.mu.Lock()
	was := o.held
	o.held = false
	o.queue = append(o.queue, o.after...)
	o.after = nil
	waiters := o.waiters
	o.waiters = nil
	o.mu.Unlock()
	for _, again := range waiters {
		again()
	}
	return was
}

func (o *out) isHeld() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held
}
