package compiler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/experimental/report"
	"github.com/bufbuild/protocompile/experimental/report/rtags"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// collect turns the front end's report into diagnostics: errors are returned,
// warnings worth showing are kept in l.
func (l *Linked) collect(rep *report.Report) Errors {
	var errs Errors
	if len(rep.Diagnostics) > maxCollected {
		// Positions cost time; nobody reads so many. Errors stand before warnings
		// of the same file only by chance, so the errors are picked first.
		rep.Diagnostics = slices.DeleteFunc(rep.Diagnostics, func(d report.Diagnostic) bool { return !isError(d) })
		rep.Diagnostics = rep.Diagnostics[:min(len(rep.Diagnostics), maxCollected)]
	}
	related := l.relatedPlaces(rep)
	for i := range rep.Diagnostics {
		d := &rep.Diagnostics[i]
		if !isError(*d) && !d.Is(rtags.UnusedImport) {
			continue // style; not ours to judge
		}
		out := l.place(d)
		var notes []string
		for _, r := range related[i] {
			if strings.HasSuffix(d.Message(), "declared multiple times") && !r.primary {
				// The later declaration is the wrong one.
				notes = append(notes, fmt.Sprintf("%s:%d:%d: first declared here", out.File, out.Line, out.Column))
				out = r.Diagnostic
				continue
			}
			notes = append(notes, r.String())
		}
		out.Message, out.Notes = l.wording(d, notes)
		switch {
		case isError(*d):
			errs = append(errs, out)
		case l.isInput(out.File):
			out.Warning = true
			l.Warnings = append(l.Warnings, out)
		}
	}
	return errs
}

// place finds a position for d; every diagnostic gets one.
func (l *Linked) place(d *report.Diagnostic) Diagnostic {
	if span := d.Primary(); span.File != nil {
		src, ok := l.sources.byPath(span.Path())
		if !ok {
			src.Text = span.File.Text()
		}
		return at(src, span.Start, span.End, "")
	}
	for _, name := range l.Inputs {
		if src, ok := l.sources.text(name); ok && (d.File() == "" || d.File() == src.Path || d.File() == name) {
			return at(src, 0, 0, "")
		}
	}
	return atStart(d.File(), "")
}

// wording is d's message and notes, better ones where the front end leaves out
// what it is about.
func (l *Linked) wording(d *report.Diagnostic, related []string) (message string, notes []string) {
	message = strings.Join(strings.Fields(d.Message()), " ")
	subject := strings.Trim(d.Primary().Text(), `"'`)
	switch {
	case message == "":
		message = "invalid input"
	case message == "imported file does not exist":
		_, name, _ := strings.Cut(subject, `"`)
		name, _, _ = strings.Cut(name, `"`)
		return fmt.Sprintf("imported file %q not found", name),
			[]string{"looked in " + strings.Join(l.sources.dirs, ", ") + "; name the folder that holds it with -I"}
	case message == "unrecognized `edition` declaration value":
		return fmt.Sprintf("unknown edition %q", subject), []string{`known editions are "2023" and "2024"`}
	case message == "unrecognized `syntax` declaration value":
		return fmt.Sprintf("unknown syntax %q", subject), []string{`known are "proto2" and "proto3"; newer files say edition = "2024" instead`}
	}
	notes = append(notes, related...)
	notes = append(notes, d.Notes()...)
	return message, append(notes, d.Help()...)
}

func (l *Linked) isInput(path string) bool {
	for _, name := range l.Inputs {
		if l.sources.path(name) == path {
			return true
		}
	}
	return false
}

// A related place is a further one of a diagnostic, such as where a name was
// first declared, and what is said about it; or what is said about the primary.
type related struct {
	Diagnostic
	text    string
	primary bool
}

func (r related) String() string {
	if r.primary {
		return r.text
	}
	return fmt.Sprintf("%s:%d:%d: %s", r.File, r.Line, r.Column, r.text)
}

// atFirst is an error that cannot be laid at any one file's door.
func (l *Linked) atFirst(message string, notes ...string) Diagnostic {
	return l.atFile(l.Inputs[0], message, notes...)
}

// atFile is an error about the file of that import name as a whole.
func (l *Linked) atFile(name, message string, notes ...string) Diagnostic {
	src, ok := l.sources.text(name)
	if !ok {
		return atStart(l.sources.path(name), message, notes...)
	}
	return at(src, 0, 0, message, notes...)
}

// relatedPlaces finds the further places of each diagnostic. The report offers
// them only in its message form.
func (l *Linked) relatedPlaces(rep *report.Report) map[int][]related {
	out := map[int][]related{}
	m := rep.ToProto().ProtoReflect()
	fields := m.Descriptor().Fields()
	fFiles, fDiags := fields.ByName("files"), fields.ByName("diagnostics")
	if fFiles == nil || fDiags == nil {
		return out
	}
	files, diags := m.Get(fFiles).List(), m.Get(fDiags).List()
	get := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	for i := range diags.Len() {
		annotations := get(diags.Get(i).Message(), "annotations").List()
		for j := range annotations.Len() {
			a := annotations.Get(j).Message()
			r := related{text: get(a, "message").String(), primary: get(a, "primary").Bool()}
			if r.text == "" || r.primary && (obvious[r.text] || strings.HasPrefix(r.text, "first here, as")) {
				continue
			}
			// The report's own copy of the text is only the first span's.
			src, _ := l.sources.byPath(get(files.Get(int(get(a, "file").Uint())).Message(), "path").String())
			r.Diagnostic = at(src, int(get(a, "start").Uint()), int(get(a, "end").Uint()), "")
			out[i] = append(out[i], r)
		}
	}
	return out
}

// obvious are labels that say no more than the caret below the source does.
var obvious = map[string]bool{
	"imported here": true, "used here": true, "not found in this scope": true, "field referenced here": true,
	"first here": true, "expected message type": true,
}
