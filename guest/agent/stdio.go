package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

// stdio is both ends of a process's standard streams.
type stdio struct {
	// child holds what becomes descriptors 0, 1 and 2
	child [3]uintptr
	// opened are the child's ends that we close after the fork
	opened []int
	// outputs by stream index, -1 for none
	outputs [3]int
	// stdin is our writing end, 0 for none
	stdin int
}

var devNull = -1

func openDevNull() error {
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	devNull = fd
	return err
}

func (s *stdio) closeChildEnds() {
	for _, fd := range s.opened {
		closeNow(fd)
	}
}

func (s *stdio) closeAll() {
	s.closeChildEnds()
	for _, fd := range s.outputs {
		if fd >= 0 {
			closeNow(fd)
		}
	}
	if s.stdin > 0 {
		syscall.Close(s.stdin)
	}
}

func openStdio(spec *processSpec, who *account) (*stdio, error) {
	s := &stdio{outputs: [3]int{-1, -1, -1}}
	var err error
	if spec.PTY != nil {
		err = s.openPTY(*spec.PTY, who)
	} else {
		err = s.openPipes(spec.Stdin)
	}
	if err != nil {
		s.closeAll()
		return nil, toFailure(err, "")
	}
	return s, nil
}

func (s *stdio) openPipes(stdin bool) error {
	s.child[0] = uintptr(devNull)
	if stdin {
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return err
		}
		s.opened = append(s.opened, ends[0])
		s.child[0], s.stdin = uintptr(ends[0]), ends[1]
		if err := syscall.SetNonblock(ends[1], true); err != nil {
			return err
		}
	}
	for i := 0; i < 2; i++ {
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			return err
		}
		s.opened = append(s.opened, ends[1])
		s.outputs[i], s.child[i+1] = ends[0], uintptr(ends[1])
		// Non-blocking although it is only read when readable: a process may read its own output away from us.
		if err := setNonblock(ends[0]); err != nil {
			return err
		}
	}
	return nil
}

// setNonblock sets the flag on a descriptor that has no other, in one call.
func setNonblock(fd int) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFL, syscall.O_NONBLOCK)
	if errno != 0 {
		return errno
	}
	return nil
}

func (s *stdio) openPTY(size ptySize, who *account) error {
	master, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.outputs[ptyStream] = master
	var unlock, number int32
	if err := ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)); err != nil {
		return err
	}
	if err := ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number)); err != nil {
		return err
	}
	if err := resizePTY(master, size); err != nil {
		return err
	}
	slave, err := syscall.Open(fmt.Sprintf("/dev/pts/%d", number), syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.opened = append(s.opened, slave)
	for i := range s.child {
		s.child[i] = uintptr(slave)
	}
	if who.uid != 0 {
		// So that the user can open its terminal by name. A system that refuses works but for that.
		if err := syscall.Fchown(slave, who.uid, who.gid); err != nil {
			logf("chown of a terminal: %v", err)
		}
	}
	// Another descriptor for writing: input and output end at different times.
	duplicate, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(master), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return errno
	}
	s.stdin = int(duplicate)
	return nil
}

func resizePTY(master int, size ptySize) error {
	dimensions := [4]uint16{size.Rows, size.Cols, 0, 0}
	return ioctl(master, syscall.TIOCSWINSZ, unsafe.Pointer(&dimensions))
}

// tellResized signals the terminal's foreground group: gVisor of 2024 changes the size without telling anybody. Where the
// kernel has told it already, the signal merges with the one that is pending, or the program reads the same size again.
func tellResized(master, leader int) {
	var group int32
	if err := ioctl(master, syscall.TIOCGPGRP, unsafe.Pointer(&group)); err != nil || group <= 0 {
		group = int32(leader) // the session's own group, which is in front until a shell says otherwise
	}
	// ESRCH: it has just ended, and needs no size any more.
	_ = syscall.Kill(-int(group), syscall.SIGWINCH)
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}
