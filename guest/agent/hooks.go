package main

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"
)

const (
	hooksDir   = "/etc/spawnpoint/hooks"
	maxHooks   = 64
	hookOutput = 4096
)

type hookOutcome struct {
	Name       string `json:"name"`
	Outcome    string `json:"outcome"`
	ExitCode   *int   `json:"exitCode"`
	DurationMs int64  `json:"durationMs"`
	Output     string `json:"output"`
}

// runHooks runs the executables of one directory, sorted, as root, one after the other; limit is for all together.
func (a *agent) runHooks(kind string, limit time.Duration) []hookOutcome {
	outcomes := []hookOutcome{}
	dir := filepath.Join(hooksDir, kind+".d")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return outcomes // no directory, no hooks
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	deadline := time.Now().Add(limit)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		if len(outcomes) == maxHooks {
			logf("more than %d %s hooks", maxHooks, kind)
			break
		}
		outcomes = append(outcomes, a.runHook(kind, entry.Name(), path, time.Until(deadline)))
	}
	return outcomes
}

func (a *agent) runHook(kind, name, path string, limit time.Duration) hookOutcome {
	outcome := hookOutcome{Name: name}
	if limit <= 0 {
		outcome.Outcome = "timed_out"
		return outcome
	}
	// Hooks take their time: what was answered before goes out first. And what was left for later is done before them.
	a.session.out.flush()
	a.session.catchUp()
	identity := a.identity.current()
	began := time.Now()
	p := &process{table: a.processes, internal: true, pty: -1, followers: map[*follower]struct{}{}}
	ended := make(chan processExit, 1)
	p.mu.Lock()
	p.waiters = append(p.waiters, func(exit processExit) { ended <- exit })
	err := p.launch(&processSpec{
		ID: "hook:" + name, Args: []string{path}, User: "root", Cwd: "/", BufferBytes: hookOutput,
		TimeoutMs: int64(limit/time.Millisecond) + 1,
		Env: map[string]string{
			"SPAWNPOINT_HOOK":       kind,
			"SPAWNPOINT_SANDBOX_ID": identity.SandboxID,
			"SPAWNPOINT_GENERATION": strconv.Itoa(identity.Generation),
		},
	})
	p.mu.Unlock()
	if err != nil {
		outcome.Outcome = "failed"
		outcome.Output = err.Error()
		return outcome
	}
	exit := <-ended
	outcome.DurationMs = time.Since(began).Milliseconds()
	switch {
	case exit.TimedOut:
		outcome.Outcome = "timed_out"
	case exit.Code != 0:
		outcome.Outcome = "failed"
	default:
		outcome.Outcome = "ok"
	}
	if !exit.TimedOut {
		outcome.ExitCode = &exit.Code
	}
	var output []byte
	p.mu.Lock()
	for _, st := range p.streams {
		if st.ring.end > st.ring.start {
			first, second := st.ring.slices(st.ring.start, hookOutput)
			output = append(append(output, first...), second...)
		}
	}
	p.mu.Unlock()
	p.forget()
	if len(output) > hookOutput {
		output = output[len(output)-hookOutput:]
	}
	outcome.Output = string(output)
	return outcome
}
