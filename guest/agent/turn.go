package main

import (
	"sync/atomic"
	"syscall"
)

// mayKeepTurn are the methods that see to the turn themselves, or never wait; all others begin when another goroutine reads.
var mayKeepTurn = map[string]bool{"process.start": true, "hello": true, "identify": true}

// turn is the right to read what the host sends. Whoever holds it may carry out a request before he reads on, as long as the
// host sends nothing: waking another thread up to wait meanwhile takes longer than much of what is asked for.
type turn struct {
	session *session
	over    atomic.Bool
}

// give lets another goroutine read, if none does yet.
func (t *turn) give() {
	if t.end() {
		go t.session.read()
	}
}

// end is true for the one who ends it.
func (t *turn) end() bool { return t.over.CompareAndSwap(false, true) }

// keep leaves the turn with the caller until letGo: the poller gives it away when the host sends something. Its holder may be
// stuck by then, as in a file system that a user of the sandbox serves.
func (p *poller) keep(t *turn) {
	p.kept.Store(t)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: hostInput}
	if !t.session.parser.empty() || syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, t.session.fd, &event) != nil {
		t.give()
	}
}

// letGo ends keep. Nothing is left with the poller of what belongs to the host: a snapshot is taken without.
func (p *poller) letGo(t *turn) {
	// ENOENT: it was not kept, or has been given away.
	_ = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, t.session.fd, &syscall.EpollEvent{})
}

// hostSpeaks is called by the poller. The turn that is kept now may be a later one than it heard of, which then is given away
// for nothing.
func (p *poller) hostSpeaks() {
	if t := p.kept.Load(); t != nil {
		p.letGo(t)
		p.kept.Load().give()
	}
}
