package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A tree is what the host has this program read, or change, instead of doing it itself: the files of an image, a snapshot or
// a root, made by whoever was inside. Links are resolved by the kernel with the tree as the root, walks follow none. What it
// finds goes to standard output as lines of JSON; the last one has `end` or `error`. The bytes of a file or an archive follow
// a first line. Of a tree that others write meanwhile, what goes away under a walk was not there.

// maxTreeDepth is how deep a walk goes: each level keeps a file descriptor open, of both trees in a comparison.
const maxTreeDepth = 400

// maxTreeNames is how many names of one directory are read.
const maxTreeNames = 1 << 20

type treeRequest struct {
	Do   string `json:"do"`
	Root string `json:"root"`
	// Other is the tree that Root is compared with
	Other string `json:"other"`
	Path  string `json:"path"`

	Depth int    `json:"depth"`
	Limit int    `json:"limit"`
	After string `json:"after"`

	Offset int64 `json:"offset"`
	// Length is -1 for all
	Length int64 `json:"length"`

	Name    string `json:"name"`
	Content string `json:"content"`

	TimeoutMs int64 `json:"timeoutMs"`
	ReadBytes int64 `json:"readBytes"`

	// UID and GID are -1 to leave them as they are
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Mode uint32 `json:"mode"`
	// SetMode: of what is there already the mode is changed too
	SetMode bool `json:"setMode"`
	// Parents: directories that are missing on the way are made
	Parents   bool `json:"parents"`
	Exclusive bool `json:"exclusive"`
}

// treeMain does what a request says and returns the exit code: 0 also where the answer is an error of the tree's.
func treeMain(text string, stdin io.Reader, stdout io.Writer) int {
	debug.SetMemoryLimit(1 << 30)
	out := &treeOutput{Writer: bufio.NewWriterSize(stdout, maxPayload)}
	var request treeRequest
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		fmt.Fprintln(os.Stderr, "tree: not a request:", err)
		return 2
	}
	err := request.run(stdin, out)
	if err != nil && out.bytes {
		fmt.Fprintln(os.Stderr, "tree:", err) // what was begun cannot be told apart from the end any more
		return 1
	}
	if err != nil {
		out.line(map[string]any{"error": toFailure(err, request.Path)})
	}
	if err := out.Flush(); err != nil {
		return 1 // nobody reads any more
	}
	return 0
}

func (r *treeRequest) run(stdin io.Reader, out *treeOutput) error {
	root, err := openTree(r.Root)
	if err != nil {
		return err
	}
	switch r.Do {
	case "stat":
		return root.stat(r.Path, out)
	case "list":
		return root.list(r, out)
	case "read":
		return root.read(r, out)
	case "pack":
		return root.pack(r, out)
	case "search":
		return root.search(r, out)
	case "compare":
		other, err := openTree(r.Other)
		if err != nil {
			return err
		}
		return compareTrees(root, other, r, out)
	case "makeDir":
		return root.makeDir(r, out)
	case "write":
		return root.write(r, stdin, out)
	case "change":
		return root.change(r, out)
	case "remove":
		return root.remove(r, out)
	}
	return failed("unknown_method", "%.40q", r.Do)
}

type treeOutput struct {
	*bufio.Writer
	// bytes: what follows is no JSON any more
	bytes bool
	told  int
}

// maxTreeTold is how many bytes of lines are written before what finds more stops telling: paths may be long.
const maxTreeTold = 16 << 20

func (out *treeOutput) full() bool { return out.told > maxTreeTold }

// line writes one line of JSON. An error stays in the writer and is told by its Flush.
func (out *treeOutput) line(value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.Encode(value)
	out.told += text.Len()
	out.Write(text.Bytes())
}

type tree struct {
	agent *agent
	fd    int
}

func openTree(path string) (*tree, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t := &tree{&agent{users: newUsers()}, fd}
	t.agent.users.fill(t.lines("etc/passwd"), t.lines("etc/group"))
	return t, nil
}

func (t *tree) lines(path string) []string {
	file, st, err := t.openFile(path)
	if err != nil || st.Size > maxAccountsFile {
		return nil // numbers are told instead of names
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxAccountsFile))
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}

// Numbers that package syscall does not know, or not under one name.
var (
	openat2Call = uintptr(437)
	fstatatCall = map[string]uintptr{"amd64": 262, "arm64": 79}[runtime.GOARCH]
)

const (
	resolveNoXDev       = 0x01
	resolveNoMagicLinks = 0x02
	resolveInRoot       = 0x10
	openPathOnly        = 0x200000
	atSymlinkNofollow   = 0x100
)

// open opens what a path of the tree leads to, through links and `..` as the kernel resolves them in a root of its own.
func (t *tree) open(path string, flags int) (int, error) {
	path = strings.TrimLeft(path, "/")
	if path == "" {
		path = "."
	}
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, syscall.EINVAL
	}
	how := struct{ flags, mode, resolve uint64 }{
		uint64(flags | syscall.O_CLOEXEC), 0, resolveInRoot | resolveNoMagicLinks | resolveNoXDev,
	}
	for {
		fd, _, errno := syscall.Syscall6(openat2Call, uintptr(t.fd), uintptr(unsafe.Pointer(name)),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case syscall.EINTR, syscall.EAGAIN: // EAGAIN: something on this machine was renamed meanwhile
			continue
		}
		return -1, errno
	}
}

// openFile opens a regular file without waiting for anybody at the other end of what is none.
func (t *tree) openFile(path string) (*os.File, *syscall.Stat_t, error) {
	fd, err := t.open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY)
	if err != nil {
		if err == syscall.ENXIO || err == syscall.EACCES { // a socket; a device, which the cage does not open
			err = syscall.EINVAL
		}
		return nil, nil, err
	}
	file, st, err := regular(fd)
	return file, st, err
}

// openDir opens the directory that a path leads to.
func (t *tree) openDir(path string) (int, error) {
	return t.open(path, syscall.O_RDONLY|syscall.O_DIRECTORY)
}

// lstat is of what is at a path, if that is a link of the link.
func (t *tree) lstat(path string) (*syscall.Stat_t, int, error) {
	fd, err := t.open(path, openPathOnly|syscall.O_NOFOLLOW)
	if err != nil {
		return nil, -1, err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		syscall.Close(fd)
		return nil, -1, err
	}
	return &st, fd, nil
}

// regular takes an open file if it is a regular one, and closes it otherwise.
func regular(fd int) (*os.File, *syscall.Stat_t, error) {
	var st syscall.Stat_t
	err := syscall.Fstat(fd, &st)
	if err == nil {
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFREG:
			return os.NewFile(uintptr(fd), ""), &st, nil
		case syscall.S_IFDIR:
			err = syscall.EISDIR
		default:
			err = syscall.EINVAL
		}
	}
	syscall.Close(fd)
	return nil, nil, err
}

// fileIn opens a regular file by its name in an open directory.
func fileIn(dir int, name string) (*os.File, *syscall.Stat_t, error) {
	fd, err := syscall.Openat(dir, name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return regular(fd)
}

func dirIn(dir int, name string) (int, error) {
	return syscall.Openat(dir, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
}

func lstatIn(dir int, name string, st *syscall.Stat_t) error {
	pointer, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall6(fstatatCall, uintptr(dir), uintptr(unsafe.Pointer(pointer)),
		uintptr(unsafe.Pointer(st)), atSymlinkNofollow, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func readlinkIn(dir int, name string) (string, error) {
	pointer, err := syscall.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	buffer := make([]byte, 4096)
	n, _, errno := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(pointer)),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0)
	if errno != 0 {
		return "", errno
	}
	return string(buffer[:n]), nil
}

// describe tells about an entry of an open directory; an empty name means what is open itself.
func (t *tree) describe(dir int, name, path string, st *syscall.Stat_t) fileInfo {
	owner, group := t.agent.users.names(int(st.Uid), int(st.Gid))
	info := fileInfo{
		Path: path, Name: path[strings.LastIndexByte(path, '/')+1:], Type: fileType(st.Mode), SizeBytes: st.Size,
		Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, Owner: owner, Group: group, ModifiedAtMs: st.Mtim.Nano() / 1e6,
		AccessedAtMs: st.Atim.Nano() / 1e6, ChangedAtMs: st.Ctim.Nano() / 1e6,
	}
	if info.Name == "" {
		info.Name = "/"
	}
	if st.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		if target, err := readlinkIn(dir, name); err == nil {
			info.SymlinkTarget = &target
		}
	}
	return info
}

// cleanPath is an absolute path of a request as the answers begin with it: `/`, or without a slash at the end, and without `..`,
// which a name in an open directory must not be.
func cleanPath(path string) (string, error) {
	if !strings.HasPrefix(path, "/") || strings.ContainsRune(path, 0) {
		return "", guestError(syscall.EINVAL, path)
	}
	if len(path) > 4095 {
		return "", guestError(syscall.ENAMETOOLONG, path)
	}
	return filepath.Clean(path), nil
}

func below(path, name string) string {
	if path == "/" {
		return "/" + name
	}
	return path + "/" + name
}

// bounds end a walk that takes too long or goes too deep, and remember why.
type bounds struct {
	deadline time.Time
	entries  int
	why      string
}

var errEnough = errors.New("enough")

func newBounds(timeoutMs int64) *bounds {
	b := &bounds{}
	if timeoutMs > 0 {
		b.deadline = time.Now().Add(time.Duration(timeoutMs) * time.Millisecond)
	}
	return b
}

// step counts an entry; errEnough where that is the end.
func (b *bounds) step() error {
	b.entries++
	if b.entries&0xff == 0 && b.late() {
		return errEnough
	}
	if b.entries > maxTreeEntries {
		b.why = "entries"
		return errEnough
	}
	return nil
}

// late tells that the time is up.
func (b *bounds) late() bool {
	if b.deadline.IsZero() || time.Now().Before(b.deadline) {
		return false
	}
	b.why = "time"
	return true
}

// maxTreeEntries is how many entries a walk looks at.
const maxTreeEntries = 20_000_000

// passed over: something was too deep, or was too much at once. The first reason stays.
func (b *bounds) passed(why string) {
	if b.why == "" {
		b.why = why
	}
}
