package main

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// poller reads all output pipes and PTYs on one thread: many processes cost one thread, and output reaches its followers
// without a change of goroutines.
type poller struct {
	fd      int
	scratch []byte

	mu sync.Mutex
	// streams by a number that is never used twice: an event read before its descriptor was closed finds nobody
	streams map[int32]*stream
	last    int32

	// kept is the latest turn of whoever reads the host's frames that was left with him
	kept atomic.Pointer[turn]
}

// hostInput stands for what the host sends; streams are numbered from 1.
const hostInput = 0

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &poller{fd: fd, streams: map[int32]*stream{}, scratch: make([]byte, 64<<10)}, nil
}

// watch calls st.readable whenever there is something to read. Level-triggered, so one read per call is enough.
func (p *poller) watch(st *stream) error {
	p.mu.Lock()
	p.last++
	st.watched = p.last
	p.streams[st.watched] = st
	p.mu.Unlock()
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, st.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: st.watched})
}

// unwatch must come before the descriptor is closed.
func (p *poller) unwatch(st *stream) {
	p.mu.Lock()
	delete(p.streams, st.watched)
	p.mu.Unlock()
	syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, st.fd, &syscall.EpollEvent{}) // fails only if it was not watched
}

func (p *poller) run() {
	events := make([]syscall.EpollEvent, 64)
	for {
		n, err := syscall.EpollWait(p.fd, events, -1)
		if err != nil {
			if err != syscall.EINTR {
				logf("epoll: %v", err)
			}
			continue
		}
		for i := 0; i < n; i++ {
			if events[i].Fd == hostInput {
				p.hostSpeaks()
				continue
			}
			p.mu.Lock()
			st := p.streams[events[i].Fd]
			p.mu.Unlock()
			if st != nil {
				guard(func() { st.readable(p.scratch) })
			}
		}
	}
}
