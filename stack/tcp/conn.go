package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Conn is a connection (skeleton).
type Conn struct{ state State }

// Open returns a connection in SYN-SENT (active OPEN). mss is the largest payload the path's MTU lets us receive.
func Open(cfg Config, mss int, iss wire.Seq, now clock.Instant) *Conn { panic("skeleton") }

// NewListen returns a connection in LISTEN (passive OPEN), to be given a SYN.
func NewListen(cfg Config, mss int, iss wire.Seq) *Conn { panic("skeleton") }

// Receive is SEGMENT ARRIVES. It only records what is owed. drop.None: the segment was of use.
func (c *Conn) Receive(now clock.Instant, s *Segment) drop.Reason { panic("skeleton") }

// Ready reports whether Emit would emit at now.
func (c *Conn) Ready(now clock.Instant) bool { panic("skeleton") }

// Emit writes one segment's payload into dst (at most len(dst) octets; more than one MSS makes a
// super-segment, s.GSOSize set), fills s but for the ports, and commits to it.
func (c *Conn) Emit(now clock.Instant, dst []byte, s *Segment) (n int, ok bool) { panic("skeleton") }

// Deadline is when the connection next wants Emit to be called though nothing happened; Never if not.
func (c *Conn) Deadline() clock.Instant { panic("skeleton") }

// Write queues octets and returns how many were taken; 0 and nil when the buffer is full.
func (c *Conn) Write(p []byte) (int, error) { panic("skeleton") }

// Read moves received octets; 0 and nil when there are none yet, io.EOF at the end of the stream.
func (c *Conn) Read(p []byte) (int, error) { panic("skeleton") }

// Readable is the number of octets Read would give at once.
func (c *Conn) Readable() int { panic("skeleton") }

// Writable is the number of octets Write would take.
func (c *Conn) Writable() int { panic("skeleton") }

// AtEOF reports whether the peer has closed and all data has been read, or the connection is over.
func (c *Conn) AtEOF() bool { panic("skeleton") }

// CloseWrite half-closes: FIN after what is queued. Reading goes on.
func (c *Conn) CloseWrite(now clock.Instant) error { panic("skeleton") }

// Close closes both ways: graceful, or with RST when unread data is there (RFC 2525 §2.17) or comes.
func (c *Conn) Close(now clock.Instant) { panic("skeleton") }

// Abort sends RST where the state asks for it and enters CLOSED (Emit still emits the RST).
func (c *Conn) Abort(now clock.Instant) { panic("skeleton") }

// State is the connection's state.
func (c *Conn) State() State { return c.state }

// Err is why the connection ended, nil while it lives or after an orderly close.
func (c *Conn) Err() error { panic("skeleton") }

// Done reports whether the connection is CLOSED and owes nothing: the stack forgets it.
func (c *Conn) Done() bool { panic("skeleton") }

// SoftError records an ICMP error or a neighbour failure: it ends a connection that is being opened (SYN-SENT)
// when hard is set, and otherwise is kept as the explanation of a later timeout (RFC 1122 §4.2.3.9, RFC 5461).
func (c *Conn) SoftError(now clock.Instant, err error, hard bool) { panic("skeleton") }

// ReuseTimeWait reports whether a SYN may replace this TIME-WAIT connection (RFC 1122 §4.2.2.13),
// and the ISS the new one must exceed.
func (c *Conn) ReuseTimeWait(s *Segment) (after wire.Seq, ok bool) { panic("skeleton") }

// SetConfig changes options while the connection lives.
func (c *Conn) SetConfig(now clock.Instant, cfg Config) { panic("skeleton") }

// Config is the connection's options.
func (c *Conn) Config() Config { panic("skeleton") }

// Info is a snapshot under the RFCs' names.
func (c *Conn) Info(now clock.Instant) Info { panic("skeleton") }

// Hooks are called by a connection as things happen, on the caller's goroutine; nil ones are not called.
type Hooks struct {
	State func(from, to State) // a transition
	Count func(e Event, n int) // something to be counted
}

// SetHooks installs hooks, shared by many connections.
func (c *Conn) SetHooks(h *Hooks) { panic("skeleton") }
