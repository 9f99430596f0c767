package gonet

// Ended reports, without waiting, whether the connection has ended: by a reset or another error, by both ends' FINs, or by Close. Octets that
// it received may be unread. Read and Write still return the reason. Linux tells it by POLLERR and POLLHUP; package net has no such call.
func (c *TCPConn) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended || c.closed
}
