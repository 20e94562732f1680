package compiler

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/bufbuild/protocompile/experimental/source"
)

// MaxSourceBytes is the largest .proto file that is read. The largest known
// hand-written ones are under 1 MiB.
const MaxSourceBytes = 16 << 20

// MaxNesting is how deep brackets of all kinds may nest in a .proto file. The
// language itself allows 32 levels of messages and 100 of option values.
const MaxNesting = 256

// A Source is the text of a .proto file.
type Source struct {
	Path string // where it was read, as diagnostics print it
	Text string
}

// A Resolver finds sources that are not on disk. Find is given an import name
// ("dir/file.proto") and returns an error that wraps fs.ErrNotExist for one
// that it does not have. It is called from many goroutines.
type Resolver interface {
	Find(name string) (Source, error)
}

// Sources is a Resolver of texts in memory, by import name.
type Sources map[string]string

// Find returns the text under name, with the name as its path.
func (s Sources) Find(name string) (Source, error) {
	text, ok := s[name]
	if !ok {
		return Source{}, fs.ErrNotExist
	}
	return Source{Path: name, Text: text}, nil
}

// sources finds files for the front end: first what was given in memory, then
// the import folders in order, then the built-in files. It remembers every
// file so that one run sees one version of each.
type sources struct {
	resolver Resolver
	dirs     []string
	// byName maps the import names of files given on the command line to the
	// paths they were given as.
	byName map[string]string

	mu     sync.Mutex
	found  map[string]opened
	faults Errors // files that were found but cannot be used
}

// errFault stands for an entry of sources.faults.
var errFault = errors.New("unusable source")

type opened struct {
	file *source.File // what the front end reads: see respelled
	text string       // what was opened
	disk string       // path on disk; empty for built-in files and texts in memory
	err  error
}

// Open implements source.Opener for the front end.
func (s *sources) Open(name string) (*source.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.found[name]
	if !ok {
		o = s.open(name)
		s.found[name] = o
	}
	return o.file, o.err
}

func (s *sources) open(name string) opened {
	if s.resolver != nil {
		src, err := s.resolver.Find(name)
		if err == nil {
			return s.accept(src, "")
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.faults = append(s.faults, atStart(name, "cannot read the file: "+err.Error()))
			return opened{err: errFault}
		}
	}
	for _, disk := range s.candidates(name) {
		text, err := readSource(disk)
		if absent(err) {
			continue
		}
		if err != nil {
			s.faults = append(s.faults, atStart(disk, "cannot read the file: "+bare(err).Error()))
			return opened{err: errFault}
		}
		if s.byName[name] == "" && tooOld(name, text) {
			continue
		}
		return s.accept(Source{Path: disk, Text: text}, disk)
	}
	text, ok := builtin(name)
	if !ok {
		return opened{err: fs.ErrNotExist}
	}
	return opened{file: source.NewFile("<built-in>/"+name, text), text: text}
}

// absent reports whether err says that no file has that name, or that none could: an
// import may name anything.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENAMETOOLONG)
}

// tooOld reports whether a file is a descriptor.proto that knows no editions, as
// protobuf up to version 22 installs it. Every file's options are read with
// descriptor.proto, so it would refuse all that is newer than itself.
func tooOld(name, text string) bool {
	return name == "google/protobuf/descriptor.proto" && !strings.Contains(text, "message FeatureSet")
}

// accept checks a text before the front end sees it.
func (s *sources) accept(src Source, disk string) opened {
	if fault, ok := checkText(src); !ok {
		s.faults = append(s.faults, fault)
		return opened{err: errFault}
	}
	return opened{file: source.NewFile(src.Path, respelled(src.Text)), text: src.Text, disk: disk}
}

func (s *sources) candidates(name string) []string {
	if disk, ok := s.byName[name]; ok {
		return []string{disk}
	}
	if !fs.ValidPath(name) {
		return nil // "../x.proto" or "/x.proto": never below an import folder
	}
	var out []string
	for _, dir := range s.dirs {
		out = append(out, filepath.Join(dir, filepath.FromSlash(name)))
	}
	return out
}

// disk returns the path on disk of the file that was opened under name.
func (s *sources) disk(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found[name].disk
}

// path returns how messages call the file of that import name.
func (s *sources) path(name string) string {
	if src, ok := s.text(name); ok {
		return src.Path
	}
	if disk, ok := s.byName[name]; ok {
		return disk
	}
	return name
}

// text returns the text that was opened under name, and its path for messages.
func (s *sources) text(name string) (Source, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.found[name]
	if o.file == nil {
		return Source{}, false
	}
	return Source{Path: o.file.Path(), Text: o.text}, true
}

// byPath returns the text of the file that messages call path.
func (s *sources) byPath(path string) (Source, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.found {
		if o.file != nil && o.file.Path() == path {
			return Source{Path: path, Text: o.text}, true
		}
	}
	return Source{Path: path}, false
}

// readSource reads a file of bounded size.
func readSource(disk string) (string, error) {
	f, err := os.Open(disk)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return "", fs.ErrNotExist
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxSourceBytes+1))
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// bare takes the operation and the path off a path error.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// importName turns a path on disk into the name that other files import it by:
// the path below the first of dirs that holds it. It reports false if none
// does.
func importName(disk string, dirs []string) (string, bool) {
	target, err := filepath.Abs(disk)
	if err != nil {
		return "", false
	}
	for _, resolve := range []func(string) string{func(p string) string { return p }, realPath} {
		for _, dir := range dirs {
			abs, err := filepath.Abs(dir)
			if err != nil {
				continue
			}
			rel, err := filepath.Rel(resolve(abs), resolve(target))
			if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
				continue
			}
			return filepath.ToSlash(rel), true
		}
	}
	return "", false
}

// realPath follows symbolic links; a path that cannot be followed stays.
func realPath(p string) string {
	if r, err := filepath.EvalSymlinks(p); err == nil {
		return r
	}
	return p
}

// nameInputs finds the import name of every file given by the user. Files that
// cannot be named are errors at line 1 of themselves.
func nameInputs(files, importPaths []string, resolver Resolver) (dirs []string, byName map[string]string, names []string, errs Errors) {
	dirs = importPaths
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	byName = map[string]string{}
	for _, file := range files {
		if resolver != nil {
			if _, err := resolver.Find(file); err == nil {
				names = appendNew(names, file)
				continue
			}
		}
		disk, err := findInput(file, importPaths)
		if err != nil {
			errs = append(errs, atStart(file, err.Error()))
			continue
		}
		name, ok := importName(disk, dirs)
		if !ok && len(importPaths) == 0 {
			// No -I and not below the working folder: its own folder is the root.
			dir := filepath.Dir(disk)
			if !slices.Contains(dirs, dir) {
				dirs = append(slices.Clip(dirs), dir)
			}
			name, ok = filepath.Base(disk), true
		}
		if !ok {
			errs = append(errs, atTop(file, disk, fmt.Sprintf("file lies outside every -I folder (%s)", strings.Join(dirs, ", ")),
				"a file's name is its path below the first -I that holds it; add -I "+filepath.Dir(disk)))
			continue
		}
		if other, ok := shadow(name, disk, dirs); ok {
			errs = append(errs, atTop(file, disk, fmt.Sprintf("%q would be read from %s, which an earlier -I holds under the same name", name, other),
				"reorder the -I folders, or give the other file"))
			continue
		}
		byName[name] = disk
		names = appendNew(names, name)
	}
	return dirs, byName, names, errs
}

// atTop is an error about the whole of a file on disk.
func atTop(file, disk, message string, notes ...string) Diagnostic {
	text, err := readSource(disk)
	if err != nil {
		return atStart(file, message, notes...)
	}
	return at(Source{Path: file, Text: text}, 0, 0, message, notes...)
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// findInput finds a file that the user named: as a path, else below an -I.
func findInput(file string, importPaths []string) (string, error) {
	st, err := os.Stat(file)
	if err == nil && st.IsDir() {
		return "", errors.New("this is a folder, not a .proto file")
	}
	if err == nil {
		return filepath.Clean(file), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read the file: %w", bare(err))
	}
	if !filepath.IsAbs(file) {
		for _, dir := range importPaths {
			disk := filepath.Join(dir, file)
			if st, err := os.Stat(disk); err == nil && !st.IsDir() {
				return disk, nil
			}
		}
	}
	if len(importPaths) > 0 {
		return "", fmt.Errorf("file does not exist, neither here nor below -I %s", strings.Join(importPaths, ", "))
	}
	return "", errors.New("file does not exist")
}

// shadow finds another file that an import of name would get instead of disk.
func shadow(name, disk string, dirs []string) (string, bool) {
	mine, err := os.Stat(disk)
	if err != nil {
		return "", false
	}
	for _, dir := range dirs {
		other := filepath.Join(dir, filepath.FromSlash(name))
		st, err := os.Stat(other)
		if err != nil {
			continue
		}
		return other, !os.SameFile(st, mine)
	}
	return "", false
}
