package main

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"
)

// portConnect joins the channel with a TCP connection to a port inside.
func portConnect(c *call) (any, error) {
	var params struct {
		Port int `json:"port"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	conn, err := dialPort(params.Port)
	if err != nil {
		return nil, err
	}
	ch := c.channel
	ch.whenCancelled(func() { conn.Close() })
	ch.result(nil, 0)
	ch.session.out.flush()

	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			data, err := ch.receive()
			if err != nil || data == nil {
				break
			}
			if _, err := conn.Write(data); err != nil {
				// The other direction meets the same error and ends the channel.
				break
			}
		}
		conn.CloseWrite() // fails if the connection is gone, then nothing is left to say
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buffer)
		if n > 0 && ch.send(buffer[:n]) != nil {
			break
		}
		if err != nil {
			if errors.Is(err, syscall.ECONNRESET) {
				conn.Close()
				ch.fail(guestError(syscall.ECONNRESET, ""))
				ch.cancel()
				return handled, nil
			}
			break
		}
	}
	ch.end()
	<-done
	conn.Close()
	return handled, nil
}

const dialTimeout = 5 * time.Second

func dialPort(port int) (*net.TCPConn, error) {
	if port < 1 || port > 65535 {
		return nil, failed("bad_request", "port %d", port)
	}
	addresses := []string{"127.0.0.1", "::1"}
	own, _ := net.InterfaceAddrs() // none if it fails: loopback is left
	for _, address := range own {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() && len(addresses) < 6 {
			addresses = append(addresses, ip.IP.String())
		}
	}
	for _, address := range addresses {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), dialTimeout)
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
	}
	return nil, failed("port_closed", "nothing listens on port %d", port)
}
