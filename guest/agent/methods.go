package main

import (
	"encoding/json"
	"syscall"
	"time"
)

type method func(c *call) (any, error)

// methods is the whole list of what the host may ask.
var methods map[string]method

func init() {
	methods = map[string]method{
		"hello":        hello,
		"ping":         func(*call) (any, error) { return nil, nil },
		"identify":     identify,
		"setEnv":       setEnv,
		"setAuthority": setAuthority,
		"prepare":      prepare,
		"hold":         hold,
		"release":      release,
		"shutdown":     shutdown,
		"metrics":      metrics,

		"process.start":      processStart,
		"process.follow":     processFollow,
		"process.stdin":      processStdin,
		"process.closeStdin": processCloseStdin,
		"process.signal":     processSignal,
		"process.resize":     processResize,
		"process.list":       processList,
		"process.get":        processGet,
		"process.wait":       processWait,

		"file.stat":     fileStat,
		"file.list":     fileList,
		"file.read":     fileRead,
		"file.write":    fileWrite,
		"file.mkdir":    fileMkdir,
		"file.remove":   fileRemove,
		"file.move":     fileMove,
		"file.chmod":    fileChmod,
		"file.chown":    fileChown,
		"file.getXattr": fileGetXattr,
		"file.setXattr": fileSetXattr,
		"file.watch":    fileWatch,
		"file.unpack":   fileUnpack,
		"file.pack":     filePack,

		"port.connect": portConnect,
	}
}

const agentVersion = "0.2.0"

// capabilities tell a newer host what this agent, perhaps frozen long ago, can do.
var capabilities = []string{
	"processes", "pty", "files", "xattr", "watch", "ports", "hold", "culprits", "metrics", "hooks", "owner", "details",
	"env", "archives", "authority", "census", "keepOwners",
}

type helloAnswer struct {
	Agent        string   `json:"agent"`
	Protocol     int      `json:"protocol"`
	Capabilities []string `json:"capabilities"`
	SandboxID    string   `json:"sandboxId"`
	Generation   int      `json:"generation"`
}

func hello(c *call) (any, error) {
	var params struct {
		Protocols []int `json:"protocols"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	for _, offered := range params.Protocols {
		if offered == protocolVersion {
			identity := c.agent.identity.current()
			return helloAnswer{agentVersion, protocolVersion, capabilities, identity.SandboxID, identity.Generation}, nil
		}
	}
	return nil, failed("bad_request", "this agent speaks protocol %d", protocolVersion)
}

func processStart(c *call) (any, error) {
	var params struct {
		processSpec
		Follow bool `json:"follow"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	params.unread = params.Follow && params.GatherMs > 0
	if params.unread {
		c.agent.processes.poller.keep(c.turn)
		defer c.agent.processes.poller.letGo(c.turn)
	} else {
		c.turn.give()
	}
	p, err := c.agent.processes.start(&params.processSpec)
	if err != nil {
		return nil, err
	}
	if !params.Follow {
		return p.snapshot(), nil
	}
	p.follow(c.channel, [3]int64{}, false)
	if params.unread {
		p.gather(time.Duration(params.GatherMs) * time.Millisecond)
	}
	c.channel.session.out.flush()
	c.agent.processes.keepGathered(p)
	return handled, nil
}

func processFollow(c *call) (any, error) {
	var params struct {
		Ref  string           `json:"ref"`
		From map[string]int64 `json:"from"`
		Now  bool             `json:"now"`
		Kept bool             `json:"kept"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	p, err := c.agent.processes.find(params.Ref)
	if err != nil {
		return nil, err
	}
	var from [3]int64
	for i, name := range streamNames {
		if params.Now {
			from[i] = -1
		} else if at := params.From[name]; at > 0 {
			from[i] = at
		}
	}
	p.follow(c.channel, from, params.Kept)
	c.channel.session.out.flush()
	return handled, nil
}

type refParams struct {
	Ref string `json:"ref"`
}

func (c *call) process() (*process, error) {
	var params refParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	return c.agent.processes.find(params.Ref)
}

func processStdin(c *call) (any, error) {
	p, err := c.process()
	if err != nil {
		return nil, err
	}
	cancelled := func() bool { return !c.channel.alive() }
	for {
		data, err := c.channel.receive()
		if err != nil {
			return nil, err
		}
		if data == nil {
			return nil, nil
		}
		if err := p.stdin.write(data, cancelled); err != nil {
			return nil, err
		}
	}
}

func processCloseStdin(c *call) (any, error) {
	p, err := c.process()
	if err != nil {
		return nil, err
	}
	if p.stdin.isPTY {
		// A terminal has no end of input; ^D says it.
		return nil, p.stdin.write([]byte{4}, func() bool { return !c.channel.alive() })
	}
	p.stdin.close()
	return nil, nil
}

func processSignal(c *call) (any, error) {
	var params struct {
		Ref    string      `json:"ref"`
		Signal json.Number `json:"signal"`
		Name   string      `json:"name"`
		Group  bool        `json:"group"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	text := params.Name
	if text == "" {
		text = params.Signal.String()
	}
	signal, err := parseSignal(text)
	if err != nil {
		return nil, err
	}
	p, err := c.agent.processes.find(params.Ref)
	if err != nil {
		return nil, err
	}
	err = c.agent.processes.kill(p, signal, params.Group)
	if signal == syscall.SIGKILL || signal == syscall.SIGTERM {
		p.stopLingering()
	}
	return nil, err
}

func processResize(c *call) (any, error) {
	var params struct {
		refParams
		ptySize
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	p, err := c.agent.processes.find(params.Ref)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pty < 0 {
		return nil, guestError(syscall.ENOTTY, "")
	}
	if err := resizePTY(p.pty, params.ptySize); err != nil {
		return nil, toFailure(err, "")
	}
	tellResized(p.pty, p.info.PID)
	return nil, nil
}

func processList(c *call) (any, error) {
	type batch struct {
		Processes []processInfo `json:"processes"`
	}
	infos := c.agent.processes.list()
	for len(infos) > 0 {
		n, size := 0, 0
		for n < len(infos) && (n == 0 || size < 32<<10) {
			for _, arg := range infos[n].Args {
				size += len(arg) + 4
			}
			for name, value := range infos[n].Env {
				size += len(name) + len(value) + 8
			}
			size += 300
			n++
		}
		if err := c.channel.sendItem(batch{infos[:n]}); err != nil {
			return nil, err
		}
		infos = infos[n:]
	}
	return nil, nil
}

func processGet(c *call) (any, error) {
	p, err := c.process()
	if err != nil {
		return nil, err
	}
	return p.snapshot(), nil
}

// processWait answers when the process has ended; nothing waits for it meanwhile but its entry here.
func processWait(c *call) (any, error) {
	p, err := c.process()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exit != nil {
		return *p.exit, nil
	}
	channel := c.channel
	p.waiters = append(p.waiters, func(exit processExit) {
		channel.result(exit, flagEnd)
		channel.session.forget(channel)
	})
	return handled, nil
}
