package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

type metricsAnswer struct {
	CPUMs            int64 `json:"cpuMs"`
	MemoryUsedBytes  int64 `json:"memoryUsedBytes"`
	MemoryTotalBytes int64 `json:"memoryTotalBytes"`
	DiskUsedBytes    int64 `json:"diskUsedBytes"`
	DiskTotalBytes   int64 `json:"diskTotalBytes"`
	Processes        int   `json:"processes"`
}

func metrics(c *call) (any, error) {
	var m metricsAnswer
	// gVisor's /proc/stat is empty. Times of the living and of the children they waited for add up to all: what ended
	// was waited for by its parent or by PID 1.
	for _, pid := range pids() {
		m.Processes++
		m.CPUMs += cpuMs(pid)
	}
	total, available := memory()
	if limit := c.agent.identity.current().Limits.MemoryBytes; limit > 0 && (total == 0 || limit < total) {
		m.MemoryUsedBytes, m.MemoryTotalBytes = total-available, limit
	} else {
		m.MemoryUsedBytes, m.MemoryTotalBytes = total-available, total
	}
	if m.MemoryUsedBytes < 0 {
		m.MemoryUsedBytes = 0
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs("/", &disk); err != nil {
		return nil, toFailure(err, "/")
	}
	m.DiskTotalBytes = int64(disk.Blocks) * int64(disk.Bsize)
	m.DiskUsedBytes = int64(disk.Blocks-disk.Bfree) * int64(disk.Bsize)
	return m, nil
}

func pids() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var found []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

func cpuMs(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0 // it has ended meanwhile
	}
	// The name in parentheses may contain anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var ticks int64
	for i := 11; i <= 14 && i < len(fields); i++ { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // 0 for what is no number
		ticks += n
	}
	return ticks * 10 // USER_HZ is 100 on every Linux
}

func memory() (total, available int64) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	for _, line := range bytes.Split(text, []byte("\n")) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(string(fields[1]), 10, 64) // 0 for what is no number
		switch string(fields[0]) {
		case "MemTotal:":
			total = n << 10
		case "MemAvailable:":
			available = n << 10
		}
	}
	return total, available
}
