package tcp

// nagle reports whether a segment shorter than the full size must wait (Nagle's algorithm, RFC 9293 §3.7.4). In
// Minshall's variant it waits only while another short segment is in flight. In Nagle's original form it waits while
// any octet is in flight, which delays the tail of each write by the peer's delayed ACK.
func (c *Conn) nagle() bool {
	v := &c.snd
	return !c.cfg.NoDelay && !v.closed && v.smallEnd.In(v.una.Add(1), v.nxt.Sub(v.una))
}
