package main

import (
	"encoding/base64"
	"io"
	"sort"
	"strings"
	"syscall"
)

// namesOf reads a directory that is open, sorted by bytes. `more` if it has too many.
func namesOf(dir int) (names []string, more bool, err error) {
	if _, err := syscall.Seek(dir, 0, io.SeekStart); err != nil {
		return nil, false, err
	}
	for len(names) <= maxTreeNames {
		n, err := syscall.ReadDirent(dir, direntBuffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if n == 0 {
			sort.Strings(names)
			return names, false, nil
		}
		_, _, names = syscall.ParseDirent(direntBuffer[:n], -1, names)
	}
	sort.Strings(names)
	return names[:maxTreeNames], true, nil
}

// direntBuffer is shared: one walk at a time reads a directory.
var direntBuffer = make([]byte, 64<<10)

func (t *tree) stat(path string, out *treeOutput) error {
	path, err := cleanPath(path)
	if err != nil {
		return err
	}
	st, fd, err := t.lstat(path)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	out.line(map[string]any{"end": t.describe(fd, "", path, st)})
	return nil
}

// list walks a directory: an entry, then what is in it, to so many levels.
func (t *tree) list(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	dir, err := t.openDir(path)
	if err != nil {
		return err
	}
	defer syscall.Close(dir)
	if r.Depth > maxTreeDepth {
		return failed("bad_request", "depth %d", r.Depth)
	}
	after, err := afterIn(path, r.After)
	if err != nil {
		return err
	}
	l := &treeListing{tree: t, out: out, left: r.Limit, bounds: newBounds(r.TimeoutMs)}
	err = l.below(dir, path, r.Depth, after)
	if err != nil && err != errEnough {
		return err
	}
	next := ""
	if err == errEnough {
		next = base64.RawURLEncoding.EncodeToString([]byte(l.last))
	}
	out.line(map[string]any{"end": map[string]any{"next": next}})
	return nil
}

// afterIn splits the path of the last entry known into names below the listed directory. It comes in base64: a name need not be
// text.
func afterIn(path, cursor string) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, failed("bad_request", "not a cursor: %.200q", cursor)
	}
	after := string(raw)
	prefix := strings.TrimSuffix(path, "/") + "/"
	if !strings.HasPrefix(after, prefix) || len(after) == len(prefix) {
		return nil, failed("bad_request", "not in the directory: %.200q", after)
	}
	return strings.Split(after[len(prefix):], "/"), nil
}

type treeListing struct {
	tree   *tree
	out    *treeOutput
	left   int
	last   string
	bounds *bounds
}

func (l *treeListing) below(dir int, path string, depth int, after []string) error {
	names, _, err := namesOf(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		var inner []string
		if len(after) > 0 {
			if name < after[0] {
				continue
			}
			if name == after[0] {
				inner = after[1:]
			}
		}
		var st syscall.Stat_t
		switch err := lstatIn(dir, name, &st); err {
		case nil:
		case syscall.ENOENT:
			continue
		default:
			return err
		}
		known := len(after) > 0 && name == after[0]
		if !known {
			if l.left == 0 || l.out.full() {
				return errEnough
			}
			l.left--
			l.last = below(path, name)
			l.out.line(map[string]any{"file": l.tree.describe(dir, name, below(path, name), &st)})
		}
		if err := l.bounds.step(); err != nil {
			return err
		}
		if depth > 1 && st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			if err := l.enter(dir, name, below(path, name), depth-1, inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *treeListing) enter(dir int, name, path string, depth int, after []string) error {
	inner, err := dirIn(dir, name)
	if err == syscall.ENOENT || err == syscall.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(inner)
	return l.below(inner, path, depth, after)
}
