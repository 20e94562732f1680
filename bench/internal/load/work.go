package load

import "time"

// Kind is what the callers of a Work do.
type Kind string

// The kinds of work.
const (
	Echo     Kind = "echo"     // unary calls
	EchoMeta Kind = "meta"     // unary calls with a deadline and two pairs of metadata
	Burn     Kind = "burn"     // unary calls whose handlers keep a processor busy
	Chat     Kind = "chat"     // bidi streams, one message each way at a time
	Download Kind = "download" // a stream of messages from the server
	Upload   Kind = "upload"   // a stream of messages to the server
	Setup    Kind = "setup"    // connect, one unary call, close
	Idle     Kind = "idle"     // connections that have made one call
	Fast     Kind = "fast"     // unary calls, beside Beside
)

// Beside says what else the server is busy with.
type Beside string

// What the server may be busy with. All are calls of the same method as those
// that are measured.
const (
	Alone     Beside = ""
	Held      Beside = "held"     // handlers that block throughout
	Churning  Beside = "churning" // handlers that block 10 ms, over and over
	Spinning  Beside = "spinning" // handlers that keep a processor busy throughout
	churnTime        = 10 * time.Millisecond
)

// Work is what is measured.
type Work struct {
	Kind    Kind          `json:"kind"`
	Size    int           `json:"size,omitempty"` // bytes of payload
	Callers int           `json:"callers"`        // or streams, or connections for Idle
	Burn    time.Duration `json:"burn,omitempty"` // of each handler
	Beside  Beside        `json:"beside,omitempty"`
	Others  int           `json:"others,omitempty"` // how many calls there are beside
}

// Outcome is what one run of a Work gave, as its client saw it.
type Outcome struct {
	Calls   uint64        `json:"calls"` // or messages, for Download and Upload
	Elapsed time.Duration `json:"elapsed"`
	P50     float64       `json:"p50"` // nanoseconds; 0 where there is no latency
	P99     float64       `json:"p99"`
	P999    float64       `json:"p999"`
	Usage   Usage         `json:"usage"`           // of the client, during the run
	Memory  Memory        `json:"memory,omitzero"` // of the client, for each connection
	Conns   int           `json:"conns,omitempty"` // for Idle: how many there were
}
