package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// queued returns the number of octets that the kernel has not sent, or that are not acknowledged; 0 if the connection has ended.
func queued(c *net.TCPConn) (octets int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if octets, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil {
			octets = 0
		}
	})
	return octets
}
