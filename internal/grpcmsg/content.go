package grpcmsg

import "strings"

// ContentType is the media type of gRPC (PROTOCOL-HTTP2, Content-Type).
const ContentType = "application/grpc"

// ParseContentType reads a content-type value. It returns the subtype that
// names the codec, lower-case: "" for "application/grpc" alone, which means
// "proto". ok is false for anything that is not gRPC, such as
// "application/grpc-web". Parameters are ignored; case does not matter (RFC
// 9110, section 8.3.1).
func ParseContentType(s string) (subtype string, ok bool) {
	if s == ContentType {
		return "", true
	}
	s = strings.Trim(s, " \t")
	if len(s) < len(ContentType) || !strings.EqualFold(s[:len(ContentType)], ContentType) {
		return "", false
	}
	rest := s[len(ContentType):]
	if i := strings.IndexByte(rest, ';'); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimRight(rest, " \t")
	if rest == "" {
		return "", true
	}
	if rest[0] != '+' || len(rest) == 1 {
		return "", false
	}
	for i := 1; i < len(rest); i++ {
		if !tokenByte(rest[i]) {
			return "", false
		}
	}
	return strings.ToLower(rest[1:]), true
}

// AppendContentType appends the content-type value for a codec: "proto", or
// nothing, gives "application/grpc+proto" or "application/grpc".
func AppendContentType(dst []byte, subtype string) []byte {
	dst = append(dst, ContentType...)
	if subtype != "" {
		dst = append(append(dst, '+'), subtype...)
	}
	return dst
}

// AcceptsTrailers reports whether a te value lists "trailers", which every gRPC
// request must (PROTOCOL-HTTP2, TE): a proxy that drops it would drop the
// status as well.
func AcceptsTrailers(te string) bool {
	for te != "" {
		one, rest, _ := strings.Cut(te, ",")
		name, _, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.Trim(name, " \t"), "trailers") {
			return true
		}
		te = rest
	}
	return false
}

// tokenByte reports whether c may stand in an HTTP token (RFC 9110, section
// 5.6.2).
func tokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
