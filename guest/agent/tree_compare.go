package main

import (
	"bytes"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
)

// compareBudget is how many bytes of files of equal size a comparison reads to tell whether they are equal.
const compareBudget = 4 << 30

// comparedFile is ComparedFile of the host's port.
type comparedFile struct {
	Type          string  `json:"type"`
	SizeBytes     int64   `json:"sizeBytes"`
	Mode          uint32  `json:"mode"`
	UID           uint32  `json:"uid"`
	GID           uint32  `json:"gid"`
	ModifiedAtMs  int64   `json:"modifiedAtMs"`
	SymlinkTarget *string `json:"symlinkTarget"`
}

type treeChange struct {
	Change  string        `json:"change"`
	Path    string        `json:"path"`
	Before  *comparedFile `json:"before"`
	After   *comparedFile `json:"after"`
	Differs []string      `json:"differs"`
}

// compareTrees walks two trees side by side. What has the same inode number and the same times of change, to the nanosecond,
// is taken for the same: the pool's trees are clones of each other, and nothing inside a sandbox sets the time of change. Where
// they are not, all is compared, the bytes where sizes are equal and the files do not lie in the same place on the disk.
func compareTrees(before, after *tree, r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	c := &comparing{
		out: out, limit: r.Limit, unread: compareBudget, bounds: newBounds(r.TimeoutMs),
		buffers: [2][]byte{make([]byte, searchWindow), make([]byte, searchWindow)},
	}
	if err := c.top(before, after, path); err != nil && err != errEnough {
		return err
	}
	out.line(map[string]any{"end": map[string]any{
		"added": c.counts["added"], "removed": c.counts["removed"], "changed": c.counts["changed"], "unread": c.passed,
		"incomplete": c.bounds.why,
	}})
	return nil
}

type comparing struct {
	out     *treeOutput
	limit   int
	counts  map[string]int
	unread  int64
	passed  int
	bounds  *bounds
	buffers [2][]byte
}

// side is an entry of one tree: a name in an open directory. `st` is nil where the tree does not have it.
type side struct {
	dir int
	st  *syscall.Stat_t
}

// top compares what is at the path that was asked for: the directory above it is opened in both trees.
func (c *comparing) top(before, after *tree, path string) error {
	c.counts = map[string]int{}
	if path == "/" {
		return c.directories(before.fd, after.fd, path, 0)
	}
	parent, name := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
	var sides [2]side
	for i, t := range []*tree{before, after} {
		dir, err := t.openDir(parent)
		if err == syscall.ENOENT || err == syscall.ENOTDIR {
			continue
		}
		if err != nil {
			return err
		}
		defer syscall.Close(dir)
		var st syscall.Stat_t
		switch err := lstatIn(dir, name, &st); err {
		case nil:
			sides[i] = side{dir, &st}
		case syscall.ENOENT:
		default:
			return err
		}
	}
	if sides[0].st == nil && sides[1].st == nil {
		return syscall.ENOENT
	}
	return c.entries(sides[0], sides[1], name, path, 0)
}

// directories compares two open directories; -1 stands for none.
func (c *comparing) directories(before, after int, path string, depth int) error {
	if depth > maxTreeDepth {
		c.bounds.passed("depth")
		return nil
	}
	var names [2][]string
	for i, dir := range []int{before, after} {
		if dir < 0 {
			continue
		}
		found, more, err := namesOf(dir)
		if err != nil {
			return err
		}
		if more {
			c.bounds.passed("entries")
		}
		names[i] = found
	}
	old, young := names[0], names[1]
	var stats [2]syscall.Stat_t
	for len(old) > 0 || len(young) > 0 {
		var sides [2]side
		var name string
		switch {
		case len(young) == 0 || len(old) > 0 && old[0] < young[0]:
			name, old = old[0], old[1:]
			sides[0] = side{before, &stats[0]}
		case len(old) == 0 || young[0] < old[0]:
			name, young = young[0], young[1:]
			sides[1] = side{after, &stats[1]}
		default:
			name, old, young = old[0], old[1:], young[1:]
			sides = [2]side{{before, &stats[0]}, {after, &stats[1]}}
		}
		for _, s := range sides {
			if s.st != nil {
				if err := lstatIn(s.dir, name, s.st); err != nil {
					return err
				}
			}
		}
		if err := c.entries(sides[0], sides[1], name, below(path, name), depth); err != nil {
			return err
		}
	}
	return nil
}

func isDir(s side) bool { return s.st != nil && s.st.Mode&syscall.S_IFMT == syscall.S_IFDIR }

// entries compares what both trees have under one name, and what is below it.
func (c *comparing) entries(before, after side, name, path string, depth int) error {
	if err := c.bounds.step(); err != nil {
		return err
	}
	// A subtree that is another kind of thing in one of the trees is gone in the other.
	if before.st != nil && after.st != nil {
		if !untouched(before.st, after.st) {
			differs, err := c.differences(before, after, name)
			if err != nil {
				return err
			}
			if len(differs) > 0 {
				c.tell("changed", path, name, before, after, differs)
			}
		}
	} else if before.st != nil {
		c.tell("removed", path, name, before, after, nil)
	} else {
		c.tell("added", path, name, before, after, nil)
	}
	if !isDir(before) && !isDir(after) {
		return nil
	}
	dirs := [2]int{-1, -1}
	for i, s := range []side{before, after} {
		if !isDir(s) {
			continue
		}
		dir, err := dirIn(s.dir, name)
		if err != nil {
			return err
		}
		defer syscall.Close(dir)
		dirs[i] = dir
	}
	return c.directories(dirs[0], dirs[1], path, depth+1)
}

// untouched tells that nobody has changed this file since the trees were one.
func untouched(a, b *syscall.Stat_t) bool {
	return a.Ino == b.Ino && a.Ctim == b.Ctim && a.Mtim == b.Mtim && a.Size == b.Size && a.Mode == b.Mode &&
		a.Uid == b.Uid && a.Gid == b.Gid
}

func (c *comparing) tell(change, path, name string, before, after side, differs []string) {
	c.counts[change]++
	if c.counts[change] > c.limit || c.out.full() {
		return
	}
	if differs == nil {
		differs = []string{}
	}
	c.out.line(treeChange{change, path, compared(before, name), compared(after, name), differs})
}

func compared(s side, name string) *comparedFile {
	if s.st == nil {
		return nil
	}
	told := &comparedFile{
		Type: fileType(s.st.Mode), SizeBytes: s.st.Size, Mode: s.st.Mode & 0o7777, UID: s.st.Uid, GID: s.st.Gid,
		ModifiedAtMs: s.st.Mtim.Nano() / 1e6,
	}
	if told.Type == "directory" {
		told.SizeBytes = 0 // what btrfs says is about the names in it
	}
	if told.Type == "symlink" {
		if target, err := readlinkIn(s.dir, name); err == nil {
			told.SymlinkTarget = &target
		}
	}
	return told
}

func (c *comparing) differences(before, after side, name string) ([]string, error) {
	var differs []string
	a, b := before.st, after.st
	kind := a.Mode & syscall.S_IFMT
	if kind != b.Mode&syscall.S_IFMT {
		return []string{"type"}, nil
	}
	switch kind {
	case syscall.S_IFREG:
		same, err := c.sameContent(before, after, name)
		if err != nil {
			return nil, err
		}
		if !same {
			differs = append(differs, "content")
		}
	case syscall.S_IFLNK:
		var targets [2]string
		for i, s := range []side{before, after} {
			target, err := readlinkIn(s.dir, name)
			if err != nil {
				return nil, err
			}
			targets[i] = target
		}
		if targets[0] != targets[1] {
			differs = append(differs, "target")
		}
	case syscall.S_IFCHR, syscall.S_IFBLK:
		if a.Rdev != b.Rdev {
			differs = append(differs, "content")
		}
	}
	if a.Mode&0o7777 != b.Mode&0o7777 {
		differs = append(differs, "mode")
	}
	if a.Uid != b.Uid || a.Gid != b.Gid {
		differs = append(differs, "owner")
	}
	if kind == syscall.S_IFREG || kind == syscall.S_IFDIR {
		same, err := sameAttributes(before.dir, after.dir, name)
		if err != nil {
			return nil, err
		}
		if !same {
			differs = append(differs, "attributes")
		}
	}
	return differs, nil
}

func (c *comparing) sameContent(before, after side, name string) (bool, error) {
	size := before.st.Size
	if size != after.st.Size {
		return false, nil
	}
	if size == 0 {
		return true, nil
	}
	var files [2]*os.File
	for i, s := range []side{before, after} {
		file, _, err := fileIn(s.dir, name)
		if err != nil {
			return false, err
		}
		defer file.Close()
		files[i] = file
	}
	if sharedExtents(files[0], files[1], size) {
		return true, nil
	}
	if size > c.unread {
		c.passed++
		return false, nil
	}
	c.unread -= size
	for {
		if c.bounds.late() {
			return false, errEnough
		}
		n, err := io.ReadFull(files[0], c.buffers[0])
		m, err2 := io.ReadFull(files[1], c.buffers[1])
		if !bytes.Equal(c.buffers[0][:n], c.buffers[1][:m]) {
			return false, nil
		}
		for _, err := range []error{err, err2} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		if err != nil {
			return true, nil
		}
	}
}

func sameAttributes(before, after int, name string) (bool, error) {
	var told [2]string
	for i, dir := range []int{before, after} {
		fd, err := syscall.Openat(dir, name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			return false, err
		}
		told[i], err = attributesOf(fd)
		syscall.Close(fd)
		if err != nil {
			return false, err
		}
	}
	return told[0] == told[1], nil
}

// attributesOf is all extended attributes of an open file as one text.
func attributesOf(fd int) (string, error) {
	list := make([]byte, maxXattrList)
	n, err := xattrCall(syscall.SYS_FLISTXATTR, fd, "", list)
	if err == syscall.ENOTSUP || err == nil && n == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00")
	sort.Strings(names)
	var all strings.Builder
	value := make([]byte, maxXattrValue)
	for _, name := range names {
		n, err := xattrCall(syscall.SYS_FGETXATTR, fd, name, value)
		if err == syscall.EPERM || err == syscall.EACCES || err == syscall.ENODATA {
			n = 0 // those of the kernel's own that a cage may not read
		} else if err != nil {
			return "", err
		}
		all.WriteString(name + "\x00")
		all.Write(value[:n])
		all.WriteByte(0)
	}
	return all.String(), nil
}
