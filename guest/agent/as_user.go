package main

import (
	"runtime"
	"syscall"
	"unsafe"
)

// asUser runs fn with the rights of an account, on one thread of its own credentials.
//
// gVisor has no setfsuid, so the thread changes its effective ids and groups; its real and saved ids stay root's, which
// lets it come back and keeps the user's processes from signalling or tracing it. Go's own wrappers change all threads,
// hence the raw calls. A thread that cannot come back is never used again: its goroutine stays locked to it and both end.
func asUser(who *account, fn func() error) error {
	if who == nil || who.uid == 0 {
		return fn()
	}
	runtime.LockOSThread()
	restored := false
	defer func() {
		if restored {
			runtime.UnlockOSThread()
		}
	}()
	if err := become(who.uid, who.gid, who.groups); err != nil {
		restored = become(0, 0, nil) == nil
		return err
	}
	defer func() { restored = become(0, 0, nil) == nil }()
	return fn()
}

const unchanged = ^uintptr(0)

func become(uid, gid int, groups []int) error {
	if uid == 0 {
		// Root first: it may then change groups.
		if err := raw(syscall.SYS_SETRESUID, unchanged, 0, unchanged); err != nil {
			return err
		}
	}
	ids := toUint32(groups)
	var list unsafe.Pointer
	if len(ids) > 0 {
		list = unsafe.Pointer(&ids[0])
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(ids)), uintptr(list), 0)
	runtime.KeepAlive(ids)
	if errno != 0 {
		return errno
	}
	if err := raw(syscall.SYS_SETRESGID, unchanged, uintptr(gid), unchanged); err != nil {
		return err
	}
	if uid != 0 {
		return raw(syscall.SYS_SETRESUID, unchanged, uintptr(uid), unchanged)
	}
	return nil
}

func raw(call, a, b, c uintptr) error {
	if _, _, errno := syscall.RawSyscall(call, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
