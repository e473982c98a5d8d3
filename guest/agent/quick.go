package main

import (
	"syscall"
	"unsafe"
)

// System calls that wait for nothing. The Go runtime is not told of them: it would take them for an occasion to have another
// thread go on, which costs more than they do.

// readNow reads a descriptor that does not block.
func readNow(fd int, into []byte) (int, error) {
	return quickly(syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into))))
}

// writeNow writes to a descriptor that does not block.
func writeNow(fd int, from []byte) (int, error) {
	return quickly(syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&from[0])), uintptr(len(from))))
}

// closeNow closes a pipe or the like, which cannot fail.
func closeNow(fd int) {
	syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0)
}

// reapNow reaps a child if it has ended; 0 if not.
func reapNow(pid int) (int, syscall.WaitStatus, error) {
	var status int32
	got, err := quickly(syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&status)), syscall.WNOHANG, 0, 0, 0))
	return got, syscall.WaitStatus(status), err
}

// quickly takes what a raw system call returns.
func quickly(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
