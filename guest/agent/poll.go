package main

import (
	"syscall"
	"unsafe"
)

const (
	pollIn  = 0x1
	pollOut = 0x4
)

type pollFd struct {
	fd      int32
	events  int16
	revents int16
}

// waitFor blocks the thread until fd is ready for events, an error is pending on it, or timeoutMs passed (-1: never).
func waitFor(fd int, events int16, timeoutMs int) bool {
	var timeout *syscall.Timespec
	if timeoutMs >= 0 {
		t := syscall.NsecToTimespec(int64(timeoutMs) * 1e6)
		timeout = &t
	}
	for {
		p := pollFd{fd: int32(fd), events: events}
		n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		return errno == 0 && n > 0
	}
}
