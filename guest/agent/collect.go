package main

import (
	"math"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// The agent's memory is taken from the sandbox's.
	gcPercent = 50
	// awakeRoom is how much the agent may hold until then without collecting.
	awakeRoom = 64 << 20
)

// collector keeps the collection of garbage out of the first moments after a restore. The Go runtime collects when two minutes
// have passed since it last did, and the clock of what was frozen for longer says so the moment it wakes.
type collector struct {
	// awakeFor: a sandbox that has just woken up is likely to be asked for something at once.
	awakeFor time.Duration

	mu      sync.Mutex
	resting bool
	timer   *time.Timer
}

func newCollector() *collector {
	debug.SetGCPercent(gcPercent)
	return &collector{awakeFor: 2 * time.Second}
}

// rest is for a hold, which may be the last that this memory sees for long.
func (c *collector) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = nil
	c.resting = true
	debug.SetMemoryLimit(awakeRoom)
	debug.SetGCPercent(-1)
}

// wake has it go on in a while, if it rests.
func (c *collector) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.resting || c.timer != nil {
		return
	}
	var own *time.Timer
	own = time.AfterFunc(c.awakeFor, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.timer != own {
			return // held again meanwhile
		}
		c.timer = nil
		c.resting = false
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	c.timer = own
}
