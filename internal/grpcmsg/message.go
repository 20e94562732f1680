package grpcmsg

import (
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// AppendMessage appends msg as a grpc-message value. Only what must be encoded
// is: bytes outside 0x20 to 0x7E and the percent sign (PROTOCOL-HTTP2,
// Percent-Encoded), and a space at either end, which no HTTP/2 field value may
// have (RFC 9113, section 8.2.1). Other implementations do not decode more.
// Bytes that are not UTF-8 become U+FFFD.
func AppendMessage(dst []byte, msg string) []byte {
	for i := 0; i < len(msg); {
		c := msg[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(msg[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, "%EF%BF%BD"...)
			} else {
				for j := i; j < i+size; j++ {
					dst = appendPercent(dst, msg[j])
				}
			}
			i += size
			continue
		case c < 0x20, c == 0x7f, c == '%':
			dst = appendPercent(dst, c)
		case c == ' ' && (i == 0 || i == len(msg)-1):
			dst = appendPercent(dst, c)
		default:
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

func appendPercent(dst []byte, c byte) []byte {
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// DecodeMessage decodes a grpc-message value. It never fails, since a status
// matters more than its text: a broken escape stays as it is, and bytes that
// are not UTF-8 become U+FFFD. Without anything to decode it returns s.
func DecodeMessage(s string) string {
	if plainASCII(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi|lo < 16 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// plainASCII reports whether s has neither escapes nor bytes beyond ASCII.
func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' || s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// unhex returns the value of a hexadecimal digit, or a number with a bit above
// the low four.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
