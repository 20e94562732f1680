package compiler

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Write puts every output on disk: beside its place first, then renamed, so that
// no reader sees half a file. A file that already has the content is not
// touched, so that build tools see no change. It returns the paths that it
// wrote.
func (r *Result) Write() (written []string, err error) {
	return WriteOutputs(r.Outputs)
}

// WriteOutputs is Write for a chosen set of outputs, each at its Path.
func WriteOutputs(outputs []Output) (written []string, err error) {
	for _, o := range outputs {
		changed, err := WriteFile(o.Path, o.Content)
		if err != nil {
			return written, err
		}
		if changed {
			written = append(written, o.Path)
		}
	}
	return written, nil
}

// WriteFile replaces the file at path if its content differs, by writing beside
// it and renaming. Folders are made as needed. It reports whether it wrote.
func WriteFile(path string, content []byte) (changed bool, err error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	mode := os.FileMode(0o644)
	if st, err := os.Stat(path); err == nil {
		if st.IsDir() {
			return false, fmt.Errorf("cannot write %s: a folder is there", path)
		}
		mode = st.Mode().Perm()
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("cannot make the output folder: %w", err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, bare(err))
	}
	if err := f.Chmod(mode); err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, bare(err))
	}
	if err := f.Close(); err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, bare(err))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, err)
	}
	return true, nil
}
