package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func fileMkdir(c *call) (any, error) {
	var params struct {
		pathParams
		Mode    *uint32 `json:"mode"`
		Parents bool    `json:"parents"`
	}
	at, err := c.decodePlace(&params)
	if err != nil {
		return nil, err
	}
	mode := uint32(0o755)
	if params.Mode != nil {
		mode = *params.Mode & 0o7777
	}
	err = at.do(func() error {
		var st syscall.Stat_t
		if syscall.Stat(at.path, &st) == nil {
			if params.Parents && st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
				return nil
			}
			return syscall.EEXIST
		}
		if params.Parents {
			if err := at.makeParents(filepath.Dir(at.path)); err != nil {
				return err
			}
		}
		return at.makeDir(at.path, mode)
	})
	if err != nil {
		return nil, err
	}
	return c.agent.lstat(at, details{})
}

func fileRemove(c *call) (any, error) {
	var params struct {
		pathParams
		Recursive bool `json:"recursive"`
	}
	at, err := c.decodePlace(&params)
	if err != nil {
		return nil, err
	}
	if at.path == "/" {
		return nil, guestError(syscall.EBUSY, "/")
	}
	return nil, at.do(func() error {
		var st syscall.Stat_t
		if err := syscall.Lstat(at.path, &st); err != nil {
			return err
		}
		if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			return syscall.Unlink(at.path)
		}
		if params.Recursive {
			return removeAll(at.path)
		}
		return syscall.Rmdir(at.path)
	})
}

// removeAll takes a directory with all that is below it. Not one of /proc: gVisor opens /proc/1/root although told not to
// follow links, and so the sandbox's own files would go.
func removeAll(path string) error {
	if isProc(path) {
		return syscall.EPERM
	}
	return os.RemoveAll(path)
}

const procSuperMagic = 0x9fa0

// isProc tells whether path is a directory of the kernel's own, no link to one.
func isProc(path string) bool {
	var st syscall.Stat_t
	var fs syscall.Statfs_t
	return syscall.Lstat(path, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR &&
		syscall.Statfs(path, &fs) == nil && fs.Type == procSuperMagic
}

func fileMove(c *call) (any, error) {
	var params struct {
		From string `json:"from"`
		To   string `json:"to"`
		access
		details
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	from, err := c.agent.locate(params.From, params.access)
	if err != nil {
		return nil, err
	}
	to, err := c.agent.locate(params.To, params.access)
	if err != nil {
		return nil, err
	}
	err = from.do(func() error {
		var st syscall.Stat_t
		if err := syscall.Lstat(from.path, &st); err != nil {
			return err
		}
		if err := to.makeParents(filepath.Dir(to.path)); err != nil {
			return err
		}
		err := syscall.Rename(from.path, to.path)
		if err == syscall.EXDEV {
			return moveAcross(from.path, to.path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.agent.lstat(to, params.details)
}

func fileChmod(c *call) (any, error) {
	var params struct {
		pathParams
		Mode uint32 `json:"mode"`
	}
	at, err := c.decodePlace(&params)
	if err != nil {
		return nil, err
	}
	return nil, at.do(func() error { return syscall.Chmod(at.path, params.Mode&0o7777) })
}

// fileChown changes the owner, and the group too if the owner says one (`user:group`).
func fileChown(c *call) (any, error) {
	var params struct {
		pathParams
		Owner string `json:"owner"`
	}
	at, err := c.decodePlace(&params)
	if err != nil {
		return nil, err
	}
	who, err := c.agent.users.find(params.Owner)
	if err != nil {
		return nil, err
	}
	gid := -1
	if strings.Contains(params.Owner, ":") {
		gid = who.gid
	}
	return nil, at.do(func() error { return syscall.Chown(at.path, who.uid, gid) })
}
