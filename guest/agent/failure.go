package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// failure is what an ERROR frame carries. Kinds: guest_error, process_not_found, port_closed, unknown_method,
// bad_request, too_many, cancelled, internal.
type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Errno   string `json:"errno,omitempty"`
	Path    string `json:"path,omitempty"`
	// What of the request it is about where the errno leaves that open: user, cwd, program.
	What string `json:"what,omitempty"`
}

func (f *failure) Error() string { return f.Kind + ": " + f.Message }

func failed(kind, format string, args ...any) *failure {
	return &failure{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func guestError(errno syscall.Errno, path string) *failure {
	message := errno.Error()
	if path != "" {
		message += ": " + path
	}
	return &failure{Kind: "guest_error", Message: message, Errno: errnoName(errno), Path: path}
}

// about says what of the request a failure is about.
func about(what string, err error) error {
	f := toFailure(err, "")
	f.What = what
	return f
}

// toFailure names the errno in an error of the standard library; `path` is what the request named.
func toFailure(err error, path string) *failure {
	var already *failure
	if errors.As(err, &already) {
		return already
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return guestError(errno, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return guestError(syscall.ENOENT, path)
	case errors.Is(err, fs.ErrInvalid):
		return guestError(syscall.EINVAL, path)
	}
	return &failure{Kind: "internal", Message: err.Error(), Path: path}
}

func errnoName(errno syscall.Errno) string {
	if name, ok := errnoNames[errno]; ok {
		return name
	}
	return fmt.Sprintf("E%d", int(errno))
}

var errnoNames = map[syscall.Errno]string{
	syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.ESRCH: "ESRCH", syscall.EINTR: "EINTR",
	syscall.EIO: "EIO", syscall.ENXIO: "ENXIO", syscall.E2BIG: "E2BIG", syscall.ENOEXEC: "ENOEXEC",
	syscall.EBADF: "EBADF", syscall.ECHILD: "ECHILD", syscall.EAGAIN: "EAGAIN", syscall.ENOMEM: "ENOMEM",
	syscall.EACCES: "EACCES", syscall.EFAULT: "EFAULT", syscall.EBUSY: "EBUSY", syscall.EEXIST: "EEXIST",
	syscall.EXDEV: "EXDEV", syscall.ENODEV: "ENODEV", syscall.ENOTDIR: "ENOTDIR", syscall.EISDIR: "EISDIR",
	syscall.EINVAL: "EINVAL", syscall.ENFILE: "ENFILE", syscall.EMFILE: "EMFILE", syscall.ENOTTY: "ENOTTY",
	syscall.ETXTBSY: "ETXTBSY", syscall.EFBIG: "EFBIG", syscall.ENOSPC: "ENOSPC", syscall.ESPIPE: "ESPIPE",
	syscall.EROFS: "EROFS", syscall.EMLINK: "EMLINK", syscall.EPIPE: "EPIPE", syscall.ERANGE: "ERANGE",
	syscall.ENAMETOOLONG: "ENAMETOOLONG", syscall.ENOSYS: "ENOSYS", syscall.ENOTEMPTY: "ENOTEMPTY",
	syscall.ELOOP: "ELOOP", syscall.EOVERFLOW: "EOVERFLOW", syscall.EDQUOT: "EDQUOT", syscall.ESTALE: "ESTALE",
	syscall.ENOTSUP: "ENOTSUP", syscall.ENODATA: "ENODATA", syscall.ETIMEDOUT: "ETIMEDOUT",
	syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ECONNRESET: "ECONNRESET", syscall.ENOTCONN: "ENOTCONN",
	syscall.EADDRINUSE: "EADDRINUSE", syscall.ENETUNREACH: "ENETUNREACH", syscall.EHOSTUNREACH: "EHOSTUNREACH",
	syscall.ELIBBAD: "ELIBBAD", syscall.EDOM: "EDOM", syscall.EPROTO: "EPROTO",
}
