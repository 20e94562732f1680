package engine

import (
	"errors"

	"github.com/lupine-rpc/lupine"
)

// Flags of a head (2.4).
const (
	headKind     = 0x03
	headTimeout  = 0x04
	headIdentity = 0x08
	headMetadata = 0x10
	headRepeat   = 0x20
	headReserved = 0xc0
)

// Head is what a request stream begins with (2.4), as its caller gives it.
type Head struct {
	Kind lupine.Kind
	Path string
	// Timeout is the time left, in microseconds, if Timed.
	Timed   bool
	Timeout uint64
	// ID is sent if its Seq is not 0; its Client never is.
	ID       lupine.CallID
	Metadata lupine.Metadata
}

// HeadIn is a head that came (2.4).
type HeadIn struct {
	Kind lupine.Kind
	// Method is the path's entry, or nil; then Path is the path, a part of what
	// was parsed.
	Method  *Entry
	Path    []byte
	Timed   bool
	Timeout uint64        // microseconds, if Timed
	ID      lupine.CallID // Seq 0: none. Client is not set
	Fields  Fields
}

// ParseHead reads the head that a request stream begins with and returns its
// length (2.4). most is our max_header. The error is ErrShort, a *TooLarge or an
// *Error. A TooLarge for its fields leaves the rest of h good.
func ParseHead(b []byte, d *ReadDict, most int, h *HeadIn) (n int, err error) {
	*h = HeadIn{}
	c := cursor{b: b[:min(len(b), LeastCredit)], what: "head"}
	flags := c.byte("flags")
	h.Kind = lupine.Kind(flags & headKind)
	if flags&headReserved != 0 {
		c.bad("flags", "%#x has reserved bits", flags)
	}
	if flags&(headRepeat|headIdentity) == headRepeat {
		c.bad("flags", "%#x is a repeat without identity", flags)
	}
	if h.Method = c.ref("method", d); h.Method == nil {
		size := c.varint("method")
		if size > LeastCredit {
			c.large("head", "LeastCredit", LeastCredit)
		}
		h.Path = c.take("method", size)
	}
	if flags&headTimeout != 0 {
		h.Timed, h.Timeout = true, c.varint("timeout")
	}
	if flags&headIdentity != 0 {
		h.ID.Seq, h.ID.Unsettled = c.varint("identity seq"), c.varint("identity unsettled")
		copy(h.ID.Server[:], c.take("identity server", 16))
		h.ID.Repeat = flags&headRepeat != 0
		if c.ok() && (h.ID.Seq == 0 || h.ID.Unsettled > h.ID.Seq) {
			c.bad("identity", "seq is %d and unsettled is %d; seq is from 1, unsettled not above it", h.ID.Seq, h.ID.Unsettled)
		}
	}
	if flags&headMetadata != 0 {
		h.Fields = c.fields(d, most)
	}
	if c.short && len(b) >= LeastCredit {
		c.short = false
		c.large("head", "LeastCredit", LeastCredit)
	}
	if err := c.partial(); err != nil {
		return 0, err
	}
	return min(len(b), LeastCredit) - len(c.b), nil
}

// AppendHead appends h (2.4) with references into d, where it may (2.5); d nil
// means literals only. The ids noted in uses have to go along with the opening
// frame. The error, after which dst is as it was, is a *TooLarge for a head over
// LeastCredit, or says what is wrong with h.ID.
func AppendHead(dst []byte, h *Head, d *WriteDict, uses *Uses) ([]byte, error) {
	at := len(dst)
	flags := byte(h.Kind) & headKind
	if h.Timed {
		flags |= headTimeout
	}
	if h.ID.Seq != 0 {
		if h.ID.Seq > MaxVarint || h.ID.Unsettled > h.ID.Seq {
			return dst, errors.New("identity of the call: Seq is above 2^62-1, or Unsettled above Seq")
		}
		flags |= headIdentity
		if h.ID.Repeat {
			flags |= headRepeat
		}
	}
	if len(h.Metadata) > 0 {
		flags |= headMetadata
	}
	id := d.method(h.Path, uses)
	dst = AppendVarint(append(dst, flags), id)
	if id == 0 {
		dst = append(AppendVarint(dst, uint64(len(h.Path))), h.Path...)
	}
	if h.Timed {
		dst = AppendVarint(dst, min(h.Timeout, MaxVarint))
	}
	if flags&headIdentity != 0 {
		dst = AppendVarint(AppendVarint(dst, h.ID.Seq), h.ID.Unsettled)
		dst = append(dst, h.ID.Server[:]...)
	}
	if flags&headMetadata != 0 {
		dst = appendFields(dst, h.Metadata, d, uses)
	}
	if len(dst)-at > LeastCredit {
		var c cursor
		c.large("head", "LeastCredit", LeastCredit)
		return dst[:at], c.over
	}
	return dst, nil
}
