package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// moveAcross moves between file systems, for instance from the tmpfs at /tmp: copy beside the target, rename, remove.
// Runs with the user's rights.
func moveAcross(from, to string) error {
	if isProc(from) {
		return syscall.EPERM
	}
	temp := filepath.Join(filepath.Dir(to), tempPrefix+newProcessID())
	if err := copyTree(from, temp); err != nil {
		os.RemoveAll(temp) // the first error counts
		return err
	}
	if err := syscall.Rename(temp, to); err != nil {
		os.RemoveAll(temp) // the first error counts
		return err
	}
	return removeAll(from)
}

func copyTree(from, to string) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(from, &st); err != nil {
		return err
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, to); err != nil {
			return err
		}
		return keepOwner(syscall.Lchown(to, int(st.Uid), int(st.Gid)))
	case syscall.S_IFREG:
		return copyFile(from, to, &st)
	case syscall.S_IFDIR:
		if err := syscall.Mkdir(to, 0o700); err != nil {
			return err
		}
		names, err := namesIn(from)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := copyTree(from+"/"+name, to+"/"+name); err != nil {
				return err
			}
		}
		return keepAttributes(from, to, &st)
	}
	return syscall.EXDEV // sockets, FIFOs and devices are not copied
}

func copyFile(from, to string, st *syscall.Stat_t) error {
	source, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if closing := target.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return keepAttributes(from, to, st)
}

func keepAttributes(from, path string, st *syscall.Stat_t) error {
	if err := keepOwner(syscall.Lchown(path, int(st.Uid), int(st.Gid))); err != nil {
		return err
	}
	if err := syscall.Chmod(path, st.Mode&0o7777); err != nil {
		return err
	}
	if attributes, err := readXattrs(from, "user.", maxXattrTotal); err == nil {
		if err := writeXattrs(path, attributes); err != nil && err != syscall.ENOTSUP {
			return err
		}
	}
	return syscall.UtimesNano(path, []syscall.Timespec{st.Atim, st.Mtim})
}

// keepOwner lets a user that cannot give files away become their owner, as mv(1) does.
func keepOwner(err error) error {
	if err == syscall.EPERM {
		return nil
	}
	return err
}
