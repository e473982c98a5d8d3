package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func testUsers(t *testing.T) *users {
	dir := t.TempDir()
	u := &users{passwdPath: filepath.Join(dir, "passwd"), groupPath: filepath.Join(dir, "group")}
	write(t, u.passwdPath, "root:x:0:0:root:/root:/bin/bash\n"+
		"broken\n:x:5:5:::\nbad:x:notanumber:1::/:/bin/sh\n"+
		"ann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\nbob:x:1001:100:::\n")
	write(t, u.groupPath, "root:x:0:\nann:x:1000:\nusers:x:100:\nwheel:x:10:ann,bob\naudio:x:29:ann\nbroken:x\n")
	return u
}

func write(t *testing.T, path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindUsers(t *testing.T) {
	u := testUsers(t)
	for spec, want := range map[string]account{
		"ann":       {"ann", 1000, 1000, []int{10, 29}, "/home/ann", "/bin/zsh"},
		"bob":       {"bob", 1001, 100, []int{10}, "/", "/bin/sh"},
		"1000":      {"ann", 1000, 1000, []int{10, 29}, "/home/ann", "/bin/zsh"},
		"":          {"root", 0, 0, nil, "/root", "/bin/bash"},
		"4242":      {"4242", 4242, 0, nil, "/", "/bin/sh"},
		"4242:7":    {"4242", 4242, 7, nil, "/", "/bin/sh"},
		"ann:wheel": {"ann", 1000, 10, nil, "/home/ann", "/bin/zsh"},
		"1001:100":  {"bob", 1001, 100, nil, "/", "/bin/sh"},
	} {
		got, err := u.find(spec)
		if err != nil {
			t.Errorf("%q: %v", spec, err)
		} else if !reflect.DeepEqual(*got, want) {
			t.Errorf("%q: %+v, want %+v", spec, *got, want)
		}
	}
	for _, spec := range []string{"nobody-here", "-1", "1:2:3", "ann:nogroup", "99999999999", "bad", "broken", ":"} {
		if got, err := u.find(spec); err == nil {
			t.Errorf("%q is %+v", spec, got)
		}
	}
}

func TestUsersFollowTheFiles(t *testing.T) {
	u := testUsers(t)
	if _, err := u.find("new"); err == nil {
		t.Fatal("found too early")
	}
	write(t, u.passwdPath, "new:x:7:7::/new:/bin/sh\n")
	if got, err := u.find("new"); err != nil || got.uid != 7 {
		t.Fatal(got, err)
	}
	if err := os.Remove(u.passwdPath); err != nil {
		t.Fatal(err)
	}
	// A guest without the file still has root, and numbers.
	for _, spec := range []string{"root", "0", "12"} {
		if _, err := u.find(spec); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestOtherNumbersAloneAreNoChange(t *testing.T) {
	u := testUsers(t)
	u.load()
	u.byName["ann"].home = "/as it was read"
	u.passwdAge.ino++
	u.grpAge.ino++
	u.renumbered()
	if got, err := u.find("ann"); err != nil || got.home != "/as it was read" {
		t.Fatal(got, err)
	}
	u.passwdAge.ino++
	write(t, u.passwdPath, "new:x:7:7::/new:/bin/sh\n")
	u.renumbered()
	if got, err := u.find("new"); err != nil || got.uid != 7 {
		t.Fatal(got, err)
	}
}
