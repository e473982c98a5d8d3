package main

import (
	"runtime/debug"
	"testing"
	"time"
)

func collectsAt() int {
	percent := debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	return percent
}

func TestNothingIsCollectedWhileHeldAndAWhileAfter(t *testing.T) {
	c := newCollector()
	c.awakeFor = 50 * time.Millisecond
	c.wake() // an attach without a hold before
	if got := collectsAt(); got != gcPercent {
		t.Fatalf("collects at %d %%", got)
	}
	c.rest()
	c.wake()
	c.rest() // held again before the while is over
	time.Sleep(3 * c.awakeFor)
	if got := collectsAt(); got != -1 {
		t.Fatalf("held, it collects at %d %%", got)
	}
	c.wake()
	if got := collectsAt(); got != -1 {
		t.Fatalf("just awake, it collects at %d %%", got)
	}
	for begun := time.Now(); collectsAt() != gcPercent; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("it never collects again")
		}
	}
}
