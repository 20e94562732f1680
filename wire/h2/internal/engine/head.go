package engine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// Head is a decoded and checked header block (RFC 9113, 8.2 and 8.3).
type Head struct {
	Method, Scheme, Authority, Path string
	// PathEntry is the table entry that :path came from, or nil.
	PathEntry *hpack.Entry
	Status    int
	// Fields are the regular fields.
	Fields []hpack.Field
	// TooLarge says that fields were left out for the limits' sake.
	TooLarge bool
	// ContentLength is -1 if the block does not say.
	ContentLength int64
	// Memo is the owner's, who finds it again with the next block of the same
	// bytes. It may be set only if Kept.
	Memo any
	// Kept says that blocks of the same bytes get this very Head.
	Kept bool

	all  []hpack.Field
	kind headKind // what it was checked as, if Kept
}

func (h *Head) reset() {
	all := h.all[:0]
	*h = Head{all: all, ContentLength: -1}
}

// keptHead is a header block that came before, with what it means. Most calls of
// a connection differ in no field, so that a block is the same few bytes each
// time: one index for each field.
type keptHead struct {
	block string
	gen   uint64 // of the decoder's table: in another one the indexes mean other fields
	hits  uint8
	head  Head
}

const (
	keptHeads    = 16 // how many a Conn keeps at most; a power of two
	maxKeptBlock = 64 // bytes of a block that is kept
	// keptFrom is from which block on heads are kept: a connection with few calls
	// does not need the memory.
	keptFrom = 16
)

// keptHeadSet holds each block in the only place that its bytes allow.
type keptHeadSet struct {
	heads [keptHeads]*keptHead
	// once says which block was met there last and not kept: one that is met a
	// second time is worth its memory.
	once   [keptHeads]uint64
	blocks int // decoded so far
	hash   uint64
	gen    uint64
	fit    bool // the block just decoded may be kept
}

// find returns what block means, or nil. It notes what keep has to know.
func (ks *keptHeadSet) find(block []byte, gen uint64) *Head {
	ks.fit = false
	if len(block) > maxKeptBlock {
		return nil
	}
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range block {
		h = (h ^ uint64(b)) * 1099511628211
	}
	ks.hash, ks.gen, ks.fit = h, gen, ks.blocks > keptFrom
	k := ks.heads[h>>60]
	if k == nil || k.gen != gen || k.block != string(block) {
		return nil
	}
	k.hits |= 1 << 7
	return &k.head
}

// keep keeps what block means, if that is likely to pay, and returns h or a copy.
func (ks *keptHeadSet) keep(h *Head, kind headKind, block []byte) *Head {
	at := ks.hash >> 60
	if id := ks.hash ^ ks.gen; ks.once[at] != id {
		ks.once[at] = id
		return h
	}
	if k := ks.heads[at]; k != nil && k.gen == ks.gen && k.hits > 0 {
		k.hits >>= 1 // its place is taken when it has not been of use for a while
		return h
	}
	for i := range h.all {
		if h.all[i].Entry == nil {
			return h // a literal: most likely another one the next time
		}
	}
	k := &keptHead{block: string(block), gen: ks.gen, head: *h}
	k.head.all = slices.Clone(h.all)
	k.head.Fields = k.head.all[len(h.all)-len(h.Fields):]
	k.head.Kept, k.head.kind = true, kind
	ks.heads[at] = k
	return &k.head
}

// decode sets c.Head to what block means, which is not checked yet unless it Kept.
func (c *Conn) decode(block []byte) error {
	gen := c.dec.Generation()
	if c.Head = c.kept.find(block, gen); c.Head != nil {
		return nil
	}
	h := &c.head
	c.Head = h
	h.reset()
	var err error
	lim := hpack.Limits{Bytes: c.cfg.MaxHeaderBytes, Fields: c.cfg.MaxHeaderFields}
	h.all, h.TooLarge, err = c.dec.Decode(h.all, block, lim)
	c.kept.blocks++
	c.kept.fit = c.kept.fit && err == nil && !h.TooLarge && c.dec.Generation() == gen
	return err
}

// check checks c.Head, keeps it if block may be met again, and returns what is
// wrong with it, or "".
func (c *Conn) check(kind headKind, block []byte) string {
	h := c.Head
	if h.Kept && h.kind == kind {
		return ""
	}
	why := h.parse(kind)
	if why == "" && !h.Kept && c.kept.fit {
		c.Head = c.kept.keep(h, kind, block)
	}
	return why
}

type headKind uint8

const (
	headRequest headKind = iota
	headResponse
	headTrailers
)

// parse sorts the fields and checks them. It returns what is wrong, or "".
func (h *Head) parse(kind headKind) string {
	const (
		hasMethod = 1 << iota
		hasScheme
		hasPath
		hasAuthority
		hasStatus
	)
	var seen, bit uint8
	n := 0
	for n < len(h.all) {
		f := &h.all[n]
		if f.Name == "" || f.Name[0] != ':' {
			break
		}
		n++
		switch f.Name {
		case ":method":
			h.Method, bit = f.Value, hasMethod
		case ":scheme":
			h.Scheme, bit = f.Value, hasScheme
		case ":path":
			h.Path, h.PathEntry, bit = f.Value, f.Entry, hasPath
		case ":authority":
			h.Authority, bit = f.Value, hasAuthority
		case ":status":
			v, err := strconv.Atoi(f.Value)
			if err != nil || len(f.Value) != 3 || v < 100 {
				return "malformed :status"
			}
			h.Status, bit = v, hasStatus
		default:
			return "unknown pseudo-header field " + strconv.Quote(f.Name)
		}
		if seen&bit != 0 {
			return "repeated pseudo-header field " + f.Name
		}
		seen |= bit
		if !validValue(f.Value) {
			return "invalid value of " + f.Name
		}
	}
	h.Fields = h.all[n:]
	for i := range h.Fields {
		if why := h.check(&h.Fields[i]); why != "" {
			return why
		}
	}
	if h.TooLarge {
		return "" // what is missing may have been left out
	}
	switch kind {
	case headTrailers:
		if seen != 0 {
			return "pseudo-header field in trailers"
		}
	case headResponse:
		if seen != hasStatus {
			return "a response needs :status and no other pseudo-header field"
		}
	default:
		if h.Method == "CONNECT" {
			if seen != hasMethod|hasAuthority {
				return "CONNECT takes :method and :authority"
			}
		} else if seen&^hasAuthority != hasMethod|hasScheme|hasPath || h.Path == "" || h.Method == "" {
			return "a request needs :method, :scheme and :path"
		}
	}
	return ""
}

// check checks one regular field.
func (h *Head) check(f *hpack.Field) string {
	// Fields that repeat come from the table, where they were checked before.
	if f.Entry != nil && f.Entry.Checked {
		return ""
	}
	if why := validName(f.Name); why != "" {
		return why
	}
	if !validValue(f.Value) {
		return "invalid value of " + f.Name
	}
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return "connection-specific field " + f.Name
	case "te":
		if !strings.EqualFold(f.Value, "trailers") {
			return "te is not \"trailers\""
		}
	case "content-length":
		v, err := strconv.ParseUint(f.Value, 10, 62)
		if err != nil || h.ContentLength >= 0 && h.ContentLength != int64(v) {
			return "malformed content-length"
		}
		h.ContentLength = int64(v)
		return "" // must be looked at each time
	}
	if f.Entry != nil {
		f.Entry.Checked = true
	}
	return ""
}

// validName checks a field name: lower-case token characters (RFC 9113, 8.2.1).
func validName(s string) string {
	if s == "" {
		return "empty field name"
	}
	if s[0] == ':' {
		return "pseudo-header field " + s + " after a regular field"
	}
	for i := range len(s) {
		if !nameChar[s[i]] {
			return "invalid character in field name " + strconv.Quote(s)
		}
	}
	return ""
}

// validValue checks a field value (RFC 9113, 8.2.1), but for spaces at its ends:
// grpc-go and gRPC's C core send them in metadata and in grpc-message.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// nameChar holds the characters of an RFC 9110 token, without upper case.
var nameChar = func() (t [256]bool) {
	for c := byte('a'); c <= 'z'; c++ {
		t[c] = true
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = true
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()
