package h2

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const canGather = true

// maxGather is how many parts one system call takes (UIO_MAXIOV).
const maxGather = 1024

// tryGather offers bufs to the kernel and returns how much it took, without waiting.
// It cuts off what was taken.
func tryGather(fd uintptr, bufs [][]byte) (int, error) {
	done := 0
	for len(bufs) > 0 {
		n, err := unix.Writev(int(fd), bufs[:min(len(bufs), maxGather)])
		if n > 0 {
			done += n
			for len(bufs) > 0 && n >= len(bufs[0]) {
				n -= len(bufs[0])
				bufs = bufs[1:]
			}
			if n > 0 {
				bufs[0] = bufs[0][n:]
			}
		}
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return done, nil
		default:
			return done, err
		}
	}
	return done, nil
}
