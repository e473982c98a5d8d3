package main

import (
	"sync"
	"syscall"
)

// stdinPipe is the writing end of a process's standard input. Writers take turns; a writer that the process does not
// read from gives up when its channel is cancelled or the process ended.
type stdinPipe struct {
	turn sync.Mutex // held while writing

	mu      sync.Mutex
	fd      int // 0: none, -1: closed
	isPTY   bool
	closing bool
	users   int
}

func (s *stdinPipe) open(fd int, isPTY bool) {
	s.fd = fd
	s.isPTY = isPTY
}

// write returns when all bytes are in the pipe.
func (s *stdinPipe) write(data []byte, cancelled func() bool) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	if s.fd <= 0 || s.closing {
		s.mu.Unlock()
		return guestError(syscall.EPIPE, "")
	}
	fd := s.fd
	s.users++
	s.mu.Unlock()
	defer s.leave()
	for len(data) > 0 {
		n, err := syscall.Write(fd, data)
		if n > 0 {
			data = data[n:]
			continue
		}
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			waitFor(fd, pollOut, 500)
			s.mu.Lock()
			gone := s.closing
			s.mu.Unlock()
			if gone {
				return guestError(syscall.EPIPE, "")
			}
			if cancelled() {
				return errCancelled
			}
		case syscall.EIO: // a PTY without a terminal any more
			return guestError(syscall.EPIPE, "")
		default:
			return toFailure(err, "")
		}
	}
	return nil
}

// close lets the process see the end of its input; idempotent.
func (s *stdinPipe) close() {
	s.mu.Lock()
	s.closing = true
	s.release()
	s.mu.Unlock()
}

func (s *stdinPipe) leave() {
	s.mu.Lock()
	s.users--
	s.release()
	s.mu.Unlock()
}

// release closes the descriptor when nobody writes to it any more. Preconditions: mu held.
func (s *stdinPipe) release() {
	if s.closing && s.users == 0 && s.fd > 0 {
		syscall.Close(s.fd)
		s.fd = -1
	}
}
