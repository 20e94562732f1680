package h2

import "net"

// records is what TLS reads from: a connection that is read ahead of it, given out
// record by record. One read may bring many records; whoever reads can so take all
// that are there before it answers, instead of one.
type records struct {
	net.Conn
	buf    []byte
	at, to int
	left   int  // bytes of the record that TLS is reading
	only   bool // give out only a record that is here
}

// The lengths of a TLS record's header (RFC 8446, 5.1) and of what is read ahead:
// at most two of the longest records.
const (
	recordHeader = 5
	maxReadAhead = 32 << 10
)

// newRecords reads from c behind first, which was read already.
func newRecords(c net.Conn, first []byte) *records {
	r := &records{Conn: c, buf: make([]byte, minRead)}
	r.to = copy(r.buf, first)
	return r
}

// errNoRecord is what Read returns for want of a whole record. It is a timeout, after
// which TLS can go on reading.
var errNoRecord net.Error = noRecord{}

type noRecord struct{}

func (noRecord) Error() string   { return "no whole TLS record is here yet" }
func (noRecord) Timeout() bool   { return true }
func (noRecord) Temporary() bool { return true }

// whole reports whether a whole record is here.
func (r *records) whole() bool {
	have := r.buf[r.at:r.to]
	return r.left == 0 && len(have) >= recordHeader && len(have) >= recordLen(have)
}

func recordLen(b []byte) int { return recordHeader + int(b[3])<<8 + int(b[4]) }

// Read gives out no more than the rest of a record.
func (r *records) Read(p []byte) (int, error) {
	if r.left == 0 && r.only && !r.whole() {
		return 0, errNoRecord
	}
	for r.left == 0 && r.to-r.at < recordHeader || r.to == r.at {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	if r.left == 0 {
		r.left = recordLen(r.buf[r.at:])
	}
	n := copy(p[:min(len(p), r.left)], r.buf[r.at:r.to])
	r.at += n
	r.left -= n
	return n, nil
}

// shrink gives back what the buffer has grown to if nothing is in it.
func (r *records) shrink() {
	if r.at == r.to && len(r.buf) > minRead {
		r.buf, r.at, r.to = make([]byte, minRead), 0, 0
	}
}

// more reads more into buf.
func (r *records) more() error {
	r.to = copy(r.buf, r.buf[r.at:r.to])
	r.at = 0
	n, err := r.Conn.Read(r.buf[r.to:])
	r.to += n
	if n == 0 {
		return err // with n > 0 it comes again
	}
	if r.to == len(r.buf) && r.to < maxReadAhead {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	return nil
}
