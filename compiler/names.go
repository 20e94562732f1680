package compiler

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
)

// serviceNames are the Go names of one service's stubs.
type serviceNames struct {
	service       *protogen.Service
	clientType    string // EchoClient
	newClient     string // NewEchoClient
	caller        string // EchoCaller
	serverType    string // EchoServer
	unimplemented string // UnimplementedEchoServer
	register      string // RegisterEcho
	serviceVar    string // echoService
	method        []string
	start         []string // for unary methods
}

// A nameSet is the set of names taken in one scope.
type nameSet map[string]bool

// free returns name, with as many underscores behind it as make it new.
func (s nameSet) free(name string) string {
	for s[name] {
		name += "_"
	}
	s[name] = true
	return name
}

// stubNames chooses the names of every service in the packages that are
// generated. Messages keep their names; services take theirs in order of file
// name and declaration, and a name that is taken gets an underscore. Files of
// the same package that are only imported count, so that generating files
// together or one by one gives the same names wherever they import each other.
func stubNames(plugin *protogen.Plugin, g Generator) map[*protogen.File][]serviceNames {
	files := slices.Clone(plugin.Files)
	slices.SortStableFunc(files, func(a, b *protogen.File) int { return strings.Compare(a.Desc.Path(), b.Desc.Path()) })
	scopes := map[protogen.GoImportPath]nameSet{}
	for _, f := range files {
		scope := scopes[f.GoImportPath]
		if scope == nil {
			scope = nameSet{}
			scopes[f.GoImportPath] = scope
		}
		if g.StubSuffix == "" {
			for _, d := range goNames(f) {
				scope[d.name] = true
			}
		}
	}
	out := map[*protogen.File][]serviceNames{}
	for _, f := range files {
		for _, s := range f.Services {
			out[f] = append(out[f], namesOf(s, scopes[f.GoImportPath]))
		}
	}
	return out
}

func namesOf(s *protogen.Service, scope nameSet) serviceNames {
	n := serviceNames{
		service:       s,
		clientType:    scope.free(s.GoName + "Client"),
		newClient:     scope.free("New" + s.GoName + "Client"),
		caller:        scope.free(s.GoName + "Caller"),
		serverType:    scope.free(s.GoName + "Server"),
		unimplemented: scope.free("Unimplemented" + s.GoName + "Server"),
		register:      scope.free("Register" + s.GoName),
		serviceVar:    scope.free(unexported(s.GoName) + "Service"),
	}
	taken := nameSet{}
	for _, m := range s.Methods {
		n.method = append(n.method, taken.free(m.GoName))
	}
	for i, m := range s.Methods {
		start := ""
		if !m.Desc.IsStreamingClient() && !m.Desc.IsStreamingServer() {
			start = taken.free("Start" + n.method[i])
		}
		n.start = append(n.start, start)
	}
	return n
}

// unexported turns "Echo" into "echo" and "URLShortener" into "urlShortener".
func unexported(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}

// declared is a name that protoc-gen-go declares in a package.
type declared struct {
	name string
	what string // what it was made from: "message a.B"
	path []int32
}

// goNames lists the package-level names that protoc-gen-go makes of f.
func goNames(f *protogen.File) []declared {
	var out []declared
	add := func(name, kind string, full any, loc protogen.Location) {
		out = append(out, declared{name, fmt.Sprint(kind, " ", full), loc.Path})
	}
	enums := func(list []*protogen.Enum) {
		for _, e := range list {
			add(e.GoIdent.GoName, "enum", e.Desc.FullName(), e.Location)
			for _, v := range e.Values {
				add(v.GoIdent.GoName, "enum value", v.Desc.FullName(), v.Location)
			}
		}
	}
	extensions := func(list []*protogen.Extension) {
		for _, x := range list {
			add("E_"+x.GoIdent.GoName, "extension", x.Desc.FullName(), x.Location)
		}
	}
	var messages func(list []*protogen.Message)
	messages = func(list []*protogen.Message) {
		for _, m := range list {
			if m.Desc.IsMapEntry() {
				continue
			}
			add(m.GoIdent.GoName, "message", m.Desc.FullName(), m.Location)
			for _, field := range m.Fields {
				if field.Oneof != nil && !field.Oneof.Desc.IsSynthetic() {
					add(field.GoIdent.GoName, "oneof field", field.Desc.FullName(), field.Location)
				}
			}
			enums(m.Enums)
			extensions(m.Extensions)
			messages(m.Messages)
		}
	}
	enums(f.Enums)
	messages(f.Messages)
	extensions(f.Extensions)
	return out
}

// goClashes finds declarations that are different names in .proto but the same
// in Go, such as message A_B and message B inside message A: protoc-gen-go's
// output for them does not compile.
func (l *Linked) goClashes(plugin *protogen.Plugin) Errors {
	type key struct {
		path protogen.GoImportPath
		name string
	}
	var errs Errors
	first := map[key]declared{}
	for _, f := range plugin.Files {
		for _, d := range goNames(f) {
			k := key{f.GoImportPath, d.name}
			other, ok := first[k]
			if !ok {
				first[k] = d
				continue
			}
			if f.Generate {
				errs = append(errs, l.atPath(f.Proto, d.path, fmt.Sprintf("%s and %s are both %s in Go", d.what, other.what, d.name),
					"rename one of them"))
			}
		}
	}
	return errs
}
