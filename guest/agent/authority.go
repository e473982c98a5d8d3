package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

const (
	// authorityFile holds what this sandbox trusts besides its system's own, and tells a later life that it did.
	authorityFile = "/etc/spawnpoint/authority.pem"
	authorityHead = "# spawnpoint: put there for this sandbox\n"
	authorityTail = "# spawnpoint: end\n"
	maxBundle     = 4 << 20
)

// bundles are where distributions keep the certificates that programs trust: Debian, Alpine and Arch; Red Hat, by its old name
// and its new one; SUSE; Alpine.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
}

// sources are where they keep what goes into a bundle that is made anew.
var sources = []string{"/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"}

// authority sees to it that programs trust whom the host says they shall, in a bundle that a package makes later as well.
type authority struct {
	mu   sync.Mutex
	pem  string
	seen map[string]bundleSeen
	env  map[string]string
}

// bundleSeen tells a bundle that was completed from one that was made since.
type bundleSeen struct {
	ino  uint64
	size int64
	at   syscall.Timespec
}

func setAuthority(c *call) (any, error) {
	var params struct {
		PEM string `json:"pem"`
	}
	if err := c.decode(&params); err != nil {
		return nil, err
	}
	c.agent.authority.set(params.PEM)
	return nil, nil
}

// set takes the place of what was set before, by an earlier life on the same files too.
func (a *authority) set(pem string) {
	if len(pem) > 64<<10 {
		return
	}
	if pem != "" && !strings.HasSuffix(pem, "\n") {
		pem += "\n"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if pem == "" && a.pem == "" {
		// The usual case costs one look.
		if _, err := os.Lstat(authorityFile); err != nil {
			return
		}
	}
	a.pem, a.seen, a.env = pem, map[string]bundleSeen{}, nil
	done := func(what string, err error) {
		if err != nil {
			logf("%s: %v", what, err)
		}
	}
	if pem == "" {
		for _, dir := range sources {
			os.Remove(dir + "/spawnpoint.crt") // where it is not, there is nothing to remove
		}
		done(authorityFile, os.Remove(authorityFile))
		for _, path := range bundles {
			a.complete(path)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(authorityFile), 0o755); err != nil {
		done(authorityFile, err)
		return
	}
	done(authorityFile, replaceFile(authorityFile, pem))
	for _, dir := range sources {
		// Made where it is missing on a Debian or Alpine that gets its certificates later.
		if dir == sources[0] {
			os.MkdirAll(dir, 0o755)
		}
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			done(dir, replaceFile(dir+"/spawnpoint.crt", pem))
		}
	}
}

// variables are for programs that look for certificates elsewhere than their system does. A bundle that changed since it was
// last completed is completed first.
func (a *authority) variables() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pem == "" {
		return nil
	}
	bundle := ""
	for _, path := range bundles {
		if a.complete(path) && bundle == "" {
			bundle = path
		}
	}
	if bundle == "" {
		bundle = authorityFile
	}
	if a.env["SSL_CERT_FILE"] != bundle {
		a.env = map[string]string{"NODE_EXTRA_CA_CERTS": authorityFile}
		for _, name := range []string{
			"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT", "CARGO_HTTP_CAINFO",
			"DENO_CERT",
		} {
			a.env[name] = bundle
		}
	}
	return a.env
}

// complete gives a bundle what is set now in place of what stands between our marks, and says whether the bundle is there.
func (a *authority) complete(path string) bool {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Size > maxBundle {
		return false
	}
	now := bundleSeen{st.Ino, st.Size, st.Mtim}
	if a.seen[path] == now {
		return true
	}
	text, err := os.ReadFile(path)
	if err != nil {
		logf("%s: %v", path, err)
		return false
	}
	next := text
	if from := bytes.Index(text, []byte(authorityHead)); from >= 0 {
		if length := bytes.Index(text[from:], []byte(authorityTail)); length >= 0 {
			rest := text[from+length+len(authorityTail):]
			next = append(append([]byte{}, text[:from]...), rest...)
		}
	}
	if a.pem != "" {
		next = append(next[:len(next):len(next)], authorityHead+a.pem+authorityTail...)
	}
	if !bytes.Equal(text, next) {
		// Through links, as /etc/ssl/cert.pem is one on some systems.
		target, err := filepath.EvalSymlinks(path)
		if err == nil {
			err = replaceFile(target, string(next))
		}
		if err != nil {
			logf("%s: %v", path, err)
		}
	}
	if syscall.Stat(path, &st) == nil {
		a.seen[path] = bundleSeen{st.Ino, st.Size, st.Mtim}
	}
	return true
}
