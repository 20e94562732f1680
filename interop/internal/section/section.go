// Package section keeps tables that programs print in documents that people write.
package section

import (
	"fmt"
	"os"
	"strings"
)

// Replace puts text between the lines "<!-- NAME: begin -->" and
// "<!-- NAME: end -->" of a file, in place of what is there. It fails if the file
// has not both of them, once each.
func Replace(file, name, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 || strings.Contains(after, begin) || strings.Contains(after, end) {
		return fmt.Errorf("%s: want one line %q and one line %q after it", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(file, []byte(before+begin+strings.TrimRight(text, "\n")+"\n"+end+after), 0o644)
}
