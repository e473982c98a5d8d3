package main

import (
	"fmt"
	"runtime/debug"
	"syscall"
)

// logf writes one bounded line to stderr. It never blocks: a line that the pipe has no room for is dropped.
// No arguments, environments or contents of files: the log leaves the sandbox.
func logf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if len(line) > 500 {
		line = line[:500]
	}
	if waitFor(2, pollOut, 0) {
		syscall.Write(2, []byte("agent: "+line+"\n")) // a lost line of the log harms nobody
	}
}

// guard runs one step of a loop that must never end.
func guard(step func()) {
	defer func() {
		if thrown := recover(); thrown != nil {
			logf("panic: %v %s", thrown, debug.Stack())
		}
	}()
	step()
}
