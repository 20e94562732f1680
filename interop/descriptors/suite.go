package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A suite is a folder of .proto files.
type suite struct {
	name string
	// roots are the folder, and others where what it imports is found.
	roots []string
	// files are the folder's, by import name; editions are those of them that
	// use editions.
	files    []string
	editions map[string]bool
}

// openSuite lists the files of NAME=FOLDER[,FOLDER...].
func openSuite(arg string) (*suite, error) {
	name, folders, ok := strings.Cut(arg, "=")
	if !ok {
		return nil, fmt.Errorf("%q: want NAME=FOLDER", arg)
	}
	s := &suite{name: name, editions: map[string]bool{}}
	for f := range strings.SplitSeq(folders, ",") {
		root, err := filepath.Abs(f)
		if err != nil {
			return nil, err
		}
		s.roots = append(s.roots, root)
	}
	root := s.roots[0]
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".proto") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		s.files = append(s.files, file)
		s.editions[file] = bytes.Contains(append([]byte("\n"), b...), []byte("\nedition"))
		return nil
	})
	if err == nil && len(s.files) == 0 {
		err = fmt.Errorf("%s: no .proto files below %s", name, root)
	}
	return s, err
}
