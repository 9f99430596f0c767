package tcp

import "smolsh/stack/wire"

// A Mark is a point in a connection's life: how far it has sent, and which window it has offered. See Conn.Passed.
type Mark struct {
	sent    wire.Seq // SND.MAX, one past the highest sequence number sent
	edge    wire.Seq // right edge of the offered window, valid if offered
	offered bool     // true if a window was offered, which needs the peer's SYN
}

// Mark returns the present point of the connection.
func (c *Conn) Mark() Mark { return Mark{c.snd.max, c.rcv.windowEdge, c.state != SynSent} }

// Passed reports whether the peer has received a segment that the connection has sent since m. That is forward progress in the
// sense of RFC 4861 §7.3.1, and cannot be due to segments sent before m. Either the peer has acknowledged data first sent since m, or it
// has sent data beyond the window offered before. Two octets beyond that window prove nothing: a zero-window probe and a FIN.
func (c *Conn) Passed(m Mark) bool {
	return m.sent.Less(c.snd.una) || m.offered && m.edge.Add(2).Less(c.rcv.nxt)
}
