package main

import (
	"archive/tar"
	"bufio"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// filePack answers with a tar archive of what the source matches, and all below it, as it is read. Other file systems,
// sockets, FIFOs and devices are left out.
func filePack(c *call) (any, error) {
	var params struct {
		Source string `json:"source"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	pattern, err := newSourcePattern(params.Source)
	if err != nil {
		return nil, err
	}
	matches := []string{"/" + strings.Join(pattern.segments, "/")}
	if strings.ContainsAny(params.Source, "*?[\\") {
		if matches, err = filepath.Glob(matches[0]); err != nil {
			return nil, failed("bad_request", "not a source: %.200q", params.Source)
		}
		sort.Strings(matches)
	}
	var root syscall.Stat_t
	if err := syscall.Stat("/", &root); err != nil {
		return nil, toFailure(err, "/")
	}
	if len(matches) == 0 {
		return nil, guestError(syscall.ENOENT, params.Source)
	}
	for _, match := range matches {
		var st syscall.Stat_t
		if err := syscall.Stat(match, &st); err != nil {
			return nil, toFailure(err, params.Source)
		}
	}
	c.channel.result(nil, 0)
	out := bufio.NewWriterSize(channelWriter{c.channel}, maxPayload)
	p := &packing{archive: tar.NewWriter(out), device: root.Dev, buffer: make([]byte, maxPayload)}
	for _, match := range matches {
		if err := p.top(match); err != nil {
			return nil, err
		}
	}
	if err := p.archive.Close(); err != nil {
		return nil, err
	}
	if err := out.Flush(); err != nil {
		return nil, err
	}
	c.channel.end()
	return handled, nil
}

type packing struct {
	archive *tar.Writer
	device  uint64
	buffer  []byte
}

// top packs what matched; a symlink counts as what it leads to.
func (p *packing) top(path string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return toFailure(err, path)
	}
	return p.entry(path, &st)
}

func (p *packing) entry(path string, st *syscall.Stat_t) error {
	header := &tar.Header{
		Name: strings.TrimPrefix(path, "/"), Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
	if header.Name == "" {
		header.Name = "."
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		if err := p.archive.WriteHeader(header); err != nil {
			return err
		}
		return p.below(path)
	case syscall.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return toFailure(err, path)
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, target
		return p.archive.WriteHeader(header)
	case syscall.S_IFREG:
		header.Typeflag = tar.TypeReg
		return p.file(path, header)
	}
	return nil
}

func (p *packing) below(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return toFailure(err, path)
	}
	for _, entry := range entries {
		child := filepath.Join(path, entry.Name())
		var st syscall.Stat_t
		if err := syscall.Lstat(child, &st); err != nil {
			if err == syscall.ENOENT {
				continue // gone since the directory was read
			}
			return toFailure(err, child)
		}
		if st.Dev != p.device {
			continue
		}
		if err := p.entry(child, &st); err != nil {
			return err
		}
	}
	return nil
}

// file packs as many bytes as the file had when it was opened, whatever becomes of it meanwhile.
func (p *packing) file(path string, header *tar.Header) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return toFailure(err, path)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return toFailure(err, path)
	}
	header.Size = st.Size
	if err := p.archive.WriteHeader(header); err != nil {
		return err
	}
	written, err := io.CopyBuffer(writerOnly{p.archive}, io.LimitReader(file, st.Size), p.buffer)
	if err != nil {
		return toFailure(err, path)
	}
	if written < st.Size {
		_, err = io.CopyN(p.archive, zeros{}, st.Size-written)
	}
	return err
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = 0
	}
	return len(into), nil
}

// channelWriter sends what is written as DATA.
type channelWriter struct{ channel *channel }

func (w channelWriter) Write(data []byte) (int, error) {
	if err := w.channel.send(data); err != nil {
		return 0, err
	}
	return len(data), nil
}
