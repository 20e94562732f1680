package load

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// system fills in what the kernel counts: getrusage(2), and /proc/self/io for
// reads and writes (proc_pid_io(5)), which counts every call of the read and
// write families whether it moved bytes or not, and costs the measured process
// nothing.
func (u *Usage) system() {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
		u.Voluntary, u.Involuntary = int64(r.Nvcsw), int64(r.Nivcsw)
	}
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "syscr":
			u.Reads = n
		case "syscw":
			u.Writes = n
		}
	}
}

// resident returns the resident anonymous and private pages, in bytes (proc_pid_statm(5)).
func resident() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(data)
	if len(f) < 3 {
		return 0
	}
	rss, _ := strconv.ParseUint(string(f[1]), 10, 64)
	shared, _ := strconv.ParseUint(string(f[2]), 10, 64)
	return (rss - min(shared, rss)) * uint64(os.Getpagesize())
}

// RaiseFiles raises the limit of open files to as many as the system allows this
// process and returns it.
func RaiseFiles() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	l.Cur = l.Max
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(l.Cur, 1<<30))
}
