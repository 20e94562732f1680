package engine

import (
	"unicode/utf8"

	"github.com/lupine-rpc/lupine"
)

// Status is what STATUS says, without its fields (2.4).
type Status struct {
	Code     lupine.Code
	Executed lupine.Executed
	Text     []byte // UTF-8
	// Details is how many there are; AppendDetails makes them.
	Details int
	b       []byte
}

// read reads STATUS up to its fields.
func (s *Status) read(c *cursor) {
	start := len(c.b) + 1 // the kind counts
	room := func() int { return StatusBytes - (start - len(c.b)) }
	code, executed := c.status()
	s.Code, s.Executed = lupine.Code(code), executed
	s.Text = c.bytes("text", room(), "StatusBytes")
	if c.ok() && !utf8.Valid(s.Text) {
		c.bad("text", "is not UTF-8")
	}
	n := c.varint("count of details")
	if n > MaxDetails {
		c.bad("count of details", "%d, more than %d (limit MaxDetails)", n, MaxDetails)
	}
	s.b = c.b
	for ; s.Details < int(n) && c.ok(); s.Details++ {
		if t := c.bytes("type of a detail", room(), "StatusBytes"); c.ok() && !utf8.Valid(t) {
			c.bad("type of a detail", "is not UTF-8")
		}
		c.bytes("value of a detail", room(), "StatusBytes")
	}
	if c.ok() && room() < 0 {
		c.bad("details", "end past %d bytes (limit StatusBytes)", StatusBytes)
	}
	s.b = s.b[:len(s.b)-len(c.b)]
}

// AppendDetails appends copies of the details to dst (2.4).
func (s *Status) AppendDetails(dst []lupine.Detail) []lupine.Detail {
	c := cursor{b: s.b}
	for range s.Details {
		t := string(c.take("", c.varint("")))
		v := append([]byte(nil), c.take("", c.varint(""))...)
		dst = append(dst, lupine.Detail{Type: t, Value: v})
	}
	return dst
}

// AppendStatus appends STATUS for e, which may be nil for OK, with the trailer
// md (2.4). So that it keeps to StatusBytes, details are left out from the last
// on, then the text is cut. d nil means literals only, uses nil acked ids only.
func AppendStatus(dst []byte, e *lupine.Error, md lupine.Metadata, d *WriteDict, uses *Uses) []byte {
	if e == nil {
		e = &okStatus
	}
	// Kind, code, executed, and the longest count and length of the text.
	const fixed = 1 + 8 + 1 + 2 + 4
	text, _ := fitText(e.Message, StatusBytes-fixed)
	room := StatusBytes - fixed - text
	details := e.Details[:min(len(e.Details), MaxDetails)]
	for i := range details {
		room -= sizeDetail(&details[i])
		if room < 0 {
			details = details[:i]
			break
		}
	}
	dst = AppendVarint(append(dst, byte(RecordStatus)), uint64(e.Code))
	dst = append(dst, byte(e.Executed))
	dst = appendText(dst, e.Message, text)
	dst = AppendVarint(dst, uint64(len(details)))
	for i := range details {
		dst = appendText(dst, details[i].Type, StatusBytes)
		dst = appendBytes(dst, details[i].Value)
	}
	return appendFields(dst, md, d, uses)
}

var okStatus = lupine.Error{Executed: lupine.Yes}

func sizeDetail(d *lupine.Detail) int {
	t, _ := fitText(d.Type, StatusBytes)
	return SizeVarint(uint64(t)) + t + SizeVarint(uint64(len(d.Value))) + len(d.Value)
}
