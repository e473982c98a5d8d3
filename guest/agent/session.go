package main

import (
	"encoding/binary"
	"encoding/json"
	"runtime/debug"
	"sync"
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
}

func newSession(in, outFd int, a *agent) *session {
	return &session{
		fd: in, out: newOut(outFd), agent: a, parser: newParser(),
		channels: map[uint32]*channel{}, over: make(chan struct{}),
	}
}

// read is the leader of a leader/follower pair: a request is handled on the goroutine that read it, and another one
// takes over reading. So a request starts without a change of threads, and a slow one holds nobody up.
func (s *session) read() {
	for {
		kind, f := s.parser.next()
		switch kind {
		case parsedFrame:
			if c := s.accept(f); c != nil {
				go s.read()
				c.run()
				return
			}
		case parsedMarker:
			s.restart(s.parser.nonce)
		case parsedNothing:
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
	s.out.flush()
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

// channel is one request and what belongs to it: its answer and the streams in both directions.
type channel struct {
	session *session
	id      uint32
	epoch   uint64
	over    <-chan struct{}

	request []byte
	running bool

	mu       sync.Mutex
	changed  sync.Cond
	credit   int
	incoming [][]byte
	buffered int
	inEnded  bool
	// outEnded: our last frame is queued
	outEnded  bool
	cancelled bool
	onCredit  func()
	onCancel  []func()
}

func (c *channel) takeRequest(f frame) *channel {
	if c.running {
		return nil // a second request on an open channel: the host's mistake, harmless
	}
	if len(c.request)+len(f.payload) > maxRequest {
		c.fail(failed("bad_request", "request longer than %d bytes", maxRequest))
		return nil
	}
	c.request = append(c.request, f.payload...)
	if f.flags&flagMore != 0 {
		return nil
	}
	c.running = true
	if f.flags&flagEnd != 0 {
		c.inEnded = true
	}
	return c
}

func (c *channel) takeData(f frame) {
	c.mu.Lock()
	overrun := false
	if !c.inEnded && !c.cancelled {
		if len(f.payload) > 0 {
			c.buffered += len(f.payload)
			overrun = c.buffered > initialWindow+maxPayload
			c.incoming = append(c.incoming, append([]byte(nil), f.payload...))
		}
		if f.flags&flagEnd != 0 {
			c.inEnded = true
		}
	}
	closed := c.inEnded && c.outEnded
	c.changed.Broadcast()
	c.mu.Unlock()
	if closed {
		c.session.forget(c)
	}
	if overrun {
		c.fail(failed("bad_request", "more data than credit"))
		c.cancel()
	}
}

func (c *channel) takeCredit(n int) {
	c.mu.Lock()
	c.credit += n
	wake := c.onCredit
	c.changed.Broadcast()
	c.mu.Unlock()
	if wake != nil {
		wake()
		c.session.out.flush()
	}
}

// cancel ends the channel without a word to the host.
func (c *channel) cancel() {
	c.mu.Lock()
	was := c.cancelled
	c.cancelled = true
	c.incoming = nil
	callbacks := c.onCancel
	c.onCancel = nil
	c.changed.Broadcast()
	c.mu.Unlock()
	if was {
		return
	}
	for _, callback := range callbacks {
		callback()
	}
}

// whenCancelled calls back once, at once if it happened already.
func (c *channel) whenCancelled(callback func()) {
	c.mu.Lock()
	if c.cancelled {
		c.mu.Unlock()
		callback()
		return
	}
	c.onCancel = append(c.onCancel, callback)
	c.mu.Unlock()
}

var errCancelled = failed("cancelled", "the host let go of the channel")

// receive returns the next bytes from the host, nil at their end. It grants credit for what it hands out.
func (c *channel) receive() ([]byte, error) {
	c.mu.Lock()
	for len(c.incoming) == 0 && !c.inEnded && !c.cancelled {
		c.changed.Wait()
	}
	if c.cancelled {
		c.mu.Unlock()
		return nil, errCancelled
	}
	if len(c.incoming) == 0 {
		c.mu.Unlock()
		return nil, nil
	}
	data := c.incoming[0]
	c.incoming = c.incoming[1:]
	c.buffered -= len(data)
	more := !c.inEnded
	c.mu.Unlock()
	if more {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(data)))
		c.session.out.push(c.epoch, frameCredit, 0, c.id, n[:])
		c.session.out.flush()
	}
	return data, nil
}

// receiveAll is for small bodies.
func (c *channel) receiveAll(limit int) ([]byte, error) {
	var all []byte
	for {
		data, err := c.receive()
		if err != nil {
			return nil, err
		}
		if data == nil {
			return all, nil
		}
		if all = append(all, data...); len(all) > limit {
			return nil, failed("bad_request", "more than %d bytes", limit)
		}
	}
}

// waitToSend blocks until one frame of DATA or ITEM may be queued.
func (c *channel) waitToSend() error {
	for {
		c.mu.Lock()
		for c.credit <= 0 && !c.cancelled {
			c.changed.Wait()
		}
		cancelled := c.cancelled
		c.mu.Unlock()
		if cancelled {
			return errCancelled
		}
		room := make(chan struct{}, 1)
		if c.session.out.hasRoom(func() { room <- struct{}{} }) {
			return nil
		}
		select {
		case <-room:
		case <-c.over:
			return errCancelled
		}
	}
}

// send sends bytes as DATA, waiting for credit.
func (c *channel) send(data []byte) error {
	for len(data) > 0 {
		n := len(data)
		if n > maxPayload {
			n = maxPayload
		}
		if err := c.queueData(data[:n]); err != nil {
			return err
		}
		c.session.out.flush()
		data = data[n:]
	}
	return nil
}

// queueData queues one DATA frame, waiting for credit; the caller flushes.
func (c *channel) queueData(data []byte) error {
	if !c.canSend() {
		// What waits in the queue must go out, or no credit comes.
		c.session.out.flush()
	}
	if err := c.waitToSend(); err != nil {
		return err
	}
	c.spend(len(data))
	c.session.out.push(c.epoch, frameData, 0, c.id, data)
	return nil
}

// sendItem queues one JSON item, waiting for credit.
func (c *channel) sendItem(value any) error {
	if err := c.waitToSend(); err != nil {
		return err
	}
	c.item(value, 0)
	c.session.out.flush()
	return nil
}

func (c *channel) spend(n int) {
	c.mu.Lock()
	c.credit -= n
	c.mu.Unlock()
}

// canSend tells whether a frame of DATA or ITEM may be queued as to credit.
func (c *channel) canSend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credit > 0 && !c.cancelled
}

// item queues a JSON item without waiting; the caller flushes.
func (c *channel) item(value any, flags byte) {
	payload := toJSON(value)
	c.spend(len(payload))
	c.queueJSON(frameItem, flags, payload)
	if flags&flagEnd != 0 {
		c.ended()
	}
}

// result queues the answer; the caller flushes. With flagEnd it is the last frame of this side.
func (c *channel) result(value any, flags byte) {
	c.queueJSON(frameResult, flags, toJSON(value))
	if flags&flagEnd != 0 {
		c.ended()
	}
}

func (c *channel) queueJSON(kind, flags byte, payload []byte) {
	if c.silent() {
		return
	}
	for len(payload) > maxPayload {
		c.session.out.push(c.epoch, kind, flagMore, c.id, payload[:maxPayload])
		payload = payload[maxPayload:]
	}
	c.session.out.push(c.epoch, kind, flags, c.id, payload)
}

// end says that no more DATA comes from us.
func (c *channel) end() {
	if !c.silent() {
		c.session.out.push(c.epoch, frameData, flagEnd, c.id)
		c.session.out.flush()
		c.ended()
	}
}

// silent tells that our last frame is out already.
func (c *channel) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outEnded
}

func (c *channel) ended() {
	c.mu.Lock()
	c.outEnded = true
	both := c.inEnded
	c.mu.Unlock()
	if both {
		c.session.forget(c)
	}
}

// fail closes the channel with an error.
func (c *channel) fail(err error) {
	f := toFailure(err, "")
	if f == errCancelled || c.silent() {
		c.session.forget(c)
		return
	}
	if len(f.Message) > 1000 {
		f.Message = f.Message[:1000]
	}
	c.mu.Lock()
	c.outEnded = true
	c.mu.Unlock()
	c.session.out.push(c.epoch, frameError, flagEnd, c.id, toJSON(f))
	c.session.out.flush()
	c.session.forget(c)
}

func toJSON(value any) []byte {
	if value == nil {
		return []byte("{}")
	}
	text, err := json.Marshal(value)
	if err != nil {
		logf("cannot encode %T: %v", value, err)
		return []byte("{}")
	}
	return text
}

// run decodes and answers the request. A method returns its answer, or answers itself and returns handled.
func (c *channel) run() {
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
	value, err := method(&call{agent: c.session.agent, channel: c, params: request.Params})
	if err != nil {
		c.fail(err)
	} else if value != handled {
		c.result(value, flagEnd)
		c.session.out.flush()
		// Whatever the host still sends on this channel is dropped.
		c.session.forget(c)
	}
}

// call is a request on its way through a method.
type call struct {
	agent   *agent
	channel *channel
	params  json.RawMessage
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

// alive is false once the host let go of the channel.
func (c *channel) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.cancelled
}
