//go:build !amd64

package main

import "syscall"

// forkExec starts a program. exitFd is for what other processors have, and is left alone.
func forkExec(path string, args []string, attr *syscall.ProcAttr, exitFd *int) (int, error) {
	return syscall.ForkExec(path, args, attr)
}
