package tcp

// nagle reports whether a segment shorter than the full size must wait (RFC 9293 §3.7.4). In Minshall's variant, it waits only
// while another short segment is in flight. In Nagle's own form it waits for any octet in flight, which delays the tail of each
// write by the peer's delayed ACK.
func (c *Conn) nagle() bool {
	v := &c.snd
	return !c.cfg.NoDelay && !v.closed && v.smallEnd.In(v.una.Add(1), v.nxt.Sub(v.una))
}
