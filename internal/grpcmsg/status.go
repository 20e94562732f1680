package grpcmsg

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/lupine-rpc/lupine"
)

// StatusOK is the grpc-status value of success.
const StatusOK = "0"

// fieldOverhead is what one field counts towards a peer's header list size
// beside its name and value, in bytes (RFC 9113, section 6.5.2).
const fieldOverhead = 32

// AppendCode appends a code as a grpc-status value. It does not allocate if dst
// has room for ten bytes.
func AppendCode(dst []byte, code lupine.Code) []byte {
	return strconv.AppendUint(dst, uint64(code), 10)
}

// ParseCode reads a grpc-status value. ok is false if it is not one to ten
// digits. Numbers that gRPC does not define are Unknown, as its statuscodes.md
// asks.
func ParseCode(s string) (code lupine.Code, ok bool) {
	if len(s) == 0 || len(s) > 10 {
		return lupine.Unknown, false
	}
	var n uint64
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return lupine.Unknown, false
		}
		n = n*10 + uint64(c)
	}
	if n > uint64(lupine.Unauthenticated) {
		return lupine.Unknown, true
	}
	return lupine.Code(n), true
}

// AppendStatus appends the trailer fields that say how a call ended, in wire
// form: grpc-status, grpc-message, grpc-status-details-bin where there are
// details, and lupine-executed where e says so. A nil e is success. The error's
// Metadata is not among them: see AppendFields.
//
// Limit bounds what the fields count towards the peer's header list size, in
// bytes (RFC 9113, section 6.5.2); zero or less is no limit. A status that does
// not fit loses its details first and then the end of its message, and the
// message says so: a response that the peer refuses would lose the code too.
func AppendStatus(dst lupine.Metadata, e *lupine.Error, limit int) lupine.Metadata {
	if e == nil {
		return append(dst, lupine.Pair{Key: HeaderStatus, Value: StatusOK})
	}
	dst = append(dst, lupine.Pair{Key: HeaderStatus, Value: string(AppendCode(nil, e.Code))})
	used := len(HeaderStatus) + 10 + fieldOverhead
	switch e.Executed {
	case lupine.Yes:
		dst = append(dst, lupine.Pair{Key: HeaderExecuted, Value: "yes"})
	case lupine.No:
		dst = append(dst, lupine.Pair{Key: HeaderExecuted, Value: "no"})
	}
	used += len(HeaderExecuted) + 3 + fieldOverhead

	var details string
	if len(e.Details) > 0 {
		details = base64.RawStdEncoding.EncodeToString(AppendRPCStatus(nil, e))
	}
	msg := encodeMessage(e, &details, limit, used)
	if msg != "" {
		dst = append(dst, lupine.Pair{Key: HeaderMessage, Value: msg})
	}
	if details != "" {
		dst = append(dst, lupine.Pair{Key: HeaderStatusDetails, Value: details})
	}
	return dst
}

// encodeMessage returns the grpc-message value of e. It empties details, which
// are encoded already, if both do not fit beside the used bytes under limit.
func encodeMessage(e *lupine.Error, details *string, limit, used int) string {
	if limit <= 0 {
		return string(AppendMessage(nil, e.Message))
	}
	room := limit - used - len(HeaderMessage) - fieldOverhead
	if *details == "" {
		return encodeWithin(e.Message, room)
	}
	msg := string(AppendMessage(nil, e.Message))
	if len(msg)+len(HeaderStatusDetails)+len(*details)+fieldOverhead <= room {
		return msg
	}
	*details = ""
	note := " (details left out: the peer takes " + strconv.Itoa(limit) + " bytes of headers)"
	if len(msg)+len(note)+2 <= room { // 2: a space at the old end was "%20"
		return string(AppendMessage(nil, e.Message+note))
	}
	return encodeWithin(e.Message, room)
}

// encodeWithin returns msg as a grpc-message value of at most limit bytes. What
// does not fit is cut at a character and marked by "...".
func encodeWithin(msg string, limit int) string {
	const mark = "..."
	size, cut := 0, 0 // cut: the end of the last character that leaves room for the mark
	for i, r := range msg {
		n := 3
		switch {
		case r >= utf8.RuneSelf:
			n = 3 * utf8.RuneLen(r) // an invalid byte is encoded as U+FFFD
		case r > 0x20 && r < 0x7f && r != '%', r == ' ' && i > 0 && i < len(msg)-1:
			n = 1
		}
		if size += n; size+len(mark) <= limit {
			_, width := utf8.DecodeRuneInString(msg[i:])
			cut = i + width
		}
	}
	if size <= limit {
		return string(AppendMessage(nil, msg))
	}
	if limit < len(mark) {
		return ""
	}
	return string(AppendMessage(nil, msg[:cut]+mark))
}

// Outcome gathers what the headers and trailers of a response say about how the
// call ended. The zero value is ready; it is not safe for concurrent use.
type Outcome struct {
	status, message, details, executed string
	seen                               bool
	conflict                           bool
}

// Take reads one field of a peer. It reports whether the field belongs to the
// status and so is not metadata. The strings are kept.
func (o *Outcome) Take(name, value string) bool {
	if len(name) < len(HeaderStatus) || name[0] != 'g' && name[0] != 'l' {
		return false
	}
	switch name {
	case HeaderStatus:
		o.conflict = o.conflict || o.seen && o.status != value
		o.status, o.seen = value, true
	case HeaderMessage:
		o.message = value
	case HeaderStatusDetails:
		o.details = value
	case HeaderExecuted:
		o.executed = value
	default:
		return false
	}
	return true
}

// HasStatus reports whether a grpc-status was among the fields.
func (o *Outcome) HasStatus() bool { return o.seen }

// OK reports whether the fields say success, without allocating.
func (o *Outcome) OK() bool { return o.status == StatusOK && !o.conflict }

// Err returns nil for success, else an *lupine.Error with the trailer as its
// metadata. Executed is what a Lupine server said, else Maybe: another server's
// status does not tell. Without a grpc-status the result is an Unknown error;
// HTTPError makes a better one of a response that is not gRPC's. Details that
// contradict grpc-status, or cannot be read, are left out; the code stands.
func (o *Outcome) Err(trailer lupine.Metadata) error {
	if o.OK() {
		return nil
	}
	code, ok := ParseCode(o.status)
	switch {
	case !o.seen:
		return fail(lupine.Unknown, "the response ended without a grpc-status")
	case o.conflict:
		return fail(lupine.Internal, "the response has more than one grpc-status")
	case !ok:
		return fail(lupine.Unknown, "the response has the grpc-status %q, which is not a number", quote(o.status))
	case code == lupine.OK: // "00"
		return nil
	}
	e := &lupine.Error{Code: code, Message: DecodeMessage(o.message), Metadata: trailer, Executed: parseExecuted(o.executed)}
	if e.Message == "" && code == lupine.Unknown && o.status != "2" {
		e.Message = "the server answered with status " + o.status + ", which gRPC does not define"
	}
	if o.details == "" {
		return e
	}
	raw, err := DecodeBinary(o.details)
	if err != nil {
		return e
	}
	st, err := ParseRPCStatus([]byte(raw))
	if err != nil || st.Code != code {
		return e
	}
	e.Details = st.Details
	if st.Message != "" {
		e.Message = st.Message // the header's may have lost what is not UTF-8
	}
	return e
}

func parseExecuted(s string) lupine.Executed {
	switch s {
	case "yes":
		return lupine.Yes
	case "no":
		return lupine.No
	}
	return lupine.Maybe
}
