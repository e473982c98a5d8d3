package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// What changes a tree works on one that others may be writing: every step begins at an open directory, and no name is opened
// through a link of its own. Links on the way to a directory are resolved by the kernel with the tree as the root.

const (
	atEmptyPath   = 0x1000
	atRemoveDir   = 0x200
	openTemporary = 0x400000 | syscall.O_DIRECTORY
	// maxTreePiece is how many bytes of a file come at once
	maxTreePiece = 1 << 20
	// removeTries is how often a directory is emptied while others put things into it
	removeTries = 8
)

// splitPath is the directory that a path is in, and its name there.
func splitPath(path string) (dir, name string) {
	at := strings.LastIndexByte(path, '/')
	return path[:at+1], path[at+1:]
}

// parent opens the directory that a path is in; with `parents` those that are missing are made.
func (t *tree) parent(r *treeRequest, path string) (dir int, name string, err error) {
	above, name := splitPath(path)
	dir, err = t.openDir(above)
	if err != syscall.ENOENT || !r.Parents {
		return dir, name, err
	}
	for at, end := 0, 0; end < len(above); end++ {
		if above[end] != '/' || end == at {
			continue
		}
		next, err := t.openDir(above[:end])
		if err == syscall.ENOENT {
			next, err = t.makeDirIn(above[:at+1], above[at+1:end], r, 0o777)
		}
		if err != nil {
			return -1, "", err
		}
		syscall.Close(next)
		at = end
	}
	dir, err = t.openDir(above)
	return dir, name, err
}

func (t *tree) makeDirIn(above, name string, r *treeRequest, mode uint32) (int, error) {
	dir, err := t.openDir(above)
	if err != nil {
		return -1, err
	}
	defer syscall.Close(dir)
	return makeDirectory(dir, name, r, mode)
}

// makeDirectory makes one in an open directory and opens it.
func makeDirectory(dir int, name string, r *treeRequest, mode uint32) (int, error) {
	if err := syscall.Mkdirat(dir, name, 0o700); err != nil {
		return -1, err
	}
	made, err := dirIn(dir, name)
	if err != nil {
		return -1, err
	}
	if err := r.own(made, mode); err != nil {
		syscall.Close(made)
		return -1, err
	}
	return made, nil
}

// own gives what is open its owner and its mode; the mode is set last, as a change of owners takes bits of it away.
func (r *treeRequest) own(fd int, mode uint32) error {
	if err := syscall.Fchown(fd, r.UID, r.GID); err != nil {
		return err
	}
	return syscall.Fchmod(fd, mode)
}

func (t *tree) makeDir(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	made := -1
	if path != "/" {
		dir, name, err := t.parent(r, path)
		if err != nil {
			return err
		}
		defer syscall.Close(dir)
		if made, err = makeDirectory(dir, name, r, r.Mode); err != nil && !(err == syscall.EEXIST && r.Parents) {
			return err
		}
	} else if !r.Parents {
		return syscall.EEXIST
	}
	if made < 0 {
		// There is something: right if it is a directory, which stays as it is.
		if made, err = t.openDir(path); err == syscall.ENOTDIR {
			return syscall.EEXIST
		}
		if err != nil {
			return err
		}
	}
	return t.tellOpen(made, path, out)
}

// tellOpen ends an answer with what there is to say of what is open, and closes it.
func (t *tree) tellOpen(fd int, path string, out *treeOutput) error {
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	out.line(map[string]any{"end": t.describe(fd, "", path, &st)})
	return nil
}

// write makes a file of what is read: pieces with their length in four bytes before them, the last one empty. Without that
// one nothing is written, and whatever becomes of this program, a file without a name leaves nothing behind.
func (t *tree) write(r *treeRequest, input io.Reader, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	if path == "/" {
		return syscall.EISDIR
	}
	dir, name, err := t.parent(r, path)
	if err != nil {
		return err
	}
	defer syscall.Close(dir)
	// Said before the bytes are taken, where it is known by then.
	var st syscall.Stat_t
	if lstatIn(dir, name, &st) == nil {
		if r.Exclusive {
			return syscall.EEXIST
		}
		if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			return syscall.EISDIR
		}
	}
	fd, err := syscall.Openat(dir, ".", openTemporary|syscall.O_WRONLY|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	if err := copyPieces(file, input); err != nil {
		return err
	}
	if err := r.own(fd, r.Mode); err != nil {
		return err
	}
	if err := nameFile(fd, dir, name, r.Exclusive); err != nil {
		return err
	}
	told, err := syscall.Dup(fd)
	if err != nil {
		return err
	}
	return t.tellOpen(told, path, out)
}

func copyPieces(to *os.File, from io.Reader) error {
	input := bufio.NewReader(from)
	var header [4]byte
	buffer := make([]byte, 64<<10)
	for {
		if _, err := io.ReadFull(input, header[:]); err != nil {
			return failed("bad_request", "the file ends early: %v", err)
		}
		length := binary.BigEndian.Uint32(header[:])
		if length == 0 {
			return nil
		}
		if length > maxTreePiece {
			return failed("bad_request", "a piece of %d bytes", length)
		}
		n, err := io.CopyBuffer(writerOnly{to}, io.LimitReader(input, int64(length)), buffer)
		if err != nil {
			return err
		}
		if n < int64(length) {
			return failed("bad_request", "the file ends early")
		}
	}
}

// nameFile gives an open file without a name its own, in the place of what has it unless that is asked for.
func nameFile(fd, dir int, name string, exclusive bool) error {
	if exclusive {
		return linkFile(fd, dir, name)
	}
	temporary := fmt.Sprintf("%s%x", tempPrefix, time.Now().UnixNano())
	if err := linkFile(fd, dir, temporary); err != nil {
		return err
	}
	err := syscall.Renameat(dir, temporary, dir, name)
	if err != nil {
		unlinkIn(dir, temporary, 0) // what failed is told; this can only fail if it is gone
	}
	return err
}

func linkFile(fd, dir int, name string) error {
	empty, _ := syscall.BytePtrFromString("")
	pointer, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_LINKAT, uintptr(fd), uintptr(unsafe.Pointer(empty)), uintptr(dir),
		uintptr(unsafe.Pointer(pointer)), atEmptyPath, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func unlinkIn(dir int, name string, flags uintptr) error {
	pointer, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_UNLINKAT, uintptr(dir), uintptr(unsafe.Pointer(pointer)), flags)
	if errno != 0 {
		return errno
	}
	return nil
}

// change sets the owner and the mode of a file or a directory; what is negative or absent stays.
func (t *tree) change(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	fd, err := t.open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY)
	if err == syscall.ENXIO || err == syscall.EACCES { // a socket; a device, which the cage does not open
		return syscall.EINVAL
	}
	if err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		syscall.Close(fd)
		return err
	}
	if kind := st.Mode & syscall.S_IFMT; kind != syscall.S_IFREG && kind != syscall.S_IFDIR {
		syscall.Close(fd)
		return syscall.EINVAL
	}
	mode := st.Mode & 0o7777
	if r.SetMode {
		mode = r.Mode
	}
	if err := r.own(fd, mode); err != nil {
		syscall.Close(fd)
		return err
	}
	return t.tellOpen(fd, path, out)
}

// remove takes away what is at a path, a link itself, and all that is below it.
func (t *tree) remove(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	if path == "/" {
		return syscall.EBUSY
	}
	above, name := splitPath(path)
	dir, err := t.openDir(above)
	if err != nil {
		return err
	}
	defer syscall.Close(dir)
	var st syscall.Stat_t
	if err := lstatIn(dir, name, &st); err != nil {
		return err
	}
	if err := removeIn(dir, name, 0); err != nil {
		return err
	}
	out.line(map[string]any{"end": nil})
	return nil
}

// removeIn removes an entry of an open directory; that it is gone meanwhile is right.
func removeIn(dir int, name string, depth int) error {
	for try := 0; ; try++ {
		err := unlinkIn(dir, name, 0)
		if err == nil || err == syscall.ENOENT {
			return nil
		}
		if err != syscall.EISDIR && err != syscall.EPERM {
			return err
		}
		if depth > maxTreeDepth {
			return failed("limit", "the directory is too deep: remove what is in it first")
		}
		if err := emptyIn(dir, name, depth); err != nil && err != syscall.ENOENT && err != syscall.ENOTDIR {
			return err
		}
		err = unlinkIn(dir, name, atRemoveDir)
		if err == nil || err == syscall.ENOENT {
			return nil
		}
		if try == removeTries || err != syscall.ENOTEMPTY && err != syscall.ENOTDIR {
			return err
		}
	}
}

func emptyIn(dir int, name string, depth int) error {
	inner, err := dirIn(dir, name)
	if err != nil {
		return err
	}
	defer syscall.Close(inner)
	for {
		names, more, err := namesOf(inner)
		if err != nil {
			return err
		}
		for _, child := range names {
			if err := removeIn(inner, child, depth+1); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
