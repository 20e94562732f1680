package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lupine-rpc/lupine"
)

// maxShownBytes is how much of a detail of unknown type is printed.
const maxShownBytes = 256

// printStatus says on w how a call failed, whether it ran, and what to do.
func printStatus(w io.Writer, e *lupine.Error, target string, r *replies) {
	fmt.Fprintf(w, "error: %s (%d): %s\n", e.Code, uint32(e.Code), printable(e.Message))
	switch e.Executed {
	case lupine.Yes:
		fmt.Fprintln(w, "executed: yes, the server ran the call and answered with this")
	case lupine.No:
		fmt.Fprintln(w, "executed: no, it is safe to call again")
	default:
		fmt.Fprintln(w, "executed: maybe, nothing says whether the server ran the call; call again only if twice does no harm")
	}
	for _, d := range e.Details {
		printDetail(w, d, r)
	}
	if todo := advice(e, target); todo != "" {
		fmt.Fprintln(w, "what to do: "+todo)
	}
}

// printDetail decodes a detail where its type is known.
func printDetail(w io.Writer, d lupine.Detail, r *replies) {
	fmt.Fprintf(w, "detail: %s ", printable(d.Type))
	if mt, err := r.types.FindMessageByName(protoreflect.FullName(d.Type)); err == nil {
		msg := mt.New().Interface()
		if err := (proto.UnmarshalOptions{Resolver: r.types}).Unmarshal(d.Value, msg); err == nil {
			if text, err := r.json(msg); err == nil {
				w.Write(text)
				return
			}
		}
	}
	value, more := d.Value, ""
	if len(value) > maxShownBytes {
		value, more = value[:maxShownBytes], "..."
	}
	fmt.Fprintf(w, "(%d bytes of a type that the schema does not have, in base64: %s%s)\n", len(d.Value), base64.StdEncoding.EncodeToString(value), more)
}

// printable keeps a server from writing control codes to our terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, s)
}

// advice is what the caller can do about e.
func advice(e *lupine.Error, target string) string {
	switch e.Code {
	case lupine.Canceled:
		return "nothing, if you stopped it; otherwise the server or a proxy gave the call up"
	case lupine.DeadlineExceeded:
		return "allow more time with --timeout, or see why the server is slow"
	case lupine.InvalidArgument, lupine.OutOfRange:
		return "correct the request"
	case lupine.NotFound:
		return "check the names in the request"
	case lupine.PermissionDenied:
		return "use an identity that may do this (-H 'authorization: ...', --cert)"
	case lupine.Unauthenticated:
		return "say who you are: -H 'authorization: Bearer TOKEN' over grpcs://, or --cert and --key"
	case lupine.ResourceExhausted:
		return "wait and call again; for a message over the limit, raise it with --max-receive"
	case lupine.FailedPrecondition:
		return "bring the system into the state that the message asks for, then call again"
	case lupine.Aborted:
		return "begin again, from the first step of what you do"
	case lupine.Unimplemented:
		return "see what the server offers: lupine list " + target
	case lupine.Internal, lupine.DataLoss, lupine.Unknown:
		return "look into the server's log"
	case lupine.Unavailable:
		if e.Executed == lupine.No {
			return "check the address and that the server is up; --wait-for-ready waits for it"
		}
		return "see whether the server is up and what its log says"
	}
	return ""
}

// printMetadata prints headers or trailers, for -v.
func printMetadata(w io.Writer, what string, md lupine.Metadata) {
	for _, p := range md {
		value := p.Value
		if strings.HasSuffix(p.Key, "-bin") {
			value = base64.StdEncoding.EncodeToString([]byte(value))
		}
		fmt.Fprintf(w, "%s: %s: %s\n", what, printable(p.Key), printable(value))
	}
}
