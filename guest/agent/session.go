package main

import (
	"encoding/binary"
	"encoding/json"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// session reads the host's frames, keeps the channels and hands requests to methods. There is one for the agent's
// whole life; a marker only starts its next epoch.
type session struct {
	fd     int
	out    *out
	agent  *agent
	parser *parser

	mu       sync.Mutex
	epoch    uint64
	channels map[uint32]*channel
	// over is closed when this epoch ends
	over chan struct{}

	// later is what is left to do once, before the next request at the latest; laterMu is held while it is done
	later   atomic.Pointer[func()]
	laterMu sync.Mutex
}

func newSession(in, outFd int, a *agent) *session {
	return &session{
		fd: in, out: newOut(outFd), agent: a, parser: newParser(),
		channels: map[uint32]*channel{}, over: make(chan struct{}),
	}
}

// read is the leader of a leader/follower pair: a request is handled on the goroutine that read it, and another one
// takes over reading, at once or when the method says so. So a request starts without a change of threads, and a slow one
// holds nobody up.
func (s *session) read() {
	t := &turn{session: s}
	for {
		kind, f := s.parser.next()
		switch kind {
		case parsedFrame:
			if c := s.accept(f); c != nil {
				c.run(t)
				if !t.end() {
					return
				}
				t = &turn{session: s}
			}
		case parsedMarker:
			s.restart(s.parser.nonce)
		case parsedNothing:
			// What is said without giving the turn away, greeting included, goes out in one piece.
			s.out.flush()
			if s.later.Load() != nil && s.laterMu.TryLock() {
				s.agent.processes.poller.keep(t)
				s.catchUpLocked()
				s.laterMu.Unlock()
				s.agent.processes.poller.letGo(t)
				if !t.end() {
					return
				}
				t = &turn{session: s}
			}
			n, err := syscall.Read(s.fd, s.parser.space())
			switch {
			case n > 0:
				s.parser.filled(n)
			case err == syscall.EINTR:
			case err == syscall.EAGAIN:
				waitFor(s.fd, pollIn, -1)
			default:
				// No writer at the moment: the host's end is being replaced.
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

// afterwards has work done when what is said now has gone out: while the host makes something of it, the agent has nothing
// to do. No request but a greeting is carried out before it.
func (s *session) afterwards(work func()) { s.later.Store(&work) }

// catchUp returns when nothing is left for later.
func (s *session) catchUp() {
	if s.later.Load() == nil {
		return
	}
	s.laterMu.Lock()
	defer s.laterMu.Unlock()
	s.catchUpLocked()
}

// catchUpLocked does what is left for later. Preconditions: laterMu held.
func (s *session) catchUpLocked() {
	if work := s.later.Load(); work != nil {
		guard(*work)
		s.later.CompareAndSwap(work, nil)
	}
}

// restart drops everything of the earlier session and echoes the marker.
func (s *session) restart(nonce [16]byte) {
	s.mu.Lock()
	old := s.channels
	s.channels = map[uint32]*channel{}
	s.mu.Unlock()
	for _, c := range old {
		c.cancel()
	}
	epoch := s.out.restart(nonce)
	s.mu.Lock()
	s.epoch = epoch
	close(s.over)
	s.over = make(chan struct{})
	s.mu.Unlock()
	s.agent.processes.thaw()
	s.agent.collector.wake()
}

// accept takes one frame; a complete request comes back to be run.
func (s *session) accept(f frame) *channel {
	s.mu.Lock()
	c := s.channels[f.channel]
	if f.kind == frameRequest && c == nil {
		c = &channel{session: s, id: f.channel, epoch: s.epoch, over: s.over, credit: initialWindow}
		c.changed.L = &c.mu
		if len(s.channels) >= maxChannels {
			s.mu.Unlock()
			c.fail(failed("too_many", "more than %d open channels", maxChannels))
			return nil
		}
		s.channels[f.channel] = c
	}
	s.mu.Unlock()
	if c == nil {
		return nil // closed by us, the host has not read that yet
	}
	switch f.kind {
	case frameRequest:
		return c.takeRequest(f)
	case frameData:
		c.takeData(f)
	case frameCredit:
		if len(f.payload) == 4 {
			c.takeCredit(int(binary.LittleEndian.Uint32(f.payload)))
		}
	case frameCancel:
		s.forget(c)
		c.cancel()
	}
	return nil
}

func (s *session) forget(c *channel) {
	s.mu.Lock()
	if s.channels[c.id] == c {
		delete(s.channels, c.id)
	}
	s.mu.Unlock()
}

// run decodes and answers the request. A method returns its answer, or answers itself and returns handled.
func (c *channel) run(t *turn) {
	defer func() {
		if thrown := recover(); thrown != nil {
			logf("panic: %v %s", thrown, debug.Stack())
			c.fail(failed("internal", "the agent failed"))
		}
	}()
	var request struct {
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(c.request, &request); err != nil {
		c.fail(failed("bad_request", "%v", err))
		return
	}
	c.request = nil
	method, known := methods[request.Method]
	if !known {
		c.fail(failed("unknown_method", "unknown method %.40q", request.Method))
		return
	}
	if !mayKeepTurn[request.Method] || c.session.later.Load() != nil {
		t.give()
	}
	if request.Method != "hello" {
		c.session.catchUp()
	}
	value, err := method(&call{agent: c.session.agent, channel: c, turn: t, params: request.Params})
	if err != nil {
		c.fail(err)
	} else if value != handled {
		c.result(value, flagEnd)
		if t.over.Load() {
			c.session.out.flush()
		}
		// Whatever the host still sends on this channel is dropped.
		c.session.forget(c)
	}
}

// call is a request on its way through a method.
type call struct {
	agent   *agent
	channel *channel
	// turn was given away already, but for the methods mayKeepTurn
	turn   *turn
	params json.RawMessage
}

// decode reads the parameters.
func (c *call) decode(into any) error {
	if len(c.params) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.params, into); err != nil {
		return failed("bad_request", "%v", err)
	}
	return nil
}

type handledType struct{}

// handled says that the method answered by itself.
var handled any = handledType{}
