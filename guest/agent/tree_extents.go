package main

import (
	"os"
	"syscall"
	"unsafe"
)

const (
	fiemapCall     = 0xc020660b
	fiemapLast     = 0x1
	fiemapExtents  = 128
	fiemapUnusable = 0x2 | 0x4 | 0x8 | 0x100 | 0x200 | 0x400 | 0x800 // unknown, delayed, compressed, not aligned, inline, tail, unwritten
)

type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

type fiemap struct {
	start, length                  uint64
	flags, mapped, count, reserved uint32
	extents                        [fiemapExtents]fiemapExtent
}

// sharedExtents tells that two files of one file system and one size lie in the same place on its disk, all of them: then
// their bytes are the same. False also where that cannot be told.
func sharedExtents(a, b *os.File, size int64) bool {
	var maps [2]fiemap
	for start := uint64(0); ; {
		for i, file := range []*os.File{a, b} {
			maps[i] = fiemap{start: start, length: uint64(size) - start, count: fiemapExtents}
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), fiemapCall, uintptr(unsafe.Pointer(&maps[i])))
			if errno != 0 {
				return false
			}
		}
		if maps[0].mapped != maps[1].mapped {
			return false
		}
		for i := uint32(0); i < maps[0].mapped; i++ {
			x, y := maps[0].extents[i], maps[1].extents[i]
			if x.logical != y.logical || x.physical != y.physical || x.length != y.length || x.flags&fiemapUnusable != 0 ||
				y.flags&fiemapUnusable != 0 {
				return false
			}
			start = x.logical + x.length
		}
		if maps[0].mapped == 0 || maps[0].extents[maps[0].mapped-1].flags&fiemapLast != 0 || start >= uint64(size) {
			return true
		}
	}
}

// xattrCall lists (no name) or reads attributes of an open file.
func xattrCall(call uintptr, fd int, name string, into []byte) (int, error) {
	if call == syscall.SYS_FLISTXATTR {
		n, _, errno := syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	}
	pointer, err := syscall.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	n, _, errno := syscall.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(pointer)), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
