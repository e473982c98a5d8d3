package main

import (
	"os"
	"strings"
	"syscall"
	"time"
)

type ptySize struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// processSpec is ProcessSpec of the host's port.
type processSpec struct {
	ID          string            `json:"id"`
	Args        []string          `json:"args"`
	Env         map[string]string `json:"env"`
	Cwd         string            `json:"cwd"`
	User        string            `json:"user"`
	PTY         *ptySize          `json:"pty"`
	Stdin       bool              `json:"stdin"`
	Tag         *string           `json:"tag"`
	TimeoutMs   int64             `json:"timeoutMs"`
	BufferBytes int               `json:"bufferBytes"`
	// UntilOutputEnds delays the exit until nobody keeps the output open, however long that takes.
	UntilOutputEnds bool `json:"untilOutputEnds"`
	// GatherMs is how long the first frames about a process that is followed may be kept back, see gather.
	GatherMs int64 `json:"gatherMs"`
	// unread leaves reading to the caller, who calls gather. False after a start that found the process there.
	unread bool
}

const (
	defaultBuffer = 1 << 20
	maxBuffer     = 16 << 20
	maxLiving     = 16 << 10
	defaultPath   = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// start runs a process, or returns the one that has this id.
func (t *processes) start(spec *processSpec) (*process, error) {
	if len(spec.Args) == 0 || spec.Args[0] == "" {
		return nil, guestError(syscall.EINVAL, "")
	}
	if len(spec.ID) > 256 || spec.Tag != nil && len(*spec.Tag) > 1024 {
		return nil, failed("bad_request", "id or tag too long")
	}
	if spec.ID == "" {
		spec.ID = newProcessID()
	}
	p := &process{table: t, pty: -1, followers: map[*follower]struct{}{}}
	// The lock is held until the process runs or failed: a second start with this id waits for the outcome.
	p.mu.Lock()
	defer p.mu.Unlock()
	t.mu.Lock()
	if known := t.byID[spec.ID]; known != nil {
		t.mu.Unlock()
		known.mu.Lock()
		defer known.mu.Unlock()
		if known.info.PID == 0 {
			return nil, guestError(syscall.EAGAIN, "") // its start failed; the next one may work
		}
		spec.unread = false
		return known, nil
	}
	if len(t.byID)-len(t.done) >= maxLiving {
		t.mu.Unlock()
		return nil, failed("too_many", "more than %d processes", maxLiving)
	}
	t.byID[spec.ID] = p
	t.mu.Unlock()
	if err := p.launch(spec); err != nil {
		t.mu.Lock()
		delete(t.byID, spec.ID)
		t.mu.Unlock()
		return nil, err
	}
	return p, nil
}

// launch forks. Preconditions: mu held.
func (p *process) launch(spec *processSpec) error {
	a := p.table.agent
	identity := a.identity.current()
	user := spec.User
	if user == "" {
		user = identity.Defaults.User
	}
	who, err := a.users.find(user)
	if err != nil {
		return err
	}
	cwd := spec.Cwd
	if cwd == "" {
		cwd = identity.Defaults.Workdir
		if cwd != "" && cwd[0] == '/' {
			// An image may name a directory that it does not have, and expects it to be made. If it cannot be, the
			// process says so.
			os.MkdirAll(cwd, 0o755)
		}
	}
	if cwd == "" {
		cwd = who.home
	} else {
		cwd = who.path(cwd)
	}
	env, path := environment(who, a.authority.variables(), identity.Env, spec)

	files, err := openStdio(spec, who)
	if err != nil {
		return err
	}
	defer files.closeChildEnds()
	attr := &syscall.ProcAttr{
		Dir:   cwd,
		Env:   env,
		Files: files.child[:],
		Sys:   &syscall.SysProcAttr{},
	}
	if who.uid != 0 || who.gid != 0 || len(who.groups) > 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid), Groups: toUint32(who.groups)}
	}
	if spec.PTY != nil {
		attr.Sys.Setsid, attr.Sys.Setctty, attr.Sys.Ctty = true, true, 0
	} else {
		attr.Sys.Setpgid = true
	}

	limit := spec.BufferBytes
	if limit <= 0 {
		limit = defaultBuffer
	} else if limit > maxBuffer {
		limit = maxBuffer
	} else if limit < 4096 {
		limit = 4096
	}
	p.info = processInfo{
		ID: spec.ID, Args: spec.Args, Env: shownEnv(spec.Env), Cwd: cwd, User: who.name, Tag: spec.Tag, PTY: spec.PTY != nil,
		StartedAtMs: time.Now().UnixMilli(),
	}
	p.lingers = spec.UntilOutputEnds
	for index, fd := range files.outputs {
		if fd >= 0 {
			p.streams = append(p.streams, &stream{process: p, index: index, fd: fd, ring: ring{limit: limit}})
		}
	}
	p.pty = files.outputs[ptyStream]
	p.stdin.open(files.stdin, spec.PTY != nil)

	if err := p.exec(spec.Args, path, attr, spec.unread); err != nil {
		p.stdin.close()
		for _, st := range p.streams {
			syscall.Close(st.fd)
		}
		return err
	}
	p.gathers = spec.unread
	if !spec.unread {
		for _, st := range p.streams {
			st.watch()
		}
	}
	if spec.TimeoutMs > 0 {
		p.limitTime(time.Duration(spec.TimeoutMs) * time.Millisecond)
	}
	return nil
}

// exec finds the program as execvp(3) does and starts it.
func (p *process) exec(args []string, path string, attr *syscall.ProcAttr, unread bool) error {
	started := func(pid int) { p.info.PID = pid }
	var exitFd *int
	if p.exitFd = -1; unread {
		exitFd = &p.exitFd
	}
	try := func(program string) error {
		err := p.table.reaper.start(p, started, program, args, attr, exitFd)
		if err == syscall.ENOEXEC {
			// A script without `#!`.
			err = p.table.reaper.start(p, started, "/bin/sh", append([]string{"sh", program}, args[1:]...), attr, exitFd)
		}
		return err
	}
	program := args[0]
	if strings.Contains(program, "/") {
		return p.explain(try(program), program, attr)
	}
	var denied bool
	for _, dir := range strings.Split(path, ":") {
		candidate := dir + "/" + program
		if dir == "" {
			candidate = "./" + program
		}
		at := candidate
		if at[0] != '/' {
			at = attr.Dir + "/" + at
		}
		var st syscall.Stat_t
		if syscall.Stat(at, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Mode&0o111 == 0 {
			continue
		}
		err := try(candidate)
		if err == syscall.EACCES && !cwdFails(attr) {
			denied = true
			continue
		}
		return p.explain(err, candidate, attr)
	}
	if denied {
		return about("program", guestError(syscall.EACCES, program))
	}
	return about("program", guestError(syscall.ENOENT, program))
}

// explain names what an errno of fork and exec was about: the working directory or the program.
func (p *process) explain(err error, program string, attr *syscall.ProcAttr) error {
	if err == nil {
		return nil
	}
	if cwdFails(attr) {
		return about("cwd", toFailure(err, attr.Dir))
	}
	return about("program", toFailure(err, program))
}

// cwdFails tells whether the child could not even enter its directory.
func cwdFails(attr *syscall.ProcAttr) bool {
	who := &account{}
	if c := attr.Sys.Credential; c != nil {
		who.uid, who.gid = int(c.Uid), int(c.Gid)
		for _, g := range c.Groups {
			who.groups = append(who.groups, int(g))
		}
	}
	return asUser(who, func() error {
		// The dot makes the kernel ask for the x bit of the directory itself.
		fd, err := syscall.Open(attr.Dir+"/.", syscall.O_DIRECTORY|oPath|syscall.O_CLOEXEC, 0)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	}) != nil
}

const oPath = 0x200000

// environment merges, weakest first: the account, the identity, the request. It returns PATH as well.
func environment(who *account, trust, fromIdentity map[string]string, spec *processSpec) ([]string, string) {
	merged := map[string]string{
		"PATH": defaultPath, "HOME": who.home, "USER": who.name, "LOGNAME": who.name, "SHELL": who.shell,
	}
	if spec.PTY != nil {
		merged["TERM"] = "xterm-256color"
	}
	if path := os.Getenv("PATH"); path != "" {
		merged["PATH"] = path
	}
	for _, layer := range []map[string]string{trust, fromIdentity, spec.Env} {
		for name, value := range layer {
			merged[name] = value
		}
	}
	env := make([]string, 0, len(merged))
	for name, value := range merged {
		if name != "" && !strings.ContainsAny(name, "=\x00") && !strings.Contains(value, "\x00") {
			env = append(env, name+"="+value)
		}
	}
	return env, merged["PATH"]
}

func toUint32(numbers []int) []uint32 {
	converted := make([]uint32, len(numbers))
	for i, n := range numbers {
		converted[i] = uint32(n)
	}
	return converted
}
