package script

import (
	"encoding/binary"
	"net"
	"syscall"

	"smolsh/stack/tcp"
)

// kernelStates are the kernel's states in the order of its numbers (include/net/tcp_states.h).
var kernelStates = []tcp.State{
	1: tcp.Established, 2: tcp.SynSent, 3: tcp.SynReceived, 4: tcp.FinWait1, 5: tcp.FinWait2, 6: tcp.TimeWait,
	7: tcp.Closed, 8: tcp.CloseWait, 9: tcp.LastAck, 10: tcp.Listen, 11: tcp.Closing,
}

// kernelState asks the kernel for a connection's state: the first octet of TCP_INFO.
func kernelState(c *net.TCPConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return tcp.Closed.String()
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		var info int
		if info, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO); err == nil {
			var b [4]byte
			binary.NativeEndian.PutUint32(b[:], uint32(info))
			n = int(b[0])
		}
	})
	if n < 1 || n >= len(kernelStates) {
		return tcp.Closed.String()
	}
	return kernelStates[n].String()
}

// setBacklog changes how many connections may wait: listen(2) once more.
func setBacklog(l *net.TCPListener, n int) {
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.Listen(int(fd), n) })
	}
}
