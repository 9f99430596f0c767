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

// hungUp reports whether a connection has ended by a reset or another error, or by both FINs. It takes no error from the socket.
func hungUp(c *net.TCPConn) (over bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		list := []unix.PollFd{{Fd: int32(fd)}} // POLLERR and POLLHUP are always reported
		_, _ = unix.Poll(list, 0)              // an error leaves Revents 0
		over = list[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return over || err != nil
}
