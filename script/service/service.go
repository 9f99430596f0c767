// Package service has the services that a server offers in place of a script's function: echo (RFC 862), discard (RFC 863)
// and chargen (RFC 864). Each is a Starlark value; the servers of the stack's sockets and of the operating system's know
// what to do with it.
package service

import (
	"sync"

	"go.starlark.net/starlark"
)

// A Kind is a service as a Starlark value.
type Kind string

// The services.
const (
	Echo    Kind = "echo"    // sends what it receives back, RFC 862
	Discard Kind = "discard" // drops what it receives, RFC 863
	Chargen Kind = "chargen" // sends the character generator's pattern, RFC 864
)

// The octet that a client of measure.serve sends first: the direction of the data that follows.
const (
	MeasureUp   = 'u' // from the client to the server
	MeasureDown = 'd' // from the server to the client
)

// String implements starlark.Value: the service's name.
func (k Kind) String() string { return string(k) }

// Type implements starlark.Value.
func (k Kind) Type() string { return "handler" }

// Freeze implements starlark.Value; a service never changes.
func (k Kind) Freeze() {}

// Truth implements starlark.Value.
func (k Kind) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (k Kind) Hash() (uint32, error) { return starlark.String(k).Hash() }

// IsHandler reports whether a server can use v as its handler: a service or a function.
func IsHandler(v starlark.Value) bool {
	switch v.(type) {
	case Kind, starlark.Callable:
		return true
	}
	return false
}

const (
	// Chunk is the largest number of octets that a service moves at a time.
	Chunk = 64 << 10
	// Line is the number of octets of one line of the character generator: 72 characters, CR and LF. One line is chargen's
	// reply to a datagram.
	Line = 74
)

// The pattern repeats itself after as many lines as there are printing characters, because each line starts one character
// later than the line before (RFC 864).
const (
	printing = 95
	period   = Line * printing
)

var text = sync.OnceValue(func() []byte {
	b := make([]byte, period+Chunk)
	for i := range b {
		switch row, col := i/Line, i%Line; col {
		case Line - 2:
			b[i] = '\r'
		case Line - 1:
			b[i] = '\n'
		default:
			b[i] = byte(' ' + (row+col)%printing)
		}
	}
	return b
})

// Characters returns n octets, at most Chunk, of the character generator's stream. The first of them is octet off of
// the stream. All callers share the octets; no caller may change them. Any goroutine may call it.
func Characters(off int64, n int) []byte { return text()[off%period:][:n:n] }
