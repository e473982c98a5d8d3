package main

import (
	"bytes"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"
)

const (
	// maxLineTold is how much of a line is told, in bytes
	maxLineTold  = 400
	searchWindow = 256 << 10
)

// search walks a directory for names and contents.
func (t *tree) search(r *treeRequest, out *treeOutput) error {
	from, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	matches, err := nameMatcher(r.Name)
	if err != nil {
		return err
	}
	dir, err := t.openDir(from)
	if err != nil {
		return err
	}
	defer syscall.Close(dir)
	s := &treeSearch{
		tree: t, out: out, matches: matches, content: []byte(r.Content), left: r.Limit, unread: r.ReadBytes,
		bounds: newBounds(r.TimeoutMs), buffer: make([]byte, searchWindow),
	}
	if err := s.below(dir, from, 1); err != nil && err != errEnough {
		return err
	}
	out.line(map[string]any{"end": map[string]any{"incomplete": s.bounds.why}})
	return nil
}

func nameMatcher(pattern string) (func(name string) bool, error) {
	if !strings.ContainsAny(pattern, "*?[") {
		return func(name string) bool { return strings.Contains(name, pattern) }, nil
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, failed("bad_request", "not a pattern: %.200q", pattern)
	}
	return func(name string) bool {
		matched, _ := path.Match(pattern, name) // it was tried above
		return matched
	}, nil
}

type treeSearch struct {
	tree    *tree
	out     *treeOutput
	matches func(name string) bool
	content []byte
	left    int
	// unread is how many bytes of files may still be read
	unread int64
	bounds *bounds
	buffer []byte
}

func (s *treeSearch) below(dir int, at string, depth int) error {
	names, more, err := namesOf(dir)
	if err != nil {
		return err
	}
	if more {
		s.bounds.passed("depth")
	}
	for _, name := range names {
		var st syscall.Stat_t
		if err := lstatIn(dir, name, &st); err != nil {
			return err
		}
		if err := s.bounds.step(); err != nil {
			return err
		}
		if s.matches(name) {
			if err := s.found(dir, name, below(at, name), &st); err != nil {
				return err
			}
		}
		if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			if err := s.enter(dir, name, below(at, name), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *treeSearch) enter(dir int, name, at string, depth int) error {
	if depth >= maxTreeDepth {
		s.bounds.passed("depth")
		return nil
	}
	inner, err := dirIn(dir, name)
	if err != nil {
		return err
	}
	defer syscall.Close(inner)
	return s.below(inner, at, depth+1)
}

// found tells of what has the name, if it has the content as well.
func (s *treeSearch) found(dir int, name, at string, st *syscall.Stat_t) error {
	match := map[string]any{"line": nil, "text": nil}
	if len(s.content) > 0 {
		if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Size < int64(len(s.content)) {
			return nil
		}
		if st.Size > s.unread {
			s.bounds.passed("bytes") // smaller ones may still fit
			return nil
		}
		s.unread -= st.Size
		file, _, err := fileIn(dir, name)
		if err != nil {
			return err
		}
		defer file.Close()
		line, text, has, err := s.look(file)
		if err != nil || !has {
			return err
		}
		match["line"] = line
		if text != "" {
			match["text"] = text
		}
	}
	if s.left == 0 || s.out.full() {
		s.bounds.why = "limit"
		return errEnough
	}
	s.left--
	match["file"] = s.tree.describe(dir, name, at, st)
	s.out.line(match)
	return nil
}

// look finds the content in a file, with the number of its line and the line itself if that is text.
func (s *treeSearch) look(file *os.File) (line int, text string, has bool, err error) {
	line = 1
	kept := 0
	var at int64 // of the buffer's first byte
	for {
		if s.bounds.late() {
			return 0, "", false, errEnough
		}
		n, err := io.ReadFull(file, s.buffer[kept:])
		window := s.buffer[:kept+n]
		if i := bytes.Index(window, s.content); i >= 0 {
			line += bytes.Count(window[:i], []byte{'\n'})
			return line, lineAround(file, at+int64(i), len(s.content)), true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return 0, "", false, nil
		}
		if err != nil {
			return 0, "", false, err
		}
		// What may be the beginning of a match goes on with the next bytes.
		kept = len(s.content) - 1
		done := len(window) - kept
		line += bytes.Count(window[:done], []byte{'\n'})
		at += int64(done)
		copy(s.buffer, window[done:])
	}
}

// lineAround is the line that has a match, cut around it where it is long; empty if it is no text.
func lineAround(file *os.File, at int64, length int) string {
	from := at - maxLineTold/2
	if from < 0 {
		from = 0
	}
	around := make([]byte, maxLineTold/2+maxLineTold)
	n, _ := file.ReadAt(around, from) // less where the file ends
	around = around[:n]
	match := int(at - from)
	if match > len(around) {
		return ""
	}
	start := bytes.LastIndexByte(around[:match], '\n') + 1
	end := bytes.IndexByte(around[match:], '\n')
	if end < 0 {
		end = len(around)
	} else {
		end += match
	}
	line := around[start:end]
	if len(line) > maxLineTold {
		line = line[:maxLineTold]
	}
	// A character may be cut at either side.
	for i := 0; i < 3 && len(line) > 0 && !utf8.RuneStart(line[0]); i++ {
		line = line[1:]
	}
	for i := 0; i < 4 && len(line) > 0 && !utf8.Valid(line); i++ {
		line = line[:len(line)-1]
	}
	if bytes.IndexByte(line, 0) >= 0 || !utf8.Valid(line) {
		return ""
	}
	return string(line)
}
