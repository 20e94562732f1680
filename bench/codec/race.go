//go:build race

package codec

// checked builds turn on checkptr, which hyperpb v0.1.3 does not pass: it reads
// whole words at the ends of strings (internal/tdp/vm/utf8.go). It is left out
// of them.
const checked = true
