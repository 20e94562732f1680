package engine

import "unicode/utf8"

// appendText appends a length and text, made UTF-8 and cut to most bytes.
func appendText(dst []byte, text string, most int) []byte {
	n, valid := fitText(text, most)
	dst = AppendVarint(dst, uint64(n))
	if valid {
		return append(dst, text[:n]...)
	}
	end := len(dst) + n
	for _, r := range text { // a byte that is no UTF-8 comes as U+FFFD
		if len(dst)+utf8.RuneLen(r) > end {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// fitText returns how long text is once it is UTF-8 and cut between characters to
// at most most bytes, and whether that part of it is UTF-8 as it stands.
func fitText(text string, most int) (n int, valid bool) {
	valid = true
	for i, r := range text {
		size := utf8.RuneLen(r)
		if n+size > most {
			break
		}
		n += size
		if r == utf8.RuneError && valid {
			_, width := utf8.DecodeRuneInString(text[i:])
			valid = width == size
		}
	}
	return n, valid
}
