package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// guestIdentity is GuestIdentity of the host's port.
type guestIdentity struct {
	SandboxID  string            `json:"sandboxId"`
	Hostname   string            `json:"hostname"`
	Env        map[string]string `json:"env"`
	Authority  string            `json:"authority"`
	Generation int               `json:"generation"`
	Seed       string            `json:"seed"`
	DNS        []string          `json:"dns"`
	Limits     struct {
		MaxProcesses uint64 `json:"maxProcesses"`
		MemoryBytes  int64  `json:"memoryBytes"`
	} `json:"limits"`
	Cause         string `json:"cause"`
	HookTimeoutMs int64  `json:"hookTimeoutMs"`
	TmpOnRoot     bool   `json:"tmpOnRoot"`
	Defaults      struct {
		User         string   `json:"user"`
		Workdir      string   `json:"workdir"`
		StartCommand []string `json:"startCommand"`
	} `json:"defaults"`
}

type identity struct {
	mu  sync.Mutex
	now *guestIdentity
}

// current is never nil; before the first identify it is empty.
func (i *identity) current() *guestIdentity {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.now == nil {
		i.now = &guestIdentity{}
	}
	return i.now
}

func (i *identity) set(now *guestIdentity) {
	i.mu.Lock()
	i.now = now
	i.mu.Unlock()
}

func (i *identity) setEnv(env map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	// A copy: who reads the present one does so without the lock.
	next := guestIdentity{}
	if i.now != nil {
		next = *i.now
	}
	next.Env = env
	i.now = &next
}

// setEnv changes what processes find from now on; nothing else of the identity.
func setEnv(c *call) (any, error) {
	var params struct {
		Env map[string]string `json:"env"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	c.agent.identity.setEnv(params.Env)
	return nil, nil
}

type identityReport struct {
	Hostname   bool          `json:"hostname"`
	MachineID  bool          `json:"machineId"`
	Entropy    bool          `json:"entropy"`
	Generation int           `json:"generation"`
	Hooks      []hookOutcome `json:"hooks"`
}

func identify(c *call) (any, error) {
	given := &guestIdentity{}
	if err := c.decode(given); err != nil {
		return nil, err
	}
	if given.Cause != "boot" && given.Cause != "restore" {
		return nil, failed("bad_request", "cause %.20q", given.Cause)
	}
	c.agent.processes.poller.keep(c.turn)
	defer c.agent.processes.poller.letGo(c.turn)
	if given.TmpOnRoot {
		if err := tmpOnRoot(); err != nil {
			return nil, err
		}
	}
	report := identityReport{Generation: given.Generation, Hooks: []hookOutcome{}}
	// The seed does not stay in memory that a snapshot captures.
	report.Entropy = mixSeed(given.Seed)
	given.Seed = ""
	a := c.agent
	a.identity.set(given)

	done := func(what string, err error) bool {
		if err != nil {
			logf("%s: %v", what, err)
		}
		return err == nil
	}
	report.Hostname = done("hostname", syscall.Sethostname([]byte(given.Hostname))) &&
		done("/etc/hostname", rewriteFile("/etc/hostname", given.Hostname+"\n"))
	sum := sha256.Sum256([]byte("spawnpoint machine-id " + given.SandboxID))
	report.MachineID = done("/etc/machine-id", rewriteFile("/etc/machine-id", hex.EncodeToString(sum[:16])+"\n"))
	if given.Limits.MaxProcesses > 0 {
		done("RLIMIT_NPROC", limitProcesses(given.Limits.MaxProcesses))
	}
	// What the report does not tell of may take until something is asked for, or started here.
	a.session.afterwards(func() {
		a.authority.set(given.Authority)
		done("/etc/hosts", completeHosts(given.Hostname))
		if len(given.DNS) > 0 {
			text := ""
			for _, server := range given.DNS {
				text += "nameserver " + server + "\n"
			}
			done("/etc/resolv.conf", replaceFile("/etc/resolv.conf", text))
		}
		if done("/run/spawnpoint", os.MkdirAll("/run/spawnpoint", 0o755)) {
			done("sandbox-id", rewriteFile("/run/spawnpoint/sandbox-id", given.SandboxID+"\n"))
			// Last: who watches the generation finds everything else in place.
			done("generation", writeFile("/run/spawnpoint/generation", strconv.Itoa(given.Generation)+"\n"))
		}
		a.users.renumbered()
	})
	if given.Cause == "restore" {
		report.Hooks = a.runHooks("post-restore", time.Duration(given.HookTimeoutMs)*time.Millisecond)
	} else if len(given.Defaults.StartCommand) > 0 {
		a.session.catchUp()
		if _, err := a.processes.start(&processSpec{ID: "start", Args: given.Defaults.StartCommand}); err != nil {
			logf("start command: %v", err)
		}
	}
	return report, nil
}

// tmpOnRoot takes what is mounted off the directories for temporary files, and sees to it that they are there below.
func tmpOnRoot() error {
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		const detach = 2
		if err := syscall.Unmount(dir, detach); err != nil && err != syscall.EINVAL && err != syscall.ENOENT {
			return toFailure(err, dir)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return toFailure(err, dir)
		}
		if err := syscall.Chmod(dir, 0o1777); err != nil {
			return toFailure(err, dir)
		}
	}
	return nil
}

// replaceFile is writeFile, but leaves alone what has the content already.
func replaceFile(path, text string) error {
	if now, err := readFile(path, len(text)); err == nil && string(now) == text {
		return nil
	}
	return writeFile(path, text)
}

// readFile reads a regular file of at most max bytes. As few calls as it takes, as for writeFile.
func readFile(path string, max int) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Size > int64(max) {
		return nil, syscall.EFBIG
	}
	text := make([]byte, st.Size)
	for read := 0; read < len(text); {
		n, err := syscall.Read(fd, text[read:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return text[:read], nil // it was cut meanwhile
		}
		read += n
	}
	return text, nil
}

// writeFile writes atomically: temporary file, rename. A clone's first milliseconds go into calls like these: no more of them
// than it takes.
func writeFile(path, text string) error {
	temp := path + ".spawnpoint"
	create := func() (int, error) {
		return syscall.Open(temp, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o644)
	}
	fd, err := create()
	if err == syscall.EEXIST {
		// Of an earlier life that did not come to the rename, or somebody's.
		if err := os.Remove(temp); err != nil && !os.IsNotExist(err) {
			return err
		}
		fd, err = create()
	}
	if err != nil {
		return err
	}
	_, err = syscall.Write(fd, []byte(text))
	syscall.Close(fd)
	if err == nil {
		err = syscall.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp) // the first error counts
		if isErrno(err, syscall.EBUSY) {
			// Something is mounted there: write into it.
			return os.WriteFile(path, []byte(text), 0o644)
		}
	}
	return err
}

// rewriteFile writes into a file that has as many bytes, which one call does as a whole, and replaces any other. A clone's
// names are as long as those of where it comes from, as a rule.
func rewriteFile(path, text string) error {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return writeFile(path, text)
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Nlink != 1 || st.Size != int64(len(text)) {
		return writeFile(path, text)
	}
	if n, err := syscall.Write(fd, []byte(text)); err != nil || n < len(text) {
		return writeFile(path, text)
	}
	return nil
}

func isErrno(err error, errno syscall.Errno) bool {
	return err != nil && toFailure(err, "").Errno == errnoName(errno)
}

// completeHosts adds what is missing and drops the line of an earlier host name of ours.
func completeHosts(hostname string) error {
	const mark = " # spawnpoint"
	text, err := readFile("/etc/hosts", maxAccountsFile)
	if err != nil && err != syscall.ENOENT && err != syscall.EFBIG {
		return err
	}
	var lines []string
	known := map[string]bool{}
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if strings.HasSuffix(line, mark) {
			continue
		}
		if line != "" || len(lines) > 0 {
			lines = append(lines, line)
		}
		if fields := strings.Fields(strings.SplitN(line, "#", 2)[0]); len(fields) > 1 {
			for _, name := range fields[1:] {
				known[name] = true
			}
		}
	}
	if !known["localhost"] {
		lines = append(lines, "127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback")
	}
	if !known[hostname] {
		lines = append(lines, "127.0.1.1 "+hostname+mark)
	}
	complete := strings.Join(lines, "\n") + "\n"
	if complete == string(text) {
		return nil
	}
	return writeFile("/etc/hosts", complete)
}

// mixSeed adds 32 bytes to the kernel's pool. They are not credited; the kernel mixes all the same.
func mixSeed(seed string) bool {
	bytes, err := hex.DecodeString(seed)
	if err != nil || len(bytes) == 0 {
		return false
	}
	fd, err := syscall.Open("/dev/urandom", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		logf("/dev/urandom: %v", err)
		return false
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, bytes)
	return err == nil
}

// limitProcesses sets RLIMIT_NPROC for every process started from now on. The kernel does not hold it against the
// agent, nor against any root with CAP_SYS_RESOURCE or CAP_SYS_ADMIN.
func limitProcesses(n uint64) error {
	const rlimitNproc = 6
	limit := [2]uint64{n, n}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, rlimitNproc, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
