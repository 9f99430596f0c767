package gonet

import "smolsh/stack/clock"

// Unacknowledged returns the number of octets that Write has accepted and the peer has not acknowledged; 0 once the connection has
// ended. It waits for the owner. Linux tells it by SIOCOUTQ; package net has no such call.
func (c *TCPConn) Unacknowledged() (octets int) {
	c.net.do("unacknowledged", func(now clock.Instant) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sock == nil || c.left || c.ended {
			return
		}
		octets = len(c.pending) + c.sock.Info(now).SendQ
	})
	return octets
}
