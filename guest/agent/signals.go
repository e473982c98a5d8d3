package main

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

var signalNames = [...]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
	9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
	16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
	23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO",
	30: "SIGPWR", 31: "SIGSYS",
}

func signalName(s syscall.Signal) string {
	if int(s) > 0 && int(s) < len(signalNames) {
		return signalNames[s]
	}
	return fmt.Sprintf("SIG%d", int(s))
}

// parseSignal takes a name with or without SIG, or a number.
func parseSignal(text string) (syscall.Signal, error) {
	if number, err := strconv.Atoi(text); err == nil && number >= 0 && number <= 64 {
		return syscall.Signal(number), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	for number, known := range signalNames {
		if known == name && number > 0 {
			return syscall.Signal(number), nil
		}
	}
	return 0, &failure{Kind: "guest_error", Errno: "EINVAL", Message: fmt.Sprintf("No such signal: %.40q", text)}
}
