package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

type prepareAnswer struct {
	Hooks    []hookOutcome `json:"hooks"`
	Culprits []culprit     `json:"culprits"`
	Census   *census       `json:"census,omitempty"`
}

// prepare is what takes time before a snapshot; traffic goes on meanwhile. `hold` follows.
func prepare(c *call) (any, error) {
	var params struct {
		Hooks         bool  `json:"hooks"`
		HookTimeoutMs int64 `json:"hookTimeoutMs"`
		Sync          bool  `json:"sync"`
		Culprits      bool  `json:"culprits"`
		Census        bool  `json:"census"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	answer := prepareAnswer{Hooks: []hookOutcome{}, Culprits: []culprit{}}
	if params.Hooks {
		answer.Hooks = c.agent.runHooks("pre-snapshot", time.Duration(params.HookTimeoutMs)*time.Millisecond)
	}
	if params.Sync {
		flush()
	}
	if params.Culprits {
		answer.Culprits = findCulprits()
	}
	if params.Census {
		answer.Census = c.agent.takeCensus()
	}
	return answer, nil
}

// hold answers with the last frame until `release` or a marker. Processes run on, their output collects.
func hold(c *call) (any, error) {
	c.agent.processes.freeze()
	c.agent.collector.rest()
	ch := c.channel
	if !ch.session.out.hold(ch.epoch, frameResult, flagEnd, ch.id, []byte("{}")) {
		if !ch.session.out.isHeld() {
			c.agent.processes.thaw()
			c.agent.collector.wake()
		}
		return nil, failed("bad_request", "held already")
	}
	ch.session.out.flush()
	ch.session.forget(ch)
	return handled, nil
}

func release(c *call) (any, error) {
	c.channel.session.out.release()
	c.agent.processes.thaw()
	c.agent.collector.wake()
	return nil, nil
}

// culprit is a file that an older runtime cannot capture.
type culprit struct {
	PID  int    `json:"pid"`
	What string `json:"what"`
	Path string `json:"path"`
}

const (
	maxCulprits = 64
	maxScanned  = 20000
)

// otherMounts lists what is not on the root filesystem, as prefixes of paths: other mounts, and names of what was never a
// file.
func otherMounts() []string {
	prefixes := []string{"/memfd:", "/SYSV", "/dev/"}
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return prefixes
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] != "/" {
			prefixes = append(prefixes, fields[1]+"/")
		}
	}
	return prefixes
}

// findCulprits looks for files of the root filesystem that are deleted but in use.
func findCulprits() []culprit {
	found := []culprit{}
	mounts := otherMounts()
	scanned := 0
	look := func(pid int, what, link string) {
		scanned++
		target, err := os.Readlink(link)
		if err != nil || !strings.HasSuffix(target, " (deleted)") || !strings.HasPrefix(target, "/") {
			return
		}
		for _, mount := range mounts {
			if strings.HasPrefix(target, mount) {
				return // tmpfs and the like are captured
			}
		}
		found = append(found, culprit{pid, what, strings.TrimSuffix(target, " (deleted)")})
	}
	for _, pid := range pids() {
		dir := fmt.Sprintf("/proc/%d", pid)
		look(pid, "executable", dir+"/exe")
		look(pid, "working directory", dir+"/cwd")
		fds, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, fd := range fds {
			look(pid, "file descriptor "+fd.Name(), dir+"/fd/"+fd.Name())
			if len(found) >= maxCulprits || scanned >= maxScanned {
				return found
			}
		}
	}
	return found
}
