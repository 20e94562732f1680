package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A compiler turns .proto files into a descriptor set.
type compiler struct {
	path, name string
	args       func(roots []string, out string, files []string) []string
	// editions and others say which files it is asked for: those that use
	// editions, and those that do not.
	editions, others bool
}

func protocArgs(roots []string, out string, files []string) []string {
	args := []string{"--include_imports", "--descriptor_set_out=" + out}
	for _, r := range roots {
		args = append(args, "-I", r)
	}
	return append(args, files...)
}

func lupineArgs(roots []string, out string, files []string) []string {
	return append([]string{"gen", "--quiet"}, protocArgs(roots, out, files)...)
}

// bufArgs leaves all folders but the first to what buf has built in.
func bufArgs(roots []string, out string, files []string) []string {
	args := []string{"build", roots[0], "--as-file-descriptor-set", "--exclude-source-info", "--exclude-source-retention-options", "-o", out}
	for _, f := range files {
		args = append(args, "--path", filepath.Join(roots[0], f))
	}
	return args
}

// protoc returns the protoc at path. Those before 22, whose versions begin with
// 3, know no editions.
func protoc(ctx context.Context, path string) (compiler, error) {
	version, err := versionOf(ctx, path)
	return compiler{path, "protoc-" + version, protocArgs, !strings.HasPrefix(version, "3."), true}, err
}

// buf returns the buf at path, to be asked for files with editions.
func buf(ctx context.Context, path string) (compiler, error) {
	version, err := versionOf(ctx, path)
	return compiler{path, "buf-" + version, bufArgs, true, false}, err
}

func versionOf(ctx context.Context, path string) (string, error) {
	b, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	words := strings.Fields(string(b))
	if err != nil || len(words) == 0 {
		return "", fmt.Errorf("%s --version: %w: %s", path, err, b)
	}
	return words[len(words)-1], nil
}

// A refusal is what a compiler says when a source is wrong.
type refusal struct{ said string }

func (r *refusal) Error() string { return r.said }

// first is the first error in it.
func (r *refusal) first() string {
	for line := range strings.Lines(r.said) {
		if line = strings.TrimSpace(line); line != "" && !isWarning(line) {
			return line
		}
	}
	return "no message"
}

func isWarning(line string) bool {
	return strings.Contains(line, "warning:") || strings.Contains(line, "WARNING")
}

// compile returns the descriptors of files and of all that they import.
func (c compiler) compile(ctx context.Context, roots, files []string) (*index, error) {
	dir, err := os.MkdirTemp("", "descriptors")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "set.binpb")
	cmd := exec.CommandContext(ctx, c.path, c.args(roots, out, files)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
			return nil, &refusal{said.String()}
		}
		return nil, err
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(raw, set); err != nil {
		return nil, err
	}
	x, err := newIndex(set)
	if err != nil {
		return nil, fmt.Errorf("link what %s wrote: %w", c.name, err)
	}
	return x, nil
}

// A product is what a compiler made of the files of a suite.
type product struct {
	made    map[string]*index // for each file that it accepts
	refused map[string]string // file to reason
}

// all compiles files together, but those that it refuses in company, and apart,
// each alone: the files of a suite need not fit together.
func (c compiler) all(ctx context.Context, roots, files []string, apart map[string]string) (*product, error) {
	p := &product{map[string]*index{}, map[string]string{}}
	var batch, alone []string
	for _, f := range files {
		if _, ok := apart[f]; ok {
			alone = append(alone, f)
		} else {
			batch = append(batch, f)
		}
	}
	for len(batch) > 0 {
		set, err := c.compile(ctx, roots, batch)
		if err == nil {
			for _, f := range batch {
				p.made[f] = set
			}
			break
		}
		r := (*refusal)(nil)
		if !errors.As(err, &r) {
			return nil, err
		}
		bad := named(roots[0], batch, r.said)
		if len(bad) == 0 {
			return nil, fmt.Errorf("%s names none of the files in its errors:\n%s", c.name, r.said)
		}
		alone = append(alone, bad...)
		batch = slices.DeleteFunc(batch, func(f string) bool { return slices.Contains(bad, f) })
	}
	for _, f := range alone {
		set, err := c.compile(ctx, roots, []string{f})
		r := (*refusal)(nil)
		switch {
		case err == nil:
			p.made[f] = set
		case errors.As(err, &r):
			p.refused[f] = r.first()
		default:
			return nil, err
		}
	}
	return p, nil
}

// named returns the files that the errors in said are about.
func named(root string, files []string, said string) []string {
	var bad []string
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, " ") || isWarning(line) {
			continue
		}
		name, _, ok := strings.Cut(line, ".proto:")
		name = strings.TrimPrefix(name, root+"/") + ".proto"
		if ok && slices.Contains(files, name) && !slices.Contains(bad, name) {
			bad = append(bad, name)
		}
	}
	return bad
}
