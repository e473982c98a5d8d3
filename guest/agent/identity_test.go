package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadsSmallFilesAndWaitsForNobody(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	if text, err := readFile(file, 100); err != nil || len(text) != 100 {
		t.Errorf("got %d bytes, %v", len(text), err)
	}
	for path, want := range map[string]error{file: syscall.EFBIG, pipe: syscall.EFBIG, dir: syscall.EFBIG, dir + "/no": syscall.ENOENT} {
		if text, err := readFile(path, 99); err != want || text != nil {
			t.Errorf("%s: got %q, %v", path, text, err)
		}
	}
}

func TestReplacesWhatIsNotAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, "text"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestRewritesWhatIsAsLongAndReplacesTheRest(t *testing.T) {
	dir := t.TempDir()
	same, longer, linked, link := dir+"/same", dir+"/longer", dir+"/linked", dir+"/link"
	for path, text := range map[string]string{same: "old\n", longer: "older\n", linked: "old\n", dir + "/target": "old\n"} {
		write(t, path, text)
	}
	if err := os.Link(linked, dir+"/other"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	before := ageOf(same)
	for _, path := range []string{same, longer, linked, link, dir + "/none"} {
		if err := rewriteFile(path, "new\n"); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "new\n" {
			t.Errorf("%s: got %q, %v", path, text, err)
		}
	}
	if ageOf(same).ino != before.ino {
		t.Error("what was as long was replaced")
	}
	for _, path := range []string{dir + "/other", dir + "/target"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != "old\n" {
			t.Errorf("%s, which was not meant: got %q, %v", path, text, err)
		}
	}
}
