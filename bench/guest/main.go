// Measures inside sandboxes, and is PID 1 of those that the bare commands run.
//
//	bench              serves one command a line on standard input: run, time N, hold MIB, fill DIR MIB, sync
//	bench time N       prints the milliseconds of N fork+execs, one a line
//	bench hold MIB     touches so much memory with bytes that do not compress, prints "ready", stays
//	bench fill DIR MIB writes so much into files of 4 MiB, and leaves it dirty
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const mib = 1 << 20

func main() {
	if len(os.Args) == 1 {
		serve()
		return
	}
	must(perform(os.Args[1:], os.Stdout))
	if os.Args[1] == "hold" {
		// Not an empty select: the Go runtime ends a program in which nothing can happen any more.
		for {
			time.Sleep(time.Hour)
		}
	}
}

func perform(words []string, out io.Writer) error {
	switch words[0] {
	case "run":
		text, err := forkExec()
		fmt.Fprint(out, text)
		return err
	case "time":
		for range make([]struct{}, number(words[1])) {
			began := time.Now()
			if _, err := forkExec(); err != nil {
				return err
			}
			fmt.Fprintf(out, "%.4f ", float64(time.Since(began).Nanoseconds())/1e6)
		}
		fmt.Fprintln(out)
	case "hold":
		memory, err := syscall.Mmap(-1, 0, number(words[1])*mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			return err
		}
		noise(memory)
		fmt.Fprintln(out, "ready")
	case "fill":
		return fill(words[1], number(words[2]), out)
	case "sync":
		syscall.Sync()
		fmt.Fprintln(out, "ready")
	}
	return nil
}

func serve() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := split(in.Text())
		if words[0] == "hold" {
			// In a process of its own, as a user's program is.
			child := exec.Command("/proc/self/exe", words...)
			pipe, err := child.StdoutPipe()
			must(err)
			must(child.Start())
			line, err := bufio.NewReader(pipe).ReadString('\n')
			must(err)
			fmt.Print(line)
			continue
		}
		must(perform(words, os.Stdout))
	}
}

// forkExec runs a program to its end and collects what it prints.
func forkExec() (string, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close()
	process, err := os.StartProcess("/bin/echo", []string{"echo", "x"}, &os.ProcAttr{Files: []*os.File{nil, write, write}})
	write.Close()
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(read)
	if err != nil {
		return "", err
	}
	_, err = process.Wait()
	return string(text), err
}

func fill(dir string, count int, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	block := make([]byte, mib)
	noise(block)
	for index := 0; index < count; index += 4 {
		file, err := os.Create(filepath.Join(dir, strconv.Itoa(index)))
		if err != nil {
			return err
		}
		for part := 0; part < 4; part++ {
			binary.LittleEndian.PutUint64(block, uint64(time.Now().UnixNano()))
			if _, err := file.Write(block); err != nil {
				return err
			}
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "ready")
	return nil
}

// noise fills with what no compression makes smaller: xorshift64.
func noise(bytes []byte) {
	state := uint64(time.Now().UnixNano()) | 1
	for at := 0; at+8 <= len(bytes); at += 8 {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		binary.LittleEndian.PutUint64(bytes[at:], state)
	}
}

func split(line string) []string {
	var words []string
	for begin, at := 0, 0; at <= len(line); at++ {
		if at == len(line) || line[at] == ' ' {
			words = append(words, line[begin:at])
			begin = at + 1
		}
	}
	return words
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
