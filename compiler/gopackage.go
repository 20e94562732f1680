package compiler

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"hash/fnv"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"google.golang.org/protobuf/types/descriptorpb"
)

// goPackage is where the Go code of a .proto file lives.
type goPackage struct {
	importPath string
	name       string
	// nowhere is why the import path is not known, or nil. Then importPath is a
	// stand-in: the package can be generated, but not imported.
	nowhere error
}

// goPackageNote says how to settle where a file's package is.
const goPackageNote = `say, for example, option go_package = "example.com/project/folder", or run go mod init in your project`

// goPackages finds the Go package of every file in files, which are the inputs
// and what they need at run time. A go_package option is taken at its word;
// without one it is the module of the nearest go.mod and the folder.
func (l *Linked) goPackages(files []*descriptorpb.FileDescriptorProto, cfg Config) (map[string]goPackage, Errors) {
	packages := map[string]goPackage{}
	var errs Errors
	for _, fd := range files {
		p, err := l.goPackage(fd, cfg.OutDir)
		if err == nil && cfg.StubSuffix != "" && slices.Contains(l.Inputs, fd.GetName()) {
			err = p.nowhere // the stubs' package imports the messages'
		}
		if err != nil {
			errs = append(errs, l.atGoPackage(fd, err.Error(), goPackageNote))
			continue
		}
		packages[fd.GetName()] = p
	}
	if len(errs) > 0 {
		return nil, errs
	}
	first := map[string]*descriptorpb.FileDescriptorProto{}
	for _, fd := range files {
		p := packages[fd.GetName()]
		for _, dep := range fd.Dependency {
			if q := packages[dep]; q.nowhere != nil && q.importPath != p.importPath {
				errs = append(errs, l.atFile(dep, q.nowhere.Error(), goPackageNote,
					l.sources.path(fd.GetName())+" imports it from another Go package"))
			}
		}
		other, ok := first[p.importPath]
		if !ok {
			first[p.importPath] = fd
			continue
		}
		if q := packages[other.GetName()]; q.name != p.name {
			errs = append(errs, l.atGoPackage(fd, fmt.Sprintf("Go package %s is named %s here but %s in %s",
				p.importPath, p.name, q.name, l.sources.path(other.GetName()))))
		}
	}
	return packages, errs
}

// goPackage finds the Go package of one file.
func (l *Linked) goPackage(fd *descriptorpb.FileDescriptorProto, outDir string) (goPackage, error) {
	var p goPackage
	option := fd.GetOptions().GetGoPackage()
	p.importPath, p.name, _ = strings.Cut(option, ";")
	if strings.Contains(p.importPath, ".") && !strings.HasPrefix(p.importPath, ".") || strings.Contains(p.importPath, "/") && !strings.HasPrefix(p.importPath, ".") {
		if p.name == "" {
			p.name = identifier(path.Base(p.importPath))
		}
		if strings.ContainsAny(p.importPath, ",=\"`\\ \t\n") || !validPackageName(p.name) {
			return p, fmt.Errorf("go_package %q is not an import path with a valid package name", option)
		}
		return p, nil
	}
	// "pb", "./pb" and ";pb" name a package but do not say where it is.
	if base := path.Base(p.importPath); p.name == "" && p.importPath != "" && base != "." && base != ".." {
		p.name = identifier(base)
	}
	dir, modPath, below, err := l.module(fd.GetName(), outDir)
	switch {
	case err == nil:
		p.importPath = path.Join(modPath, below)
	case option == "":
		p.nowhere = fmt.Errorf("file has no go_package option, and %w", err)
	default:
		p.nowhere = fmt.Errorf("go_package %q is not a full import path, and %w", option, err)
	}
	if p.nowhere != nil {
		h := fnv.New64a()
		h.Write([]byte(dir))
		p.importPath = fmt.Sprintf("nowhere.invalid/%x", h.Sum64())
	}
	if p.name == "" {
		p.name = declaredPackage(dir)
	}
	if p.name == "" {
		p.name = folderPackage(modPath, below, dir)
	}
	return p, nil
}

// module finds the module that a file's output will be in: that of the output's
// folder, else that of the source's.
func (l *Linked) module(name, outDir string) (dir, modPath, below string, err error) {
	dir, ok := l.outputDir(name, outDir)
	if !ok {
		return path.Dir(name), "", "", errors.New("there is no folder to look for a go.mod from")
	}
	modPath, below, err = nearestModule(dir)
	if disk := l.sources.disk(name); err != nil && outDir != "" && disk != "" {
		if modPath, below, err2 := nearestModule(filepath.Dir(disk)); err2 == nil {
			return dir, modPath, below, nil
		}
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir, modPath, below, err
}

// outputDir is the folder on disk that the file's output goes to.
func (l *Linked) outputDir(name, outDir string) (string, bool) {
	if outDir != "" {
		return filepath.Join(outDir, filepath.FromSlash(path.Dir(name))), true
	}
	if disk := l.sources.disk(name); disk != "" {
		return filepath.Dir(disk), true
	}
	return "", false
}

// nearestModule finds the go.mod in dir or above, and the path of dir below it.
func nearestModule(dir string) (modPath, below string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	for at := abs; ; at = filepath.Dir(at) {
		file := filepath.Join(at, "go.mod")
		text, err := os.ReadFile(file)
		if err == nil {
			modPath := modfile.ModulePath(text)
			if modPath == "" {
				return "", "", fmt.Errorf("%s has no module line", file)
			}
			rel, err := filepath.Rel(at, abs)
			if err != nil {
				return "", "", err
			}
			return modPath, filepath.ToSlash(rel), nil
		}
		if at == filepath.Dir(at) {
			return "", "", fmt.Errorf("there is no go.mod in %s or above", abs)
		}
	}
}

// declaredPackage is the package that hand-written Go files in dir declare, or
// empty if there are none.
func declaredPackage(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.HasSuffix(name, ".pb.go") || strings.HasSuffix(name, "_lupine.go") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.PackageClauseOnly)
		if err == nil && f.Name.Name != "documentation" {
			return f.Name.Name
		}
	}
	return ""
}

// folderPackage makes a package name of a folder's name. The folder of a module
// itself is named after the module, without a major version.
func folderPackage(modPath, below, dir string) string {
	if modPath == "" {
		return identifier(filepath.Base(dir))
	}
	if below != "." {
		return identifier(path.Base(below))
	}
	if prefix, _, ok := module.SplitPathVersion(modPath); ok {
		modPath = prefix
	}
	return identifier(path.Base(modPath))
}

// identifier makes a valid Go package name of s, as protoc-gen-go does.
func identifier(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, s)
	if s == "" || token.IsKeyword(s) || !unicode.IsLetter([]rune(s)[0]) {
		s = "_" + s
	}
	if s == "_" {
		return "_pb"
	}
	return s
}

func validPackageName(s string) bool { return token.IsIdentifier(s) && s != "_" }

// needed lists the inputs and what their generated code imports, in the order
// of the set. Files that are imported for their options alone are left out.
func (l *Linked) needed() []*descriptorpb.FileDescriptorProto {
	byName := map[string]*descriptorpb.FileDescriptorProto{}
	for _, fd := range l.Set.File {
		byName[fd.GetName()] = fd
	}
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if fd := byName[name]; fd != nil && !seen[name] {
			seen[name] = true
			for _, dep := range fd.Dependency {
				visit(dep)
			}
		}
	}
	for _, name := range l.Inputs {
		visit(name)
	}
	return slices.DeleteFunc(slices.Clone(l.Set.File), func(fd *descriptorpb.FileDescriptorProto) bool { return !seen[fd.GetName()] })
}

// mappings are protogen's parameters for packages.
func mappings(packages map[string]goPackage) ([]string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if strings.ContainsAny(name, ",=") {
			return nil, fmt.Errorf("file name %q holds a comma or an equals sign", name)
		}
		out = append(out, fmt.Sprintf("M%s=%s;%s", name, packages[name].importPath, packages[name].name))
	}
	return out, nil
}

// atGoPackage is an error at a file's go_package option, or at its start.
func (l *Linked) atGoPackage(fd *descriptorpb.FileDescriptorProto, message string, notes ...string) Diagnostic {
	return l.atPath(fd, []int32{8, 11}, message, notes...)
}

// atPath is an error at the declaration with a path as SourceCodeInfo has them,
// at the nearest one around it that has a position, or at the file's start.
func (l *Linked) atPath(fd *descriptorpb.FileDescriptorProto, where []int32, message string, notes ...string) Diagnostic {
	src, _ := l.sources.text(fd.GetName())
	for n := len(where); n > 0; n-- {
		for _, loc := range fd.GetSourceCodeInfo().GetLocation() {
			if slices.Equal(loc.Path, where[:n]) && len(loc.Span) >= 3 {
				end := loc.Span[2]
				if len(loc.Span) == 4 {
					end = 1 << 20
				}
				return atLine(src, int(loc.Span[0]), int(loc.Span[1]), int(end), message, notes...)
			}
		}
	}
	return at(src, 0, 0, message, notes...)
}
