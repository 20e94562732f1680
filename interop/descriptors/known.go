package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// An explanation is a line of known.txt: why a file is not equal.
type explanation struct {
	suite, ref, file, why string // patterns as of path.Match, but for why
	line                  int
	used                  bool
}

func parseKnown(text string) ([]*explanation, error) {
	var out []*explanation
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		head, why, ok := strings.Cut(line, ": ")
		words := strings.Fields(head)
		if !ok || len(words) != 3 {
			return nil, fmt.Errorf("known.txt:%d: want SUITE COMPILER FILE: REASON", n)
		}
		out = append(out, &explanation{suite: words[0], ref: words[1], file: words[2], why: why, line: n})
	}
	return out, nil
}

// explain returns what known.txt says of a file, or nil.
func explain(known []*explanation, suite, ref, file string) *explanation {
	for _, k := range known {
		if k.matches(suite, ref) && glob(k.file, file) {
			k.used = true
			return k
		}
	}
	return nil
}

func (k *explanation) matches(suite, ref string) bool {
	return glob(k.suite, suite) && glob(k.ref, ref)
}

func glob(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// applies reports whether a run over suites with references could have used k.
func (k *explanation) applies(suites []*suite, references []compiler) bool {
	return slices.ContainsFunc(suites, func(s *suite) bool {
		return slices.ContainsFunc(references, func(r compiler) bool { return k.matches(s.name, r.name) })
	})
}
