package main

import (
	"archive/tar"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// read answers with a file's info, then its bytes.
func (t *tree) read(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	file, st, err := t.openFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out.line(map[string]any{"file": t.describe(-1, "", path, st)})
	out.bytes = true
	length := st.Size - r.Offset
	if r.Length >= 0 && r.Length < length {
		length = r.Length
	}
	if length > 0 {
		if _, err := io.Copy(out, io.NewSectionReader(file, r.Offset, length)); err != nil {
			return err
		}
	}
	return nil
}

// pack answers with a tar archive of what a path leads to, under the name that is asked for. FIFOs, sockets and devices are
// left out.
func (t *tree) pack(r *treeRequest, out *treeOutput) error {
	path, err := cleanPath(r.Path)
	if err != nil {
		return err
	}
	var st syscall.Stat_t
	fd, err := t.open(path, openPathOnly)
	if err != nil {
		return err
	}
	err = syscall.Fstat(fd, &st)
	syscall.Close(fd)
	if err != nil {
		return err
	}
	p := &treePacking{archive: tar.NewWriter(out), buffer: make([]byte, maxPayload)}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		dir, err := t.openDir(path)
		if err != nil {
			return err
		}
		defer syscall.Close(dir)
		out.line(map[string]any{})
		out.bytes = true
		if err := p.directory(dir, r.Name, &st, 0); err != nil {
			return err
		}
	case syscall.S_IFREG:
		file, st, err := t.openFile(path)
		if err != nil {
			return err
		}
		out.line(map[string]any{})
		out.bytes = true
		if err := p.file(file, r.Name, st); err != nil {
			return err
		}
	default:
		return syscall.EINVAL
	}
	return p.archive.Close()
}

type treePacking struct {
	archive *tar.Writer
	buffer  []byte
}

func headerOf(name string, st *syscall.Stat_t) *tar.Header {
	return &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
}

func (p *treePacking) directory(dir int, name string, st *syscall.Stat_t, depth int) error {
	header := headerOf(name+"/", st)
	header.Typeflag = tar.TypeDir
	if err := p.archive.WriteHeader(header); err != nil {
		return err
	}
	names, more, err := namesOf(dir)
	if err != nil {
		return err
	}
	if more || depth > maxTreeDepth {
		return failed("limit", "the directory is too deep or has too many entries: %.200q", name)
	}
	for _, child := range names {
		if err := p.entry(dir, child, name+"/"+child, depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *treePacking) entry(dir int, child, name string, depth int) error {
	var st syscall.Stat_t
	if err := lstatIn(dir, child, &st); err != nil {
		return err
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		inner, err := dirIn(dir, child)
		if err != nil {
			return err
		}
		defer syscall.Close(inner)
		return p.directory(inner, name, &st, depth+1)
	case syscall.S_IFLNK:
		target, err := readlinkIn(dir, child)
		if err != nil {
			return err
		}
		header := headerOf(name, &st)
		header.Typeflag, header.Linkname = tar.TypeSymlink, target
		return p.archive.WriteHeader(header)
	case syscall.S_IFREG:
		file, st, err := fileIn(dir, child)
		if err != nil {
			return err
		}
		return p.file(file, name, st)
	}
	return nil
}

func (p *treePacking) file(file *os.File, name string, st *syscall.Stat_t) error {
	defer file.Close()
	header := headerOf(strings.TrimSuffix(name, "/"), st)
	header.Typeflag, header.Size = tar.TypeReg, st.Size
	if err := p.archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyBuffer(writerOnly{p.archive}, io.LimitReader(file, st.Size), p.buffer)
	return err
}
