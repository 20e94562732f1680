package rudp

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// dropOwn has the kernel drop so many of 1000 datagrams that come to this process's UDP
// sockets, each by itself: a classic BPF program that draws a random number.
func dropOwn(of1000 int) error {
	const (
		random = 0xfffff000 + 56 // SKF_AD_OFF + SKF_AD_RANDOM
		all    = 1 << 18
	)
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: random},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(uint64(of1000) << 32 / 1000), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	found := 0
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_INET && domain != unix.AF_INET6 {
			continue
		}
		if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_DGRAM {
			continue
		}
		f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f); err != nil {
			return fmt.Errorf("attach a filter: %w", err)
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("no UDP socket is open")
	}
	return nil
}
