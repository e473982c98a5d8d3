package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// fileInfo is FileInfo of the host's port.
type fileInfo struct {
	Path          string  `json:"path"`
	Name          string  `json:"name"`
	Type          string  `json:"type"`
	SizeBytes     int64   `json:"sizeBytes"`
	Mode          uint32  `json:"mode"`
	UID           uint32  `json:"uid"`
	GID           uint32  `json:"gid"`
	Owner         string  `json:"owner"`
	Group         string  `json:"group"`
	ModifiedAtMs  int64   `json:"modifiedAtMs"`
	SymlinkTarget *string `json:"symlinkTarget"`
}

// place is a path of a request, made absolute, and whom to act as.
type place struct {
	path string
	// who is nil when the request names no user: the agent acts as root
	who *account
	// owner gets what is created
	owner *account
}

// locate resolves path and user of a request. Without a user the path starts at the default user's home.
func (a *agent) locate(path, user string) (*place, error) {
	if path == "" || strings.Contains(path, "\x00") {
		return nil, guestError(syscall.EINVAL, "")
	}
	if len(path) > 4095 {
		return nil, guestError(syscall.ENAMETOOLONG, "")
	}
	at := &place{path: path}
	name := user
	if name == "" {
		name = a.identity.current().Defaults.User
	}
	owner, err := a.users.find(name)
	if err != nil {
		return nil, err
	}
	at.owner = owner
	if user != "" {
		at.who = owner
	}
	if path == "~" || strings.HasPrefix(path, "~/") {
		path = "." + path[1:]
	}
	if !strings.HasPrefix(path, "/") {
		path = owner.home + "/" + path
	}
	at.path = filepath.Clean(path)
	return at, nil
}

// do runs fn with the rights of the place and names its path in an error.
func (at *place) do(fn func() error) error {
	if err := asUser(at.who, fn); err != nil {
		return toFailure(err, at.path)
	}
	return nil
}

// own gives a new file to its owner where the agent created it as root.
func (at *place) own(fd int) error {
	if at.who != nil && at.who.uid != 0 || at.owner.uid == 0 && at.owner.gid == 0 {
		return nil
	}
	return syscall.Fchown(fd, at.owner.uid, at.owner.gid)
}

func fileType(mode uint32) string {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return "directory"
	case syscall.S_IFLNK:
		return "symlink"
	case syscall.S_IFIFO:
		return "fifo"
	case syscall.S_IFSOCK:
		return "socket"
	case syscall.S_IFCHR:
		return "char"
	case syscall.S_IFBLK:
		return "block"
	}
	return "file"
}

// describe makes the answer out of a stat; a symlink's target is read.
func (a *agent) describe(path string, st *syscall.Stat_t) fileInfo {
	owner, group := a.users.names(int(st.Uid), int(st.Gid))
	info := fileInfo{
		Path: path, Name: filepath.Base(path), Type: fileType(st.Mode), SizeBytes: st.Size, Mode: st.Mode & 0o7777,
		UID: st.Uid, GID: st.Gid, Owner: owner, Group: group,
		ModifiedAtMs: st.Mtim.Nano() / 1e6,
	}
	if info.Type == "symlink" {
		if target, err := os.Readlink(path); err == nil {
			info.SymlinkTarget = &target
		}
	}
	return info
}

// lstat describes what is at a path now.
func (a *agent) lstat(at *place) (any, error) {
	a.users.load()
	var info fileInfo
	err := at.do(func() error {
		var st syscall.Stat_t
		if err := syscall.Lstat(at.path, &st); err != nil {
			return err
		}
		info = a.describe(at.path, &st)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

type pathParams struct {
	Path string `json:"path"`
	User string `json:"user"`
}

func fileStat(c *call) (any, error) {
	var params pathParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	at, err := c.agent.locate(params.Path, params.User)
	if err != nil {
		return nil, err
	}
	return c.agent.lstat(at)
}
