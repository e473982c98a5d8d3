package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// forkExec starts a program as syscall.ForkExec does, for as much of its ProcAttr as this agent uses. It takes a third of the
// time in gVisor: clone3 itself resets the signal handlers, which otherwise are sixty system calls of the child, and tells
// errors through the memory that both share instead of a pipe. Kernels that cannot do that get the other way.
//
// A child that fails leaves a zombie of exit code 253: whoever reaps the others reaps it. With exitFd not nil it is set to a
// descriptor that becomes readable when the program has ended, if there are such descriptors here.
func forkExec(path string, args []string, attr *syscall.ProcAttr, exitFd *int) (int, error) {
	if oldKernel.Load() {
		return syscall.ForkExec(path, args, attr)
	}
	b, err := newForkBlock(path, args, attr)
	if err != nil {
		return 0, err
	}
	if exitFd != nil {
		b.clone[0] |= clonePidfd
		b.clone[1] = uint64(uintptr(unsafe.Pointer(&b.exitFd)))
	}
	syscall.ForkLock.Lock()
	forkAndRun(b)
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(b)
	pid, failure := int(b.pid), syscall.Errno(b.errno)
	switch {
	case pid > 0 && failure == 0:
		if exitFd != nil {
			*exitFd = int(b.exitFd)
		}
		return pid, nil
	case pid > 0:
		if exitFd != nil {
			syscall.Close(int(b.exitFd))
		}
		return 0, failure
	case pid == -int(syscall.ENOSYS) || pid == -int(syscall.EINVAL):
		oldKernel.Store(true)
		return syscall.ForkExec(path, args, attr)
	default:
		return 0, syscall.Errno(-pid)
	}
}

// oldKernel has no clone3, or not this use of it.
var oldKernel atomic.Bool

const (
	cloneVM           = 0x100
	clonePidfd        = 0x1000
	cloneVfork        = 0x4000
	cloneClearSighand = 0x100000000

	sysPrlimit = 302
	setMask    = 2

	// softFiles is the limit of open files that programs begin with, as far as the hard one allows. The Go runtime has
	// raised the agent's own.
	softFiles = 65536
)

// forkOp is one system call of the child.
type forkOp struct {
	number    uintptr
	arguments [4]uintptr
}

// forkBlock is everything that the child needs: it has no stack. fork_amd64.s knows the offsets of what is above ops.
type forkBlock struct {
	clone   [11]uint64 // struct clone_args
	blocked uint64     // signals while there are two of us
	saved   uint64     // our mask before
	pid     int64      // or the errno of clone3, negative
	errno   uint64     // of the operation that failed
	count   uint64
	ops     [12]forkOp

	// What the operations point to, so that it stays where it is
	exitFd int32
	mask   uint64
	files  syscall.Rlimit
	path   *byte
	dir    *byte
	argv   []*byte
	env    []*byte
	groups []uint32
}

// Refuses to compile where fork_amd64.s would be wrong.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.blocked)-88]
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.saved)-96]
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.pid)-104]
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.errno)-112]
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.count)-120]
	_ = [1]struct{}{}[unsafe.Offsetof(forkBlock{}.ops)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(forkOp{})-40]
)

// forkAndRun makes the child, which carries out the operations in order, the last of them an exec. Returns when that has
// happened or the child has ended.
func forkAndRun(b *forkBlock)

func newForkBlock(path string, args []string, attr *syscall.ProcAttr) (*forkBlock, error) {
	b := &forkBlock{blocked: ^uint64(0)}
	b.clone[0] = cloneVM | cloneVfork | cloneClearSighand
	b.clone[4] = uint64(syscall.SIGCHLD) // exit_signal
	var err error
	if b.path, err = syscall.BytePtrFromString(path); err != nil {
		return nil, err
	}
	if b.dir, err = syscall.BytePtrFromString(attr.Dir); err != nil {
		return nil, err
	}
	if b.argv, err = syscall.SlicePtrFromStrings(args); err != nil {
		return nil, err
	}
	if b.env, err = syscall.SlicePtrFromStrings(attr.Env); err != nil {
		return nil, err
	}
	sys := attr.Sys
	if sys.Setsid {
		b.add(syscall.SYS_SETSID)
	}
	if sys.Setpgid {
		b.add(syscall.SYS_SETPGID, 0, uintptr(sys.Pgid))
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &b.files); err != nil {
		return nil, err
	}
	if b.files.Cur = softFiles; b.files.Cur > b.files.Max {
		b.files.Cur = b.files.Max
	}
	b.add(sysPrlimit, 0, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&b.files)), 0)
	if who := sys.Credential; who != nil {
		b.groups = append(who.Groups, 0) // never empty, so that there is an address
		b.add(syscall.SYS_SETGROUPS, uintptr(len(who.Groups)), uintptr(unsafe.Pointer(&b.groups[0])))
		b.add(syscall.SYS_SETGID, uintptr(who.Gid))
		b.add(syscall.SYS_SETUID, uintptr(who.Uid))
	}
	if attr.Dir != "" {
		b.add(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(b.dir)))
	}
	for i, fd := range attr.Files {
		// The agent has 0, 1 and 2 of its own: none of these is overwritten before it is taken.
		b.add(syscall.SYS_DUP3, fd, uintptr(i), 0)
	}
	if sys.Setctty {
		b.add(syscall.SYS_IOCTL, uintptr(sys.Ctty), syscall.TIOCSCTTY, 1)
	}
	b.add(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&b.mask)), 0, 8)
	b.add(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(b.path)), uintptr(unsafe.Pointer(&b.argv[0])), uintptr(unsafe.Pointer(&b.env[0])))
	return b, nil
}

func (b *forkBlock) add(number uintptr, arguments ...uintptr) {
	op := &b.ops[b.count]
	op.number = number
	copy(op.arguments[:], arguments)
	b.count++
}
