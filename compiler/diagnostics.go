package compiler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// MaxErrors is how many diagnostics one run prints; the rest are counted.
const MaxErrors = 50

// maxCollected is how many diagnostics of the front end are looked at.
const maxCollected = 1000

// maxShown is how many terminal columns of a source line are printed.
const maxShown = 120

// A Diagnostic is one thing that is wrong, or doubtful, with a source.
type Diagnostic struct {
	File    string // path as the user knows it
	Line    int    // from 1
	Column  int    // from 1, in characters
	Warning bool   // true if it stops nothing
	Message string // one line, no full stop
	Notes   []string

	known  bool   // source is the line; false if there is no such file
	source string // text of the line, without its end
	width  int    // characters to underline
}

// String renders d: "FILE:LINE:COL: error: message", the source line, a caret
// below the place, and notes.
func (d Diagnostic) String() string {
	var b strings.Builder
	kind := "error"
	if d.Warning {
		kind = "warning"
	}
	fmt.Fprintf(&b, "%s:%d:%d: %s: %s\n", d.File, d.Line, d.Column, kind, d.Message)
	if d.known {
		line, caret := excerpt(d.source, d.Column-1, d.width)
		fmt.Fprintf(&b, "    %s\n    %s\n", line, caret)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "    note: %s\n", strings.ReplaceAll(n, "\n", "\n          "))
	}
	return b.String()
}

// excerpt cuts the part of line around the characters [start, start+width) and
// makes the line of carets below it.
func excerpt(line string, start, width int) (shown, caret string) {
	runes := []rune(strings.ToValidUTF8(line, "\uFFFD"))
	start = min(max(start, 0), len(runes))
	end := min(start+max(width, 1), max(len(runes), start+1))
	from, to := 0, len(runes)
	var before, after string
	if uniseg.StringWidth(string(runes)) > maxShown {
		from, to = max(0, start-maxShown/2), min(len(runes), start+maxShown/2)
		if from > 0 {
			before = "..."
		}
		if to < len(runes) {
			after = "..."
		}
	}
	var pad strings.Builder
	pad.WriteString(strings.Repeat(" ", len(before)))
	for _, r := range runes[from:start] {
		if r == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteString(strings.Repeat(" ", uniseg.StringWidth(printable(r))))
		}
	}
	marks := 1
	if end = min(end, to); end > start {
		marks = max(1, uniseg.StringWidth(string(runes[start:end])))
	}
	var text strings.Builder
	for _, r := range runes[from:to] {
		text.WriteString(printable(r))
	}
	return before + text.String() + after, pad.String() + "^" + strings.Repeat("~", marks-1)
}

// printable keeps control characters in a source from reaching the terminal.
func printable(r rune) string {
	if r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) {
		return "\uFFFD"
	}
	return string(r)
}

// Errors is what is wrong with the sources of one run, in order of file and
// position. It is the error that Link and Compile return for bad input.
type Errors []Diagnostic

// Error renders every diagnostic, MaxErrors at most.
func (e Errors) Error() string {
	var b strings.Builder
	for i, d := range e {
		if i == MaxErrors {
			atLeast := ""
			if len(e) >= maxCollected {
				atLeast = "at least "
			}
			fmt.Fprintf(&b, "and %s%d more errors\n", atLeast, len(e)-MaxErrors)
			break
		}
		b.WriteString(d.String())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sorted orders e and drops repeats.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(e, func(a, b Diagnostic) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
}

// atStart is an error about a file that cannot be read.
func atStart(file, message string, notes ...string) Diagnostic {
	return Diagnostic{File: file, Line: 1, Column: 1, Message: message, Notes: notes}
}

// at is an error at bytes [start, end) of a source.
func at(src Source, start, end int, message string, notes ...string) Diagnostic {
	start = min(max(start, 0), len(src.Text))
	end = min(max(end, start), len(src.Text))
	head := src.Text[:start]
	lineStart := strings.LastIndexByte(head, '\n') + 1
	line := src.Text[lineStart:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	line = strings.TrimSuffix(line, "\r")
	within := src.Text[start:min(end, max(start, lineStart+len(line)))]
	return Diagnostic{
		File:    src.Path,
		Line:    strings.Count(head, "\n") + 1,
		Column:  utf8.RuneCountInString(head[lineStart:]) + 1,
		Message: message,
		Notes:   notes,
		known:   true,
		source:  line,
		width:   utf8.RuneCountInString(within),
	}
}

// atLine is an error at a line and column, both from 0 as descriptors have
// them, where columns count tabs to multiples of eight.
func atLine(src Source, line, column, endColumn int, message string, notes ...string) Diagnostic {
	start := 0
	for range line {
		i := strings.IndexByte(src.Text[start:], '\n')
		if i < 0 {
			break
		}
		start += i + 1
	}
	offset := func(column int) int {
		col, off := 0, start
		for _, r := range src.Text[start:] {
			if col >= column || r == '\n' {
				break
			}
			if r == '\t' {
				col += 8 - col%8
			} else {
				col += utf8.RuneLen(r)
			}
			off += utf8.RuneLen(r)
		}
		return off
	}
	return at(src, offset(column), offset(endColumn), message, notes...)
}

// checkText finds what would trouble the front end: text that is too long, not
// UTF-8, or nested so deeply that a recursive parser would run out of stack.
func checkText(src Source) (Diagnostic, bool) {
	if len(src.Text) > MaxSourceBytes {
		return at(src, 0, 0, fmt.Sprintf("file is larger than %d MiB", MaxSourceBytes>>20), "split it into several files"), false
	}
	if strings.HasPrefix(src.Text, "\xff\xfe") || strings.HasPrefix(src.Text, "\xfe\xff") {
		return at(src, 0, 2, "file is UTF-16, not UTF-8", "save it as UTF-8"), false
	}
	if !utf8.ValidString(src.Text) {
		for i := 0; i < len(src.Text); {
			r, n := utf8.DecodeRuneInString(src.Text[i:])
			if r == utf8.RuneError && n == 1 {
				return at(src, i, i+1, fmt.Sprintf("file is not UTF-8: invalid byte 0x%02x", src.Text[i]), "save it as UTF-8"), false
			}
			i += n
		}
	}
	if i := strings.IndexByte(src.Text, 0); i >= 0 {
		return at(src, i, i+1, "file holds a NUL byte: it is not text"), false
	}
	if i := tooDeep(src.Text); i >= 0 {
		return at(src, i, i+1, fmt.Sprintf("brackets, or one word repeated, nest deeper than %d levels", MaxNesting)), false
	}
	return Diagnostic{}, true
}

// tooDeep returns where brackets nest deeper than MaxNesting, or -1. A word that
// is repeated counts as nesting: the parser nests "repeated repeated int32". It
// knows just enough of the language to skip comments and strings.
func tooDeep(text string) int {
	depth, repeats, last := 0, 0, ""
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{', '[', '(', '<':
			if depth++; depth > MaxNesting {
				return i
			}
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		case '"', '\'', '/':
			i = max(i, opaqueEnd(text, i)-1)
		case ' ', '\t', '\r', '\n':
		default:
			word := wordAt(text[i:])
			if word != last || word == "" {
				repeats, last = 0, word
			}
			if repeats++; repeats > MaxNesting {
				return i
			}
			i += max(len(word)-1, 0)
		}
	}
	return -1
}

// opaqueEnd returns where the comment or string that begins at i ends, or i.
func opaqueEnd(text string, i int) int {
	rest := text[i:]
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		for i++; i < len(text) && text[i] != c && text[i] != '\n'; i++ {
			if text[i] == '\\' {
				i++
			}
		}
		return min(i+1, len(text))
	case strings.HasPrefix(rest, "//"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return i + end
		}
		return len(text)
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return i + end + 4
		}
		return len(text)
	}
	return i
}

// wordAt is the identifier that text begins with, or empty.
func wordAt(text string) string {
	for i, c := range []byte(text) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return text[:i]
		}
	}
	return text
}
