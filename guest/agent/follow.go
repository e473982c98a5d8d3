package main

import "encoding/binary"

// follower is one reader of a process's output, on one channel. process.mu guards it.
type follower struct {
	process  *process
	channel  *channel
	position [3]int64
	// claims: the process waits for this reader; lost when it lagged for too long, regained when it caught up
	claims [3]bool
	// waiting: registered with the output for when there is room
	waiting bool
	ended   bool
}

type gapItem struct {
	Type     string `json:"type"`
	Stream   string `json:"stream"`
	Offset   int64  `json:"offset"`
	ResumeAt int64  `json:"resumeAt"`
}

type exitItem struct {
	Type string      `json:"type"`
	Exit processExit `json:"exit"`
}

type endedInfo struct {
	processInfo
	Ends map[string]int64 `json:"ends"`
}

// follow attaches a reader and queues its answer; the caller flushes. `from` holds the first byte wanted of each stream,
// -1 for only new. With `ends` the answer says where each stream ends now, for readers that want no more than that.
func (p *process) follow(c *channel, from [3]int64, ends bool) {
	p.mu.Lock()
	if ends {
		c.result(p.withEnds(), 0)
	} else {
		c.result(p.shown(), 0)
	}
	f := &follower{process: p, channel: c}
	for _, st := range p.streams {
		at := from[st.index]
		if at < 0 || at > st.ring.end {
			// Past the end is a reader from before a roll-back: it goes on with what comes now.
			at = st.ring.end
		}
		f.position[st.index] = at
		f.claims[st.index] = true
	}
	p.followers[f] = struct{}{}
	c.mu.Lock()
	c.onCredit = f.wake
	c.mu.Unlock()
	p.pump(f)
	p.mu.Unlock()
	c.whenCancelled(func() {
		p.mu.Lock()
		p.detach(f)
		p.mu.Unlock()
	})
}

// withEnds is the info and the offset behind the last byte of each stream. Preconditions: mu held.
func (p *process) withEnds() endedInfo {
	ends := make(map[string]int64, len(p.streams))
	for _, st := range p.streams {
		ends[streamNames[st.index]] = st.ring.end
	}
	return endedInfo{p.shown(), ends}
}

// mayPump tells whether another frame may be queued now; if not, wake or wakeRoom follows. Preconditions: mu held.
func (f *follower) mayPump() bool {
	if f.waiting || !f.channel.canSend() {
		return false
	}
	if !f.process.table.agent.session.out.hasRoom(f.wakeRoom) {
		f.waiting = true
		return false
	}
	return true
}

func (f *follower) wakeRoom() {
	f.process.mu.Lock()
	f.waiting = false
	f.process.mu.Unlock()
	f.wake()
}

// wake sends what became sendable.
func (f *follower) wake() {
	f.process.mu.Lock()
	f.process.pump(f)
	f.process.mu.Unlock()
	f.process.table.agent.session.out.flush()
}

// detach ends a reader. Preconditions: mu held.
func (p *process) detach(f *follower) {
	f.ended = true
	delete(p.followers, f)
	p.makeRoom()
}

func (p *process) pumpAll() {
	for f := range p.followers {
		p.pump(f)
	}
}

// pump queues for f all that credit and the output's room allow. Preconditions: mu held.
func (p *process) pump(f *follower) {
	if f.ended {
		return
	}
	out := p.table.agent.session.out
	moved := false
	for _, st := range p.streams {
		at := &f.position[st.index]
		for *at < st.ring.end {
			if !f.mayPump() {
				if moved {
					p.makeRoom()
				}
				return
			}
			moved = true
			if *at < st.ring.start {
				f.channel.item(gapItem{"gap", streamNames[st.index], *at, st.ring.start}, 0)
				*at = st.ring.start
				continue
			}
			var prefix [9]byte
			prefix[0] = byte(st.index)
			binary.LittleEndian.PutUint64(prefix[1:], uint64(*at))
			a, b := st.ring.slices(*at, maxPayload-len(prefix))
			f.channel.spend(len(prefix) + len(a) + len(b))
			out.push(f.channel.epoch, frameData, 0, f.channel.id, prefix[:], a, b)
			*at += int64(len(a) + len(b))
		}
		f.claims[st.index] = true
	}
	if p.exit != nil {
		if !f.mayPump() {
			return
		}
		f.channel.item(exitItem{"exit", *p.exit}, flagEnd)
		p.detach(f)
	} else if moved {
		p.makeRoom()
	}
}

// freeFor is how many bytes of a stream may be read without overwriting what a reader waits for.
func (p *process) freeFor(st *stream) int {
	free := int64(st.ring.limit)
	for f := range p.followers {
		if f.claims[st.index] {
			if left := int64(st.ring.limit) - (st.ring.end - f.position[st.index]); left < free {
				free = left
			}
		}
	}
	return int(free)
}

// makeRoom goes on reading streams that waited for a reader. Preconditions: mu held.
func (p *process) makeRoom() {
	for _, st := range p.streams {
		if st.paused && p.freeFor(st) >= st.ring.limit/4 {
			st.unpause()
		}
	}
}
