package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func piecesOf(texts ...string) []byte {
	var all []byte
	for _, text := range texts {
		all = binary.BigEndian.AppendUint32(all, uint32(len(text)))
		all = append(all, text...)
	}
	return all
}

// tell does a request and returns the errno of its failure, or "".
func tell(t *testing.T, request treeRequest, input []byte) string {
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	treeMain(string(text), bytes.NewReader(input), &out)
	var line treeLine
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line.Error == nil {
		return ""
	}
	if line.Error.Errno != "" {
		return line.Error.Errno
	}
	return line.Error.Kind
}

func writeRequest(root, path string) treeRequest {
	return treeRequest{Do: "write", Root: root, Path: path, UID: 7, GID: 8, Mode: 0o640}
}

func TestTreeWriteMakesWholeFiles(t *testing.T) {
	root := makeTree(t, map[string]string{"d/old": "old", "link": "-> d"})
	request := writeRequest(root, "/link/new")
	if errno := tell(t, request, piecesOf("one ", "two", "")); errno != "" {
		t.Fatal(errno)
	}
	text, _ := os.ReadFile(filepath.Join(root, "d/new"))
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(root, "d/new"), &st); err != nil || string(text) != "one two" {
		t.Fatal(err, string(text))
	}
	if st.Uid != 7 || st.Gid != 8 || st.Mode&0o7777 != 0o640 {
		t.Fatalf("%d:%d %o", st.Uid, st.Gid, st.Mode)
	}
	// What ends early, by whatever, is not there.
	for _, input := range [][]byte{nil, piecesOf("half"), piecesOf("half", "")[:6], {255, 255, 255, 255}} {
		if errno := tell(t, writeRequest(root, "/d/old"), input); errno != "bad_request" {
			t.Fatal(errno)
		}
	}
	text, _ = os.ReadFile(filepath.Join(root, "d/old"))
	names, _ := os.ReadDir(filepath.Join(root, "d"))
	if string(text) != "old" || len(names) != 2 {
		t.Fatal(string(text), names)
	}
	if errno := tell(t, writeRequest(root, "/d/old"), piecesOf("")); errno != "" {
		t.Fatal(errno)
	}
	text, _ = os.ReadFile(filepath.Join(root, "d/old"))
	if len(text) != 0 {
		t.Fatal(string(text))
	}
}

func TestTreeWriteSaysWhatIsInTheWay(t *testing.T) {
	root := makeTree(t, map[string]string{"d/f": "f", "loop": "-> loop", "lost": "-> nowhere", "out": "-> /etc"})
	for path, expected := range map[string]string{
		"/d": "EISDIR", "/": "EISDIR", "/none/f": "ENOENT", "/d/f/x": "ENOTDIR", "/loop/x": "ELOOP", "/lost/x": "ENOENT",
		"/out/hosts": "ENOENT", "/d/" + strings.Repeat("n", 256): "ENAMETOOLONG", "relative": "EINVAL",
	} {
		if errno := tell(t, writeRequest(root, path), piecesOf("x", "")); errno != expected {
			t.Errorf("%s: %s", path, errno)
		}
	}
	request := writeRequest(root, "/d/f")
	request.Exclusive = true
	if errno := tell(t, request, piecesOf("x", "")); errno != "EEXIST" {
		t.Error(errno)
	}
	// A link of its own name is replaced, not followed.
	if errno := tell(t, writeRequest(root, "/lost"), piecesOf("x", "")); errno != "" {
		t.Error(errno)
	}
	if info, err := os.Lstat(filepath.Join(root, "lost")); err != nil || !info.Mode().IsRegular() {
		t.Error(info, err)
	}
	request = writeRequest(root, "/p/q/r/f")
	request.Parents = true
	if errno := tell(t, request, piecesOf("x", "")); errno != "" {
		t.Error(errno)
	}
	request.Path = "/d/f/q/r"
	if errno := tell(t, request, piecesOf("x", "")); errno != "ENOTDIR" {
		t.Error(errno)
	}
	request.Path = "/out/q/r" // there is no /etc in the tree: a link that leads nowhere is not made to lead somewhere
	if errno := tell(t, request, piecesOf("x", "")); errno != "EEXIST" {
		t.Error(errno)
	}
}

func TestTreeMakeDirAndChange(t *testing.T) {
	root := makeTree(t, map[string]string{"f": "f"})
	dir := treeRequest{Do: "makeDir", Root: root, Path: "/a/b/c", UID: 7, GID: 8, Mode: 0o750}
	if errno := tell(t, dir, nil); errno != "ENOENT" {
		t.Fatal(errno)
	}
	dir.Parents = true
	for try := 0; try < 2; try++ {
		if errno := tell(t, dir, nil); errno != "" {
			t.Fatal(errno)
		}
	}
	for path, mode := range map[string]uint32{"a": 0o777, "a/b": 0o777, "a/b/c": 0o750} {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(root, path), &st); err != nil || st.Mode&0o7777 != mode || st.Uid != 7 {
			t.Errorf("%s: %v %o %d", path, err, st.Mode, st.Uid)
		}
	}
	dir.Parents = false
	for _, path := range []string{"/a/b/c", "/f", "/"} {
		dir.Path = path
		if errno := tell(t, dir, nil); errno != "EEXIST" {
			t.Errorf("%s: %s", path, errno)
		}
	}
	dir.Path, dir.Parents = "/f", true
	if errno := tell(t, dir, nil); errno != "EEXIST" {
		t.Error(errno)
	}
	change := treeRequest{Do: "change", Root: root, Path: "/f", UID: -1, GID: 9, Mode: 0o4711, SetMode: true}
	if errno := tell(t, change, nil); errno != "" {
		t.Fatal(errno)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(root, "f"), &st); err != nil || st.Mode&0o7777 != 0o4711 || st.Uid != uint32(os.Getuid()) || st.Gid != 9 {
		t.Errorf("%v %o %d %d", err, st.Mode, st.Uid, st.Gid)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	change.Path = "/fifo"
	if errno := tell(t, change, nil); errno != "EINVAL" {
		t.Error(errno)
	}
}

func TestTreeRemoveTakesWhatIsBelowAndFollowsNothing(t *testing.T) {
	outside := makeTree(t, map[string]string{"kept": "kept"})
	root := makeTree(t, map[string]string{"d/a/b/f": "f", "d/out": "-> " + outside, "d/a/up": "-> ../..", "f": "f"})
	for path, expected := range map[string]string{"/": "EBUSY", "/none": "ENOENT", "/f/x": "ENOTDIR"} {
		if errno := tell(t, treeRequest{Do: "remove", Root: root, Path: path}, nil); errno != expected {
			t.Errorf("%s: %s", path, errno)
		}
	}
	deep := filepath.Join(root, "d") + strings.Repeat("/x", maxTreeDepth-10)
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if errno := tell(t, treeRequest{Do: "remove", Root: root, Path: "/d"}, nil); errno != "" {
		t.Fatal(errno)
	}
	names, _ := os.ReadDir(root)
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil || len(names) != 1 {
		t.Fatal(err, names)
	}
}
