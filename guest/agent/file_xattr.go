package main

import (
	"strings"
	"syscall"
)

const (
	maxXattrList  = 64 << 10
	maxXattrValue = 64 << 10
	maxXattrTotal = 256 << 10
)

// fileGetXattr answers all attributes of the `user.` namespace, by full name.
func fileGetXattr(c *call) (any, error) {
	var params pathParams
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	at, err := c.agent.locate(params.Path, params.User)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	err = at.do(func() error {
		list := make([]byte, maxXattrList)
		n, err := syscall.Listxattr(at.path, list)
		if err != nil {
			return err
		}
		total := 0
		value := make([]byte, maxXattrValue)
		for _, name := range strings.Split(string(list[:n]), "\x00") {
			if !strings.HasPrefix(name, "user.") {
				continue
			}
			size, err := syscall.Getxattr(at.path, name, value)
			if err == syscall.ENODATA {
				continue // removed since it was listed
			}
			if err != nil {
				return err
			}
			if total += len(name) + size; total > maxXattrTotal {
				return syscall.E2BIG
			}
			attributes[name] = string(value[:size])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"attributes": attributes}, nil
}

// fileSetXattr sets the given attributes and leaves others alone; names begin with `user.`.
func fileSetXattr(c *call) (any, error) {
	var params struct {
		pathParams
		Attributes map[string]string `json:"attributes"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	at, err := c.agent.locate(params.Path, params.User)
	if err != nil {
		return nil, err
	}
	return nil, at.do(func() error {
		for name, value := range params.Attributes {
			if !strings.HasPrefix(name, "user.") {
				return syscall.EINVAL
			}
			if err := syscall.Setxattr(at.path, name, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}
