package tcp

// nagle reports whether a segment shorter than the full size has to wait: another such segment is on its way
// (RFC 9293 §3.7.4 in Minshall's form). Nagle's own form, in which any octet on its way holds it back, delays
// the tail of each write that is longer than a segment by the peer's delayed acknowledgement.
func (c *Conn) nagle() bool {
	v := &c.snd
	return !c.cfg.NoDelay && !v.closed && v.smallEnd.In(v.una.Add(1), v.nxt.Sub(v.una))
}
