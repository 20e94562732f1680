package compiler

import (
	"maps"
	"slices"
	"sync"

	"github.com/bufbuild/protocompile/experimental/source"
	"google.golang.org/genproto/googleapis/api"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/api/visibility"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/context/attribute_context"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// googleapis are files that services import for annotations and errors. Their
// text is printed from the descriptors that their Go packages carry.
var googleapis = sync.OnceValue(func() map[string]protoreflect.FileDescriptor {
	files := map[string]protoreflect.FileDescriptor{}
	for _, f := range []protoreflect.FileDescriptor{
		annotations.File_google_api_annotations_proto,
		annotations.File_google_api_client_proto,
		annotations.File_google_api_field_behavior_proto,
		annotations.File_google_api_field_info_proto,
		annotations.File_google_api_http_proto,
		annotations.File_google_api_resource_proto,
		annotations.File_google_api_routing_proto,
		api.File_google_api_launch_stage_proto,
		httpbody.File_google_api_httpbody_proto,
		visibility.File_google_api_visibility_proto,
		code.File_google_rpc_code_proto,
		status.File_google_rpc_status_proto,
		errdetails.File_google_rpc_error_details_proto,
		attribute_context.File_google_rpc_context_attribute_context_proto,
	} {
		files[f.Path()] = f
	}
	return files
})

// Builtins lists, in order, the import names of the googleapis files that need no -I. The
// files of google/protobuf are built in as well.
func Builtins() []string {
	return slices.Sorted(maps.Keys(googleapis()))
}

// builtin returns the text of a file that every compilation can import.
func builtin(name string) (string, bool) {
	if f, err := source.WKTs().Open(name); err == nil {
		return f.Text(), true
	}
	if f, ok := googleapis()[name]; ok {
		return printProto(protodesc.ToFileDescriptorProto(f)), true
	}
	return "", false
}
