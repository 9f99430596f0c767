package tcp

// nagle reports whether a segment shorter than the full size must wait (RFC 9293 §3.7.4). It must while another
// short segment is in flight, which is Minshall's variant. In Nagle's own form any octet in flight holds it back,
// which delays the tail of each write by the peer's delayed ACK.
func (c *Conn) nagle() bool {
	v := &c.snd
	return !c.cfg.NoDelay && !v.closed && v.smallEnd.In(v.una.Add(1), v.nxt.Sub(v.una))
}
