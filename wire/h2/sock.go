package h2

import (
	"net"
	"sync"
	"syscall"
)

// sock is a connection whose Write never waits: what the kernel does not take at
// once is kept, and written by whoever calls drain. TLS runs on top of it.
type sock struct {
	net.Conn
	raw syscall.RawConn // nil: the connection cannot be asked, so all is kept
	try func(fd uintptr) bool

	mu       sync.Mutex
	blocking bool // during handshakes: Write waits, as usual
	corked   bool // keep everything until uncork, to write it at once
	draining bool
	kept     []byte
	spare    []byte

	// Arguments and results of try.
	buf  []byte
	bufs [][]byte // instead of buf
	n    int
	err  error
}

func newSock(c net.Conn) *sock {
	s := &sock{Conn: c, blocking: true}
	if canTry {
		switch c := c.(type) {
		case *net.TCPConn:
			s.raw, _ = c.SyscallConn()
		case *net.UnixConn:
			s.raw, _ = c.SyscallConn()
		}
	}
	if s.raw != nil {
		s.try = func(fd uintptr) bool {
			if s.bufs != nil {
				s.n, s.err = tryGather(fd, s.bufs)
			} else {
				s.n, s.err = tryWrite(fd, s.buf)
			}
			return true
		}
	}
	return s
}

// plain reports whether the connection is one of the kernel's, whose deadlines
// are cheap and can be trusted.
func (s *sock) plain() bool { return s.raw != nil }

// Write takes all of p, unless the connection is broken.
func (s *sock) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocking {
		return s.Conn.Write(p)
	}
	if s.corked || s.draining || len(s.kept) > 0 {
		s.kept = append(s.kept, p...)
		return len(p), nil
	}
	n, err := s.attempt(p)
	if err != nil {
		return n, err
	}
	s.kept = append(s.kept, p[n:]...)
	return len(p), nil
}

// attempt offers p to the kernel once. s.mu is held.
func (s *sock) attempt(p []byte) (int, error) {
	if s.raw == nil {
		return 0, nil
	}
	s.buf, s.n, s.err = p, 0, nil
	err := s.raw.Write(s.try)
	s.buf = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// gather offers bufs to the kernel, once, and returns how much it took. Nothing of them
// is kept. Nothing may be kept already.
func (s *sock) gather(bufs [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bufs = bufs
	defer func() { s.bufs = nil }()
	return s.attempt(nil)
}

// keep adds to what is kept.
func (s *sock) keep(p []byte) {
	s.mu.Lock()
	s.kept = append(s.kept, p...)
	s.mu.Unlock()
}

// cork makes Write keep everything.
func (s *sock) cork() {
	s.mu.Lock()
	s.corked = true
	s.mu.Unlock()
}

// uncork offers what was kept to the kernel, once, and returns how much it took.
func (s *sock) uncork() (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = false
	if s.draining || len(s.kept) == 0 {
		return 0, nil
	}
	n, err = s.attempt(s.kept)
	if err != nil {
		return n, err
	}
	if n == len(s.kept) {
		s.kept = s.kept[:0]
	} else {
		s.kept = s.kept[:copy(s.kept, s.kept[n:])]
	}
	return n, nil
}

// full reports whether something is kept.
func (s *sock) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept) > 0 || s.draining
}

// drain writes what is kept, waiting for the kernel; progress is called after
// each part. One goroutine at a time may call it.
func (s *sock) drain(progress func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	defer func() { s.draining = false }()
	for len(s.kept) > 0 {
		b := s.kept
		s.kept, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		var err error
		for p := b; len(p) > 0 && err == nil; {
			k := min(len(p), 256<<10)
			_, err = s.Conn.Write(p[:k])
			p = p[k:]
			progress()
		}
		s.mu.Lock()
		if err != nil {
			return err
		}
		if cap(b) <= 256<<10 {
			s.spare = b[:0]
		}
	}
	return nil
}

// handshaken ends the time when Write waits.
func (s *sock) handshaken() {
	s.mu.Lock()
	s.blocking = false
	s.mu.Unlock()
}
