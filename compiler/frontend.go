package compiler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/experimental/fdp"
	"github.com/bufbuild/protocompile/experimental/incremental"
	"github.com/bufbuild/protocompile/experimental/incremental/queries"
	"github.com/bufbuild/protocompile/experimental/ir"
	"github.com/bufbuild/protocompile/experimental/report"
	"github.com/bufbuild/protocompile/experimental/source"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxEdition is the newest edition whose generated code is promised to work
// with the runtime that users have.
const maxEdition = descriptorpb.Edition_EDITION_2024

// Linked is a set of .proto files that were parsed, checked and linked.
type Linked struct {
	// Inputs are the import names of the files that were asked for, in order.
	Inputs []string
	// Set holds the inputs and everything they import, imports first, with the
	// positions and comments of their sources.
	Set *descriptorpb.FileDescriptorSet
	// Files are the same, linked, with options resolved.
	Files *protoregistry.Files
	// Warnings stop nothing. They are few: unused imports.
	Warnings []Diagnostic

	sources *sources
}

// Link reads cfg.Files and everything they import, and checks and links them.
// It generates nothing and writes nothing. Whatever is wrong with a source
// comes back as Errors. When ctx ends, its error is returned at once.
func Link(ctx context.Context, cfg Config) (*Linked, error) {
	if len(cfg.Files) == 0 {
		return nil, errors.New("no .proto files given")
	}
	dirs, byName, names, errs := nameInputs(cfg.Files, cfg.ImportPaths, cfg.Resolver)
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	src := &sources{resolver: cfg.Resolver, dirs: dirs, byName: byName, found: map[string]opened{}}
	for _, name := range names {
		if _, err := src.Open(name); err != nil {
			if len(src.faults) == 0 {
				errs = append(errs, atStart(src.path(name), err.Error()))
			}
		}
	}
	if errs = append(errs, src.faults...); len(errs) > 0 {
		return nil, errs.sorted()
	}
	made, rep, err := startFrontEnd(ctx, src, names)
	if err != nil {
		return nil, frontEndFailed(ctx, src, names, err)
	}
	if len(src.faults) > 0 {
		return nil, src.faults.sorted()
	}
	l := &Linked{Inputs: names, sources: src}
	errs = l.collect(rep)
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	if made == nil {
		return nil, Errors{l.atFirst("the front end gave no result")}
	}
	if errs := l.resolve(made); len(errs) > 0 {
		return nil, errs.sorted()
	}
	if errs := l.checkEditions(); len(errs) > 0 {
		return nil, errs.sorted()
	}
	return l, nil
}

// lowered is what the front end makes of sources without errors.
type lowered struct {
	set   *descriptorpb.FileDescriptorSet
	files []*ir.File // the inputs
}

// startFrontEnd runs the front end and returns when ctx ends, whatever the front
// end does: it looks at ctx only between steps, and some nonsense takes it long.
// A step that was left behind ends by itself.
func startFrontEnd(ctx context.Context, src *sources, names []string) (*lowered, *report.Report, error) {
	type result struct {
		set *lowered
		rep *report.Report
		err error
	}
	done := make(chan result, 1)
	go func() {
		set, rep, err := runFrontEnd(ctx, src, names)
		done <- result{set, rep, err}
	}()
	select {
	case r := <-done:
		return r.set, r.rep, r.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// runFrontEnd parses, lowers and links. A panic of the front end is an error.
func runFrontEnd(ctx context.Context, src *sources, names []string) (made *lowered, rep *report.Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			made, rep, err = nil, nil, fmt.Errorf("front end panicked: %v", p)
		}
	}()
	run, session, workspace := incremental.New(), new(ir.Session), source.NewWorkspace(names...)
	linked, rep, err := incremental.Run(ctx, run, queries.Link{Opener: src, Session: session, Workspace: workspace})
	if err != nil {
		return nil, nil, err
	}
	if fatal := linked[0].Fatal; fatal != nil && len(rep.Diagnostics) == 0 {
		return nil, nil, fatal
	}
	if slices.ContainsFunc(rep.Diagnostics, isError) {
		return nil, rep, nil
	}
	var options fdp.Options
	sets, _, err := incremental.Run(ctx, run, queries.FDS{
		Opener: src, Session: session, Workspace: workspace,
		Options: *options.Apply(fdp.IncludeSourceCodeInfo(true)),
	})
	if err != nil {
		return nil, nil, err
	}
	if sets[0].Value == nil {
		return nil, rep, sets[0].Fatal
	}
	return &lowered{sets[0].Value, linked[0].Value}, rep, sets[0].Fatal
}

func isError(d report.Diagnostic) bool { return d.Level() == report.Error || d.Level() == report.ICE }

// frontEndFailed makes an error with a position of one that has none.
func frontEndFailed(ctx context.Context, src *sources, names []string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	message := strings.SplitN(err.Error(), "\n", 2)[0]
	if p := (*incremental.ErrPanic)(nil); errors.As(err, &p) {
		message = fmt.Sprint(p.Panic)
	}
	l := &Linked{Inputs: names, sources: src}
	return Errors{l.atFirst("the front end failed on this file or one that it imports: "+message,
		"this is a bug in Lupine or in protocompile; please report it with the file")}
}

// resolve links the set a second time through google.golang.org/protobuf, which
// checks what its runtime would refuse, and makes known the extensions that
// options use: the front end leaves those as unknown fields.
func (l *Linked) resolve(made *lowered) Errors {
	set := made.set
	for _, fd := range set.File {
		withoutExtensions(fd.GetSourceCodeInfo())
		settleFloats(fd)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return Errors{l.atFirst("cannot marshal descriptors: " + err.Error())}
	}
	var first descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(raw, &first); err != nil {
		return Errors{l.atFirst("cannot read descriptors back: " + err.Error())}
	}
	files, errs := l.register(&first)
	if len(errs) > 0 {
		return errs
	}
	l.Set = new(descriptorpb.FileDescriptorSet)
	if err := (proto.UnmarshalOptions{Resolver: extensionsOf(files)}).Unmarshal(raw, l.Set); err != nil {
		return Errors{l.atFirst("cannot resolve options: " + err.Error())}
	}
	if errs := l.settleNumbers(made.files); len(errs) > 0 {
		return errs
	}
	l.Files, errs = l.register(l.Set)
	return errs
}

// withoutExtensions drops what the front end adds to positions for buf alone.
func withoutExtensions(info *descriptorpb.SourceCodeInfo) {
	info.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.IsExtension() {
			info.ProtoReflect().Clear(f)
		}
		return true
	})
}

func (l *Linked) register(set *descriptorpb.FileDescriptorSet) (*protoregistry.Files, Errors) {
	files := new(protoregistry.Files)
	for _, fd := range set.File {
		linked, err := protodesc.NewFile(fd, files)
		if err == nil {
			err = files.RegisterFile(linked)
		}
		if err != nil {
			// Its prefix ends in one of two kinds of space, by build.
			message := strings.TrimSpace(strings.TrimPrefix(err.Error(), "proto:"))
			return nil, Errors{l.atPath(fd, elementIn(fd, message), message)}
		}
	}
	return files, nil
}

// elementIn returns the path of the element of fd whose full name message quotes
// first, or nil.
func elementIn(fd *descriptorpb.FileDescriptorProto, message string) protoreflect.SourcePath {
	_, name, _ := strings.Cut(message, `"`)
	name, _, _ = strings.Cut(name, `"`)
	var search func(m protoreflect.Message, scope string, path protoreflect.SourcePath) protoreflect.SourcePath
	search = func(m protoreflect.Message, scope string, path protoreflect.SourcePath) (found protoreflect.SourcePath) {
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if !f.IsList() || f.Message() == nil || f.Message().Fields().ByName("name") == nil {
				return true
			}
			for i := range v.List().Len() {
				element := v.List().Get(i).Message()
				full := strings.TrimPrefix(scope+"."+element.Get(f.Message().Fields().ByName("name")).String(), ".")
				where := append(slices.Clone(path), int32(f.Number()), int32(i))
				if full == name {
					found = where
				} else if strings.HasPrefix(name, full+".") {
					found = search(element, full, where)
				}
				if found != nil {
					return false
				}
			}
			return true
		})
		return found
	}
	return search(fd.ProtoReflect(), fd.GetPackage(), nil)
}

// extensionsOf is a resolver of the extensions that files declare, with the
// generated types of this program where it has them.
func extensionsOf(files *protoregistry.Files) *dynamicpb.Types {
	return dynamicpb.NewTypes(files)
}

// checkEditions refuses editions that the front end knows but whose generated
// code would need a newer runtime than is released.
func (l *Linked) checkEditions() Errors {
	var errs Errors
	for _, fd := range l.Set.File {
		if fd.GetSyntax() != "editions" || fd.GetEdition() <= maxEdition {
			continue
		}
		name := strings.TrimPrefix(fd.GetEdition().String(), "EDITION_")
		src, _ := l.sources.text(fd.GetName())
		start := max(0, strings.Index(src.Text, `"`+name+`"`))
		errs = append(errs, at(src, start, start+len(name)+2, fmt.Sprintf("edition %q is not supported", name),
			"the newest supported edition is 2024"))
	}
	return errs
}
