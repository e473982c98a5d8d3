package main

import (
	"path"
	"strings"
)

// sourcePattern says which entries of an archive are wanted: those at or below a path that may have `*`, `?` and `[...]`.
type sourcePattern struct {
	segments []string
	// wild is set where several things may match
	wild bool
}

func newSourcePattern(source string) (*sourcePattern, error) {
	p := &sourcePattern{segments: segmentsOf(source), wild: isWild(source)}
	for _, segment := range p.segments {
		if _, err := path.Match(segment, ""); err != nil || segment == ".." {
			return nil, failed("bad_request", "not a source: %.200q", source)
		}
	}
	return p, nil
}

// isWild tells whether anything in a pattern means more than itself; a backslash before it takes that away.
func isWild(source string) bool {
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// match tells where an entry lies below what matched; empty for what matched itself.
func (p *sourcePattern) match(name []string) (below []string, ok bool) {
	if len(name) < len(p.segments) {
		return nil, false
	}
	for i, segment := range p.segments {
		if ok, _ := path.Match(segment, name[i]); !ok {
			return nil, false
		}
	}
	return name[len(p.segments):], true
}

func segmentsOf(name string) []string {
	var segments []string
	for _, segment := range strings.Split(name, "/") {
		if segment != "" && segment != "." {
			segments = append(segments, segment)
		}
	}
	return segments
}

// entryName is the name of an archive's entry, whose directories nothing leads out of.
func entryName(name string) ([]string, error) {
	segments := segmentsOf(name)
	if strings.HasPrefix(name, "/") {
		return nil, failed("bad_request", "the archive has an absolute path: %.200q", name)
	}
	for _, segment := range segments {
		if segment == ".." {
			return nil, failed("bad_request", "the archive has a path that leads out of it: %.200q", name)
		}
	}
	return segments, nil
}
