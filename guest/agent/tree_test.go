package main

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

type treeLine struct {
	File   *fileInfo       `json:"file"`
	Line   int             `json:"line"`
	Text   string          `json:"text"`
	Error  *failure        `json:"error"`
	End    json.RawMessage `json:"end"`
	Change string          `json:"change"`
	Path   string          `json:"path"`
	// Differs of a change
	Differs []string `json:"differs"`
}

func ask(t *testing.T, request treeRequest) []byte {
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := treeMain(string(text), strings.NewReader(""), &out); code != 0 {
		t.Fatalf("exit %d", code)
	}
	return out.Bytes()
}

func linesOf(t *testing.T, request treeRequest) []treeLine {
	var lines []treeLine
	for _, text := range bytes.Split(bytes.TrimSpace(ask(t, request)), []byte("\n")) {
		var line treeLine
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

func makeTree(t *testing.T, files map[string]string) string {
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(t, path, text)
	}
	return root
}

func pathsOf(lines []treeLine) string {
	var paths []string
	for _, line := range lines {
		if line.File != nil {
			paths = append(paths, line.File.Path)
		}
		if line.Change != "" {
			text := line.Change + " " + line.Path
			if len(line.Differs) > 0 {
				text += " " + strings.Join(line.Differs, ",")
			}
			paths = append(paths, text)
		}
	}
	return strings.Join(paths, "; ")
}

func TestTreeLinksStayInside(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "outside")
	root := makeTree(t, map[string]string{
		"secret": "inside", "up": "-> ../../../../../../secret", "abs": "-> " + outside + "/secret", "etc/real": "real",
		"dir": "-> /etc", "self": "-> self", "magic": "-> /proc/self/root/etc/passwd",
	})
	for path, want := range map[string]string{
		"/up": "inside", "/dir/real": "real", "/../../secret": "inside", "/dir/../secret": "inside",
	} {
		_, body, _ := bytes.Cut(ask(t, treeRequest{Do: "read", Root: root, Path: path, Length: -1}), []byte("\n"))
		if string(body) != want {
			t.Errorf("%s: %q", path, body)
		}
	}
	for path, errno := range map[string]string{
		"/abs": "ENOENT", "/magic": "ENOENT", "/self": "ELOOP", "/dir": "EISDIR", "/secret/x": "ENOTDIR", "relative": "EINVAL",
		"/a\x00b": "EINVAL", "/" + strings.Repeat("x", 5000): "ENAMETOOLONG",
	} {
		lines := linesOf(t, treeRequest{Do: "read", Root: root, Path: path, Length: -1})
		if lines[0].Error == nil || lines[0].Error.Errno != errno {
			t.Errorf("%.20q: %+v", path, lines[0].Error)
		}
	}
	// What leads nowhere, or out, is listed as the link that it is.
	if got := pathsOf(linesOf(t, treeRequest{Do: "list", Root: root, Path: "/", Depth: 9, Limit: 99})); got !=
		"/abs; /dir; /etc; /etc/real; /magic; /secret; /self; /up" {
		t.Error(got)
	}
	lines := linesOf(t, treeRequest{Do: "compare", Root: root, Other: root, Path: "/..", Limit: 9})
	if !strings.Contains(string(lines[0].End), `"added":0`) {
		t.Errorf("%+v", lines)
	}
}

func TestTreeListPages(t *testing.T) {
	root := makeTree(t, map[string]string{"a/x": "", "a/y/z": "", "a-b": "", "b": "", "c/d": "", "c\xff": "", "c\xfe": ""})
	const all = "/a; /a/x; /a/y; /a/y/z; /a-b; /b; /c; /c/d; /c\ufffd; /c\ufffd"
	// Pages of every size give the same whole; the directory that was the last entry goes on with what is in it.
	for limit := 1; limit <= 8; limit++ {
		var got []string
		after := ""
		for {
			lines := linesOf(t, treeRequest{Do: "list", Root: root, Path: "/", Depth: 9, Limit: limit, After: after})
			page := pathsOf(lines)
			if page != "" {
				got = append(got, page)
			}
			var end struct{ Next string }
			if err := json.Unmarshal(lines[len(lines)-1].End, &end); err != nil {
				t.Fatal(err)
			}
			if after = end.Next; after == "" {
				break
			}
		}
		// By the order of walks `a` comes before `a-b`, with what is in it.
		if joined := strings.Join(got, "; "); joined != all {
			t.Errorf("limit %d: %s", limit, joined)
		}
	}
	if got := pathsOf(linesOf(t, treeRequest{Do: "list", Root: root, Path: "/a", Depth: 1, Limit: 9})); got != "/a/x; /a/y" {
		t.Error(got)
	}
	lines := linesOf(t, treeRequest{Do: "list", Root: root, Path: "/a", Depth: 1, Limit: 9, After: base64.RawURLEncoding.EncodeToString([]byte("/b"))})
	if lines[0].Error == nil || lines[0].Error.Kind != "bad_request" {
		t.Errorf("%+v", lines[0])
	}
}

func TestTreeOddities(t *testing.T) {
	root := makeTree(t, map[string]string{"plain": "text", strings.Repeat("n", 255): "", "bad\xffname": "", "e\nvil": ""})
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/fifo"} {
		lines := linesOf(t, treeRequest{Do: "read", Root: root, Path: path, Length: -1})
		if lines[0].Error == nil || lines[0].Error.Errno != "EINVAL" {
			t.Errorf("%s: %+v", path, lines[0])
		}
	}
	_, archive, _ := bytes.Cut(ask(t, treeRequest{Do: "pack", Root: root, Path: "/", Name: "top"}), []byte("\n"))
	var names []string
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
	if got := fmt.Sprintf("%q", names); len(names) != 5 || names[0] != "top/" || strings.Contains(got, "fifo") {
		t.Error(got)
	}
	for _, line := range linesOf(t, treeRequest{Do: "list", Root: root, Path: "/", Depth: 1, Limit: 9}) {
		if line.File != nil && line.File.Name == "fifo" && line.File.Type != "fifo" {
			t.Errorf("%+v", line.File)
		}
	}
}

func TestTreeDeep(t *testing.T) {
	root := t.TempDir()
	at, err := syscall.Open(root, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 100)
	for i := 0; i < 450; i++ { // longer than any path may be
		if err := syscall.Mkdirat(at, name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := syscall.Openat(at, name, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Close(at)
		at = next
	}
	syscall.Close(at)
	lines := linesOf(t, treeRequest{Do: "search", Root: root, Path: "/", Name: "d", Limit: 1000, ReadBytes: 1})
	if end := string(lines[len(lines)-1].End); len(lines) != 401 || !strings.Contains(end, "depth") {
		t.Errorf("%d lines, %s", len(lines), end)
	}
	lines = linesOf(t, treeRequest{Do: "compare", Root: root, Other: t.TempDir(), Path: "/", Limit: 10})
	if end := string(lines[len(lines)-1].End); len(lines) != 11 || !strings.Contains(end, `"removed":401`) || !strings.Contains(end, "depth") {
		t.Errorf("%d lines, %s", len(lines), end)
	}
}

func TestTreeSearch(t *testing.T) {
	root := makeTree(t, map[string]string{
		"a.txt": "one\ntwo needle here\nneedle", "b/c.log": strings.Repeat("x", 300<<10) + "\nneedle", "b/binary": "\x00\x01needle\xff",
		"b/none": "hay", "link": "-> a.txt", "long": strings.Repeat("y", 1000) + "needle" + strings.Repeat("z", 1000),
		"edge": strings.Repeat("e", searchWindow-3) + "needle",
	})
	find := func(r treeRequest) string {
		r.Do, r.Root, r.Path = "search", root, "/"
		if r.Limit == 0 {
			r.Limit = 100
		}
		if r.ReadBytes == 0 {
			r.ReadBytes = 1 << 30
		}
		var told []string
		for _, line := range linesOf(t, r) {
			if line.File != nil {
				text := line.Text
				if len(text) > 20 {
					text = fmt.Sprint(len(text))
				}
				told = append(told, fmt.Sprintf("%s:%d:%s", line.File.Path, line.Line, text))
			} else {
				told = append(told, string(line.End))
			}
		}
		return strings.Join(told, " ")
	}
	for want, r := range map[string]treeRequest{
		`/a.txt:0: {"incomplete":""}`:                                                                       {Name: "*.txt"},
		`/b/binary:0: /b/none:0: /link:0: /long:0: {"incomplete":""}`:                                       {Name: "n"},
		`/a.txt:2:two needle here /b/binary:1: /b/c.log:2:needle /edge:1:206 /long:1:400 {"incomplete":""}`: {Content: "needle"},
		`/a.txt:2:two needle here {"incomplete":""}`:                                                        {Content: "needle", Name: "?.txt"},
		`/a.txt:2:two needle here {"incomplete":"limit"}`:                                                   {Content: "needle", Limit: 1},
		`/a.txt:2:two needle here /b/binary:1: /long:1:400 {"incomplete":"bytes"}`:                          {Content: "needle", ReadBytes: 100 << 10},
	} {
		if got := find(r); got != want {
			t.Errorf("%+v\n got %s\nwant %s", r, got, want)
		}
	}
	lines := linesOf(t, treeRequest{Do: "search", Root: root, Path: "/", Name: "[", Limit: 1})
	if lines[0].Error == nil || lines[0].Error.Kind != "bad_request" {
		t.Errorf("%+v", lines[0])
	}
}

func TestTreeCompare(t *testing.T) {
	before := makeTree(t, map[string]string{
		"same": "same", "text": "old", "size": "1", "mode": "", "gone/deep/file": "", "kind": "", "link": "-> a", "touched": "t",
		"dir-to-file/inner": "", "x/y": "1", "z": "",
	})
	after := makeTree(t, map[string]string{
		"same": "same", "text": "new", "size": "12", "mode": "", "kind/inner": "", "link": "-> b", "touched": "t", "dir-to-file": "",
		"x/y": "2", "young/file": "", "z": "",
	})
	if err := os.Chmod(filepath.Join(after, "mode"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setxattr(filepath.Join(after, "z"), "user.note", []byte("x"), 0); err != nil && err != syscall.ENOTSUP {
		t.Fatal(err)
	}
	r := treeRequest{Do: "compare", Root: before, Other: after, Path: "/", Limit: 100}
	lines := linesOf(t, r)
	want := "changed /dir-to-file type; removed /dir-to-file/inner; removed /gone; removed /gone/deep; removed /gone/deep/file; " +
		"changed /kind type; added /kind/inner; changed /link target; changed /mode mode; changed /size content; " +
		"changed /text content; changed /x/y content; added /young; added /young/file; changed /z attributes"
	if got := pathsOf(lines); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	r.Path = "/x/y"
	if got := pathsOf(linesOf(t, r)); got != "changed /x/y content" {
		t.Error(got)
	}
	r.Path = "/gone/deep"
	if got := pathsOf(linesOf(t, r)); got != "removed /gone/deep; removed /gone/deep/file" {
		t.Error(got)
	}
	r.Path = "/nowhere/at/all"
	if got := linesOf(t, r); got[0].Error == nil || got[0].Error.Errno != "ENOENT" {
		t.Errorf("%+v", got)
	}
	r.Path, r.Limit = "/", 1
	lines = linesOf(t, r)
	if end := string(lines[len(lines)-1].End); len(lines) != 4 || !strings.Contains(end, `"added":3`) || !strings.Contains(end, `"removed":4`) {
		t.Errorf("%d lines, %s", len(lines), end)
	}
}
