package section

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"filled", "a\n<!-- x: begin -->\nold\nold\n<!-- x: end -->\nb\n", "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"},
		{"empty", "<!-- x: begin -->\n<!-- x: end -->\n", "<!-- x: begin -->\nnew\n<!-- x: end -->\n"},
		{"another's", "<!-- y: begin -->\nold\n<!-- y: end -->\n", ""},
		{"no end", "<!-- x: begin -->\nold\n", ""},
		{"the wrong way round", "<!-- x: end -->\nold\n<!-- x: begin -->\n", ""},
		{"twice", "<!-- x: begin -->\n<!-- x: end -->\n<!-- x: begin -->\n<!-- x: end -->\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "doc.md")
			if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			err := Replace(file, "x", "new\n\n")
			got, _ := os.ReadFile(file)
			if c.after == "" && (err == nil || string(got) != c.before) {
				t.Errorf("want an error and the file as it was, not %v and %q", err, got)
			}
			if c.after != "" && (err != nil || string(got) != c.after) {
				t.Errorf("%v, %q; want %q", err, got, c.after)
			}
		})
	}
}
