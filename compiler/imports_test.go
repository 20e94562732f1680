package compiler

import (
	"go/format"
	"testing"
)

// A list right behind a line of text takes gofmt two passes.
func TestSettled(t *testing.T) {
	const src = "package p\n\n// If it is true:\n// - one and then\n//   two.\n//\n// If it is false:\n//   - three.\nfunc F() {}\n"
	once, err := format.Source([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	got := settled(src)
	if again, _ := format.Source([]byte(got)); string(again) != got {
		t.Errorf("formatting it again changes\n%s\nto\n%s", got, again)
	}
	if string(once) == got {
		t.Log("one pass was enough for this Go version")
	}
}
