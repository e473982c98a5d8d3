package main

import (
	"encoding/binary"
	"encoding/json"
	"sync"
)

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

// alive is false once the host let go of the channel.
func (c *channel) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.cancelled
}
