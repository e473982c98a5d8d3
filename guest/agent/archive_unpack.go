package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxKnownDirs bounds what an archive of many directories makes the agent remember.
const maxKnownDirs = 1000

// maxLinks is how many links in a row are followed, as by the kernel.
const maxLinks = 40

type unpackParams struct {
	Source      string  `json:"source"`
	Destination string  `json:"destination"`
	Owner       string  `json:"owner"`
	KeepOwners  bool    `json:"keepOwners"`
	Mode        *uint32 `json:"mode"`
}

type unpackAnswer struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// fileUnpack takes a tar archive, plain or gzip, that follows the request, and puts what of it is wanted below the
// destination as it comes.
func fileUnpack(c *call) (any, error) {
	var params unpackParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	at, err := c.agent.locate(params.Destination, access{Owner: params.Owner})
	if err != nil {
		return nil, err
	}
	pattern, err := newSourcePattern(params.Source)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	u := &unpacking{
		at: at, pattern: pattern, mode: params.Mode, keepOwners: params.KeepOwners, known: map[string]string{}, buffer: make([]byte, maxPayload),
		intoDirectory: pattern.wild || strings.HasSuffix(params.Destination, "/") ||
			syscall.Stat(at.path, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR,
	}
	body := &channelReader{channel: c.channel}
	if err := u.all(body); err != nil {
		if body.err != nil {
			return nil, body.err
		}
		return nil, err
	}
	if u.answer.Entries == 0 {
		return nil, guestError(syscall.ENOENT, params.Source)
	}
	return u.answer, nil
}

// unpacking is one archive on its way. It runs as root and gives everything to the owner.
type unpacking struct {
	at      *place
	pattern *sourcePattern
	mode    *uint32
	// keepOwners: entries get the owners that the archive says
	keepOwners bool
	// made: the destination was not there
	made bool
	// intoDirectory: a single file goes into the destination, not in its place
	intoDirectory bool
	// base is the destination with its symlinks resolved, once something has matched
	base string
	// known holds directories below base, by their names in the archive
	known  map[string]string
	// links is how many links that lead to nothing yet are being followed, one from another
	links  int
	buffer []byte
	answer unpackAnswer
}

func (u *unpacking) all(body io.Reader) error {
	archive, err := decompressed(body)
	if err != nil {
		return err
	}
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			// Padding after the end of the archive is read too, or its sender would wait for ever.
			_, err = io.Copy(io.Discard, archive)
			return unreadable(err)
		}
		if err != nil {
			return unreadable(err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := entryName(header.Name)
		if err != nil {
			return err
		}
		below, wanted := u.pattern.match(name)
		if !wanted {
			continue
		}
		if err := u.entry(header, name, below, reader); err != nil {
			return err
		}
		u.answer.Entries++
	}
}

func decompressed(body io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(body, maxPayload)
	start, err := buffered.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(start) < 2 || start[0] != 0x1f || start[1] != 0x8b {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	return unzipped, unreadable(err)
}

func unreadable(err error) error {
	var known *failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	return failed("bad_request", "the archive cannot be read: %v", err)
}

// entry makes one file, directory or link. `below` is empty for what the source names itself.
func (u *unpacking) entry(header *tar.Header, name, below []string, content io.Reader) error {
	isDir := header.Typeflag == tar.TypeDir
	if len(below) == 0 && !isDir {
		return u.alone(header, name, content)
	}
	if err := u.enter(u.at.path); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if u.keepOwners {
			return nil // of a whole system, which has its devices from whoever runs it
		}
	}
	if isDir {
		return u.directory(header, below)
	}
	dir, err := u.dir(below[:len(below)-1])
	if err != nil {
		return err
	}
	return u.leaf(header, filepath.Join(dir, below[len(below)-1]), content)
}

// alone makes what the source names, and is no directory: in the destination's place or inside it.
func (u *unpacking) alone(header *tar.Header, name []string, content io.Reader) error {
	dir, last := filepath.Dir(u.at.path), filepath.Base(u.at.path)
	if u.intoDirectory || u.base != "" {
		dir, last = u.at.path, ""
		if len(name) > 0 {
			last = name[len(name)-1]
		}
	}
	if last == "" || last == "/" {
		return failed("bad_request", "the archive has an entry without a name")
	}
	if err := u.at.makeParents(dir); err != nil {
		return toFailure(err, dir)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return toFailure(err, dir)
	}
	return u.leaf(header, filepath.Join(resolved, last), content)
}

// enter makes the destination once.
func (u *unpacking) enter(dir string) error {
	if u.base != "" {
		return nil
	}
	var st syscall.Stat_t
	u.made = syscall.Stat(dir, &st) != nil
	if err := u.at.makeParents(dir); err != nil {
		return toFailure(err, dir)
	}
	base, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return toFailure(err, dir)
	}
	u.base = base
	return nil
}

// dir finds or makes a directory below base. A symlink on the way counts if it leads to a directory below base.
func (u *unpacking) dir(below []string) (string, error) {
	if len(below) == 0 {
		return u.base, nil
	}
	key := strings.Join(below, "/")
	if known, ok := u.known[key]; ok {
		return known, nil
	}
	parent, err := u.dir(below[:len(below)-1])
	if err != nil {
		return "", err
	}
	path := filepath.Join(parent, below[len(below)-1])
	var st syscall.Stat_t
	switch err := syscall.Lstat(path, &st); {
	case err == syscall.ENOENT:
		if err := u.at.makeDir(path, 0o755); err != nil {
			return "", toFailure(err, path)
		}
	case err != nil:
		return "", toFailure(err, path)
	case st.Mode&syscall.S_IFMT == syscall.S_IFLNK:
		if path, err = u.followed(path); err != nil {
			return "", err
		}
	case st.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		return "", guestError(syscall.ENOTDIR, path)
	}
	if len(u.known) >= maxKnownDirs {
		u.known = map[string]string{}
	}
	u.known[key] = path
	return path, nil
}

func (u *unpacking) followed(link string) (string, error) {
	resolved, err := filepath.EvalSymlinks(link)
	if errors.Is(err, syscall.ENOENT) {
		// Archives name links before what they lead to: a directory of theirs that comes later is made now.
		if err := u.ahead(link); err != nil {
			return "", err
		}
		resolved, err = filepath.EvalSymlinks(link)
	}
	if err != nil {
		return "", toFailure(err, link)
	}
	if u.base != "/" && resolved != u.base && !strings.HasPrefix(resolved, u.base+"/") {
		return "", failed("bad_request", "the archive writes through a link that leads out of the destination: %.200q", link)
	}
	var st syscall.Stat_t
	if err := syscall.Lstat(resolved, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return "", guestError(syscall.ENOTDIR, link)
	}
	return resolved, nil
}

// ahead makes the directory that a link below base leads to, if that is below base too.
func (u *unpacking) ahead(link string) error {
	target, err := os.Readlink(link)
	if err != nil {
		return toFailure(err, link)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	below, err := filepath.Rel(u.base, target)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return guestError(syscall.ENOENT, link)
	}
	if u.links++; u.links > maxLinks {
		return guestError(syscall.ELOOP, link)
	}
	_, err = u.dir(segmentsOf(below))
	u.links--
	return err
}

func (u *unpacking) directory(header *tar.Header, below []string) error {
	path, err := u.dir(below)
	if err != nil || len(below) == 0 && !(u.keepOwners && u.made) {
		return err // the destination itself stays as it is
	}
	mode := uint32(header.Mode) & 0o7777
	if u.mode != nil {
		// Who may read it may also enter it.
		mode = *u.mode&0o7777 | (*u.mode&0o444)>>2
	}
	return u.dress(header, path, mode)
}

// leaf makes what is not a directory. What has the name already goes, unless it is a directory.
func (u *unpacking) leaf(header *tar.Header, path string, content io.Reader) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err == nil {
		if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			return guestError(syscall.EISDIR, path)
		}
		if err := syscall.Unlink(path); err != nil {
			return toFailure(err, path)
		}
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(header, path, content)
	case tar.TypeSymlink:
		// A name that was a directory by way of another link may lead elsewhere now.
		u.known = map[string]string{}
		if err := syscall.Symlink(header.Linkname, path); err != nil {
			return toFailure(err, path)
		}
		return u.give(header, path)
	case tar.TypeLink:
		target, err := u.linked(header.Linkname)
		if err != nil {
			return err
		}
		return toFailureOrNil(syscall.Link(target, path), path)
	}
	return failed("bad_request", "the archive has an entry that is no file, directory or link: %.200q", header.Name)
}

func (u *unpacking) file(header *tar.Header, path string, content io.Reader) error {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return toFailure(err, path)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	written, err := io.CopyBuffer(writerOnly{file}, content, u.buffer)
	u.answer.Bytes += written
	if err != nil {
		var pathError *os.PathError
		if errors.As(err, &pathError) {
			return toFailure(err, path)
		}
		return unreadable(err)
	}
	mode := uint32(header.Mode) & 0o7777
	if u.mode != nil {
		mode = *u.mode & 0o7777
	}
	if err := u.dress(header, path, mode); err != nil {
		return err
	}
	if header.ModTime.Unix() > 0 {
		times := []syscall.Timespec{syscall.NsecToTimespec(header.ModTime.UnixNano()), syscall.NsecToTimespec(header.ModTime.UnixNano())}
		return toFailureOrNil(syscall.UtimesNano(path, times), path)
	}
	return nil
}

// writerOnly keeps io.Copy from looking for shortcuts that would leave the buffer unused.
type writerOnly struct{ io.Writer }

// linked finds the file that a hard link names: another entry, where it was put.
func (u *unpacking) linked(linkname string) (string, error) {
	name, err := entryName(linkname)
	if err != nil {
		return "", err
	}
	below, wanted := u.pattern.match(name)
	if !wanted || len(below) == 0 || u.base == "" {
		return "", failed("bad_request", "the archive has a link to what is not copied: %.200q", linkname)
	}
	dir, err := u.dir(below[:len(below)-1])
	return filepath.Join(dir, below[len(below)-1]), err
}

// dress gives owner and permissions; the owner first, for that takes set-user-id bits away.
func (u *unpacking) dress(header *tar.Header, path string, mode uint32) error {
	if err := u.give(header, path); err != nil {
		return err
	}
	return toFailureOrNil(syscall.Chmod(path, mode), path)
}

// give gives what was made to whom it is to belong.
func (u *unpacking) give(header *tar.Header, path string) error {
	uid, gid := u.at.owner.uid, u.at.owner.gid
	if u.keepOwners {
		uid, gid = header.Uid, header.Gid
	}
	return toFailureOrNil(syscall.Lchown(path, uid, gid), path)
}

func toFailureOrNil(err error, path string) error {
	if err == nil {
		return nil
	}
	return toFailure(err, path)
}

// channelReader reads the DATA of a channel. `err` is why it ended early.
type channelReader struct {
	channel *channel
	rest    []byte
	err     error
}

func (r *channelReader) Read(into []byte) (int, error) {
	if len(r.rest) == 0 {
		data, err := r.channel.receive()
		if err != nil {
			r.err = err
			return 0, err
		}
		if data == nil {
			return 0, io.EOF
		}
		r.rest = data
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
