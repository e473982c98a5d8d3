package main

import (
	"bytes"
	"encoding/hex"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// census is what runs now: told with a snapshot, so that it can be known without starting it.
type census struct {
	AtMs      int64           `json:"atMs"`
	Processes []censusProcess `json:"processes"`
	Ports     []listeningPort `json:"ports"`
	Truncated bool            `json:"truncated"`
}

type censusProcess struct {
	PID         int    `json:"pid"`
	ParentPID   int    `json:"parentPid"`
	User        string `json:"user"`
	Command     string `json:"command"`
	MemoryBytes int64  `json:"memoryBytes"`
	StartTicks  int64  `json:"startTicks"`
}

type listeningPort struct {
	Port    int    `json:"port"`
	Address string `json:"address"`
	PID     *int   `json:"pid"`
}

const (
	// censusTime bounds what a census adds to the time of a snapshot
	censusTime = 300 * time.Millisecond
	// censusBytes bounds its text; a character may take six bytes in it
	censusBytes   = 512 << 10
	maxCommand    = 1024
	maxPorts      = 1024
	maxTableBytes = 1 << 20
	stateListen   = "0A"
)

// takeCensus leaves the agent itself out, and what ends meanwhile.
func (a *agent) takeCensus() *census {
	a.users.load()
	c := &census{AtMs: time.Now().UnixMilli(), Processes: []censusProcess{}, Ports: []listeningPort{}}
	deadline := time.Now().Add(censusTime)
	all := pids()
	sort.Ints(all)
	size := 0
	for _, pid := range all {
		if pid == 1 {
			continue
		}
		if size > censusBytes || time.Now().After(deadline) {
			c.Truncated = true
			break
		}
		if process, ok := a.censusOf(pid); ok {
			c.Processes = append(c.Processes, process)
			size += 6*len(process.Command) + 200
		}
	}
	listeners := listening("/proc/net/tcp")
	for inode, port := range listening("/proc/net/tcp6") {
		listeners[inode] = port
	}
	owners, whole := socketOwners(listeners, c.Processes, deadline)
	c.Truncated = c.Truncated || !whole
	for inode, port := range listeners {
		if pid, known := owners[inode]; known {
			port.PID = &pid
		}
		c.Ports = append(c.Ports, port)
	}
	sort.Slice(c.Ports, func(i, j int) bool {
		if c.Ports[i].Port != c.Ports[j].Port {
			return c.Ports[i].Port < c.Ports[j].Port
		}
		return c.Ports[i].Address < c.Ports[j].Address
	})
	if len(c.Ports) > maxPorts {
		c.Ports, c.Truncated = c.Ports[:maxPorts], true
	}
	return c
}

func (a *agent) censusOf(pid int) (censusProcess, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return censusProcess{}, false
	}
	open, closing := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || closing < open {
		return censusProcess{}, false
	}
	fields := bytes.Fields(stat[closing+1:])
	number := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // 0 for what is no number
		return n
	}
	process := censusProcess{
		PID: pid, ParentPID: int(number(1)), StartTicks: number(19), MemoryBytes: number(21) * int64(os.Getpagesize()),
		Command: "[" + printable(stat[open+1:closing]) + "]",
	}
	if line, err := readStart(dir+"/cmdline", maxCommand); err == nil && len(bytes.Trim(line, "\x00")) > 0 {
		process.Command = printable(bytes.TrimRight(line, "\x00"))
	}
	if info, err := os.Stat(dir); err == nil {
		if uid, gid, ok := ownerOf(info); ok {
			process.User, _ = a.users.names(uid, gid)
		}
	}
	return process, true
}

// printable makes one line of a command: what separates or controls becomes a space.
func printable(text []byte) string {
	clean := strings.ToValidUTF8(string(text), "\ufffd")
	clean = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, clean)
	if len(clean) > maxCommand {
		clean = strings.ToValidUTF8(clean[:maxCommand], "")
	}
	return clean
}

func readStart(path string, limit int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buffer := make([]byte, limit)
	n := 0
	for n < len(buffer) {
		more, err := file.Read(buffer[n:])
		n += more
		if err != nil || more == 0 {
			break // the end, or the process has ended: what there is counts
		}
	}
	return buffer[:n], nil
}

// listening reads the kernel's table of TCP sockets: those that listen, by inode.
func listening(path string) map[string]listeningPort {
	found := map[string]listeningPort{}
	text, err := readStart(path, maxTableBytes)
	if err != nil {
		return found
	}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != stateListen {
			continue
		}
		address, port, ok := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		ip := addressOf(address)
		if !ok || err != nil || ip == "" {
			continue
		}
		found[fields[9]] = listeningPort{Port: int(number), Address: ip}
	}
	return found
}

// addressOf reads an address as /proc/net has it: words of four bytes, each the wrong way round.
func addressOf(text string) string {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != net.IPv4len && len(raw) != net.IPv6len {
		return ""
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	if len(raw) == net.IPv6len && net.IP(raw).To4() != nil {
		return "::ffff:" + net.IP(raw).String()
	}
	return net.IP(raw).String()
}

// socketOwners finds which process has a socket open; of several the first. False if not all were looked at.
func socketOwners(listeners map[string]listeningPort, processes []censusProcess, deadline time.Time) (map[string]int, bool) {
	owners := map[string]int{}
	scanned := 0
	for _, process := range processes {
		if len(owners) == len(listeners) {
			return owners, true
		}
		dir := "/proc/" + strconv.Itoa(process.PID) + "/fd"
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, entry := range entries {
			if scanned++; scanned > maxScanned || time.Now().After(deadline) {
				return owners, false
			}
			target, err := os.Readlink(dir + "/" + entry.Name())
			if err != nil || !strings.HasPrefix(target, "socket:[") {
				continue
			}
			inode := strings.TrimSuffix(target[len("socket:["):], "]")
			if _, listens := listeners[inode]; !listens {
				continue
			}
			if _, known := owners[inode]; !known {
				owners[inode] = process.PID
			}
		}
	}
	return owners, true
}
