package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// account is whom a process or file operation acts as.
type account struct {
	name   string
	uid    int
	gid    int
	groups []int
	home   string
	shell  string
}

var rootAccount = &account{name: "root", home: "/root", shell: "/bin/sh"}

// users reads the guest's /etc/passwd and /etc/group, again whenever one of them changed.
type users struct {
	passwdPath, groupPath string

	mu                sync.Mutex
	passwdAge, grpAge fileAge
	byName            map[string]*account
	byUID             map[int]*account
	groupNames        map[int]string
	groupIDs          map[string]int
	supplementary     map[string][]int
}

type fileAge struct {
	size  int64
	ino   uint64
	mtime syscall.Timespec
	ctime syscall.Timespec
}

// but is the age of the same file under another number.
func (a fileAge) but(ino uint64) fileAge {
	a.ino = ino
	return a
}

func newUsers() *users {
	return &users{passwdPath: "/etc/passwd", groupPath: "/etc/group"}
}

// maxAccountsFile bounds what a hostile guest can make the agent read.
const maxAccountsFile = 4 << 20

// find resolves a name, `uid` or `uid:gid` (either part may be a name in the second form).
func (u *users) find(spec string) (*account, error) {
	if spec == "" {
		spec = "root"
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh()
	owner, group, hasGroup := strings.Cut(spec, ":")
	found := u.byName[owner]
	if found == nil {
		if uid, err := strconv.ParseUint(owner, 10, 31); err == nil {
			if found = u.byUID[int(uid)]; found == nil {
				// Container engines give the number of nobody the group of root; images are made for that.
				found = &account{name: owner, uid: int(uid), home: "/", shell: "/bin/sh"}
			}
		} else if owner == "root" {
			found = rootAccount
		} else {
			return nil, unknownUser(spec)
		}
	}
	result := *found
	result.groups = u.supplementary[found.name]
	if hasGroup {
		gid, known := u.groupIDs[group]
		if !known {
			number, err := strconv.ParseUint(group, 10, 31)
			if err != nil {
				return nil, unknownUser(spec)
			}
			gid = int(number)
		}
		result.gid = gid
		result.groups = nil
	}
	return &result, nil
}

func unknownUser(spec string) *failure {
	return &failure{Kind: "guest_error", Errno: "EINVAL", Message: "No such user: " + strconv.Quote(spec), What: "user"}
}

func (u *users) names(uid, gid int) (owner, group string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if found := u.byUID[uid]; found != nil {
		owner = found.name
	} else {
		owner = strconv.Itoa(uid)
	}
	group, known := u.groupNames[gid]
	if !known {
		group = strconv.Itoa(gid)
	}
	return owner, group
}

// load makes names current; list calls it once before many names.
func (u *users) load() {
	u.mu.Lock()
	u.refresh()
	u.mu.Unlock()
}

// renumbered is load for a clone that has just woken up: its files have other numbers than those that were read, and for the
// rest are what they were, unless they changed since.
func (u *users) renumbered() {
	u.mu.Lock()
	defer u.mu.Unlock()
	passwd, group := ageOf(u.passwdPath), ageOf(u.groupPath)
	if passwd.but(u.passwdAge.ino) == u.passwdAge && group.but(u.grpAge.ino) == u.grpAge {
		u.passwdAge, u.grpAge = passwd, group
	}
	u.refreshTo(passwd, group)
}

// refresh reads the files again if they changed. Preconditions: mu held.
func (u *users) refresh() { u.refreshTo(ageOf(u.passwdPath), ageOf(u.groupPath)) }

// refreshTo reads the files unless they were read at that age. Preconditions: mu held.
func (u *users) refreshTo(passwd, group fileAge) {
	if u.byName != nil && passwd == u.passwdAge && group == u.grpAge {
		return
	}
	u.passwdAge, u.grpAge = passwd, group
	u.fill(accountLines(u.passwdPath), accountLines(u.groupPath))
}

// fill takes the lines of the two files. Preconditions: mu held.
func (u *users) fill(passwd, group []string) {
	u.byName, u.byUID = map[string]*account{}, map[int]*account{}
	for _, line := range passwd {
		f := strings.Split(line, ":")
		if len(f) < 7 {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 31)
		gid, err2 := strconv.ParseUint(f[3], 10, 31)
		if err1 != nil || err2 != nil || f[0] == "" {
			continue
		}
		a := &account{name: f[0], uid: int(uid), gid: int(gid), home: f[5], shell: f[6]}
		if a.home == "" {
			a.home = "/"
		}
		if a.shell == "" {
			a.shell = "/bin/sh"
		}
		if u.byName[a.name] == nil {
			u.byName[a.name] = a
		}
		if u.byUID[a.uid] == nil {
			u.byUID[a.uid] = a
		}
	}
	u.groupNames, u.groupIDs, u.supplementary = map[int]string{}, map[string]int{}, map[string][]int{}
	for _, line := range group {
		f := strings.Split(line, ":")
		if len(f) < 4 {
			continue
		}
		number, err := strconv.ParseUint(f[2], 10, 31)
		if err != nil || f[0] == "" {
			continue
		}
		gid := int(number)
		if _, known := u.groupNames[gid]; !known {
			u.groupNames[gid] = f[0]
		}
		if _, known := u.groupIDs[f[0]]; !known {
			u.groupIDs[f[0]] = gid
		}
		for _, member := range strings.Split(f[3], ",") {
			// 64 groups per user are more than any sane file has and bound setgroups.
			if member != "" && len(u.supplementary[member]) < 64 {
				u.supplementary[member] = append(u.supplementary[member], gid)
			}
		}
	}
}

func ageOf(path string) fileAge {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return fileAge{size: -1}
	}
	return fileAge{st.Size, st.Ino, st.Mtim, st.Ctim}
}

func accountLines(path string) []string {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Size > maxAccountsFile {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}
