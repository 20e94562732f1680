package grpcmsg

import (
	"strconv"

	"github.com/lupine-rpc/lupine"
)

// CodeOfHTTP returns the code of a response that has no grpc-status, by its
// HTTP status, as gRPC's http-grpc-status-mapping.md says. A 200 without a
// grpc-status is Unknown as well: a server that means success says so.
func CodeOfHTTP(status int) lupine.Code {
	switch status {
	case 400:
		return lupine.Internal
	case 401:
		return lupine.Unauthenticated
	case 403:
		return lupine.PermissionDenied
	case 404:
		return lupine.Unimplemented
	case 429, 502, 503, 504:
		return lupine.Unavailable
	}
	return lupine.Unknown
}

// HTTPError returns the Error for a response that has no grpc-status. The
// content type, which may be empty, tells the reader what answered instead.
func HTTPError(status int, contentType string) *lupine.Error {
	e := fail(CodeOfHTTP(status), "the response has no grpc-status; HTTP status %d", status)
	if _, ok := ParseContentType(contentType); !ok && contentType != "" {
		e.Message += ", content-type " + strconv.QuoteToASCII(quote(contentType)) + ": is this a gRPC server?"
	}
	return e
}

// The HTTP/2 error codes (RFC 9113, section 7) that mean something to a call.
const (
	ResetNoError            = 0x0
	ResetProtocolError      = 0x1
	ResetInternalError      = 0x2
	ResetRefusedStream      = 0x7
	ResetCancel             = 0x8
	ResetEnhanceYourCalm    = 0xb
	ResetInadequateSecurity = 0xc
)

var resetNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// ResetName returns the name of an HTTP/2 error code (RFC 9113, section 7), or
// "unknown".
func ResetName(code uint32) string {
	if int64(code) < int64(len(resetNames)) {
		return resetNames[code]
	}
	return "unknown"
}

// CodeOfReset returns the code of a call whose stream the server reset with the
// given HTTP/2 error code (PROTOCOL-HTTP2, Errors). Codes that are not known
// count as INTERNAL_ERROR (RFC 9113, section 7).
func CodeOfReset(code uint32) lupine.Code {
	switch code {
	case ResetRefusedStream:
		return lupine.Unavailable
	case ResetCancel:
		return lupine.Canceled
	case ResetEnhanceYourCalm:
		return lupine.ResourceExhausted
	case ResetInadequateSecurity:
		return lupine.PermissionDenied
	}
	return lupine.Internal
}

// ResetError returns the Error of a call whose stream the server reset.
// REFUSED_STREAM promises that nothing ran (RFC 9113, section 8.7); after every
// other code it may have, unless the wire knows better.
func ResetError(code uint32) *lupine.Error {
	e := fail(CodeOfReset(code), "the server reset the stream: %s (%#x)", ResetName(code), code)
	if code == ResetRefusedStream {
		e.Executed = lupine.No
	}
	return e
}
