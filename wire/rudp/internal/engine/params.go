package engine

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Params are what one end tells the other in the handshake (3.3).
type Params struct {
	Incarnation [16]byte // this run of the process, not zero
	Salt        [8]byte  // the server's, in plain mode, if HasSalt
	HasSalt     bool
	MaxSlots    uint64 // slots it takes calls on; 0: it hosts no services
	FirstCredit uint64 // bytes; at least LeastCredit
	AckDelay    uint64 // microseconds; at most MostAckDelay
	IdleTimeout uint64 // milliseconds; 0: never; at most MostTime
	MaxDatagram uint64 // bytes; at least BaseMTU
	MaxHeader   uint64 // bytes
	DictEntries uint64
	DictBytes   uint64
	Compression uint64 // bit 0 gzip, bit 1 zstd; other bits mean nothing yet
	Agent       string
	Versions    []byte // 1 to MaxVersions
	KeepAlive   uint64 // milliseconds; 0: never; at most MostTime
}

// Ids of parameters (3.3). Those between salt and agent, and the last, are
// varints.
const (
	paramIncarnation = 1
	paramSalt        = 2
	paramAgent       = 12
	paramVersions    = 13
	paramLast        = 14
)

// paramRules are indexed by id. most 0 says that it is no varint.
var paramRules = [paramLast + 1]struct {
	name                string
	normal, least, most uint64 // normal: what it is when not said
}{
	1:  {name: "incarnation"},
	2:  {name: "salt"},
	3:  {"max_slots", 0, 0, MaxVarint},
	4:  {"first_credit", LeastCredit, LeastCredit, MaxVarint},
	5:  {"ack_delay", DefaultAckDelay, 0, MostAckDelay},
	6:  {"idle_timeout", 0, 0, MostTime},
	7:  {"max_datagram", BaseMTU, BaseMTU, MaxVarint},
	8:  {"max_header", 0, 0, MaxVarint},
	9:  {"dict_entries", 0, 0, MaxVarint},
	10: {"dict_bytes", 0, 0, MaxVarint},
	11: {"compression", 0, 0, MaxVarint},
	12: {name: "agent"},
	13: {name: "versions"},
	14: {"keep_alive", DefaultKeepAlive, 0, MostTime},
}

// number returns where the parameter of an id is kept, or nil if it is no varint.
func (p *Params) number(id int) *uint64 {
	switch id {
	case 3:
		return &p.MaxSlots
	case 4:
		return &p.FirstCredit
	case 5:
		return &p.AckDelay
	case 6:
		return &p.IdleTimeout
	case 7:
		return &p.MaxDatagram
	case 8:
		return &p.MaxHeader
	case 9:
		return &p.DictEntries
	case 10:
		return &p.DictBytes
	case 11:
		return &p.Compression
	case 14:
		return &p.KeepAlive
	}
	return nil
}

// DefaultParams are those of an end that says nothing (3.3); Incarnation and
// Versions are still to be set.
func DefaultParams() (p Params) {
	for id := range paramRules {
		if at := p.number(id); at != nil {
			*at = paramRules[id].normal
		}
	}
	return p
}

// AppendParams appends p, leaving out what has its default (3.3). The agent is
// made UTF-8 and cut to AgentBytes.
func AppendParams(dst []byte, p *Params) []byte {
	for id := paramIncarnation; id <= paramLast; id++ {
		switch at := p.number(id); {
		case at != nil && *at != paramRules[id].normal:
			dst = append(dst, byte(id), byte(SizeVarint(*at)))
			dst = AppendVarint(dst, *at)
		case id == paramIncarnation:
			dst = appendBytes(append(dst, paramIncarnation), p.Incarnation[:])
		case id == paramSalt && p.HasSalt:
			dst = appendBytes(append(dst, paramSalt), p.Salt[:])
		case id == paramAgent && p.Agent != "":
			dst = appendText(append(dst, paramAgent), p.Agent, AgentBytes)
		case id == paramVersions:
			dst = appendBytes(append(dst, paramVersions), p.Versions)
		}
	}
	return dst
}

// ParseParams reads the parameters of one end (3.3). Unknown ones are ignored.
// It copies what it keeps. Errors are PROTOCOL and name the parameter.
func ParseParams(b []byte) (Params, *Error) {
	p := DefaultParams()
	if len(b) > ParamBytes {
		return p, protocol("parameters: %d bytes, more than %d (limit ParamBytes)", len(b), ParamBytes)
	}
	c := cursor{b: b, what: "parameters"}
	var seen [MaxParams]uint64
	count := 0
	for len(c.b) > 0 && c.ok() {
		id := c.varint("id")
		value := c.take("value", c.varint("length"))
		if !c.ok() {
			break
		}
		if count == MaxParams {
			c.bad("count", "more than %d (limit MaxParams)", MaxParams)
			break
		}
		for _, other := range seen[:count] {
			if id == other {
				c.bad("id", "%d comes twice", id)
			}
		}
		seen[count] = id
		count++
		if id <= paramLast {
			p.set(&c, int(id), value)
		}
	}
	if p.Incarnation == [16]byte{} {
		c.bad("incarnation", "is missing")
	}
	if len(p.Versions) == 0 {
		c.bad("versions", "is missing")
	}
	return p, c.done()
}

// set takes in one parameter.
func (p *Params) set(c *cursor, id int, value []byte) {
	rule := &paramRules[id]
	if at := p.number(id); at != nil {
		v, n := readVarint(value)
		if n == 0 || n != len(value) {
			c.bad(rule.name, "%d bytes are not one varint", len(value))
		}
		if v < rule.least || v > rule.most {
			c.bad(rule.name, "%d is not from %d to %d", v, rule.least, rule.most)
		}
		*at = v
		return
	}
	switch id {
	case paramIncarnation:
		if copy(p.Incarnation[:], value) != 16 || len(value) != 16 || p.Incarnation == [16]byte{} {
			c.bad(rule.name, "is not 16 bytes, or zero")
		}
	case paramSalt:
		p.HasSalt = true
		if copy(p.Salt[:], value) != 8 || len(value) != 8 {
			c.bad(rule.name, "has %d bytes, not 8", len(value))
		}
	case paramAgent:
		if !utf8.Valid(value) {
			c.bad(rule.name, "is not UTF-8")
		}
		p.Agent = string(value)
	case paramVersions:
		if len(value) == 0 || len(value) > MaxVersions {
			c.bad(rule.name, "%d of them, not 1 to %d (limit MaxVersions)", len(value), MaxVersions)
		}
		p.Versions = bytes.Clone(value)
	}
}

// AppendPlainParams appends what an end's Initial CRYPTO stream holds in plain
// mode: a 2-byte length and its parameters (3.5).
func AppendPlainParams(dst []byte, p *Params) []byte {
	at := len(dst)
	dst = AppendParams(append(dst, 0, 0), p)
	binary.BigEndian.PutUint16(dst[at:], uint16(len(dst)-at-2))
	return dst
}

// ParsePlainParams reads an Initial CRYPTO stream of plain mode from its beginning
// (3.5). The error is ErrShort or an *Error; bytes beyond are one.
func ParsePlainParams(stream []byte) (Params, error) {
	if len(stream) < 2 {
		return Params{}, ErrShort
	}
	n := int(binary.BigEndian.Uint16(stream))
	switch rest := stream[2:]; {
	case n > ParamBytes:
		return Params{}, protocol("parameters: length: %d bytes, more than %d (limit ParamBytes)", n, ParamBytes)
	case len(rest) < n:
		return Params{}, ErrShort
	case len(rest) > n:
		return Params{}, protocol("parameters: length: %d bytes follow, not %d", len(rest), n)
	}
	p, err := ParseParams(stream[2:])
	if err != nil {
		return p, err
	}
	return p, nil
}
