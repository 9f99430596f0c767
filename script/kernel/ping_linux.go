//go:build !portable

package kernel

import (
	"encoding/binary"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// openPing opens a raw socket for ICMP messages of one family. The function split returns the message of a received packet, and its
// time to live or hop limit.
func openPing(v6 bool, ttl int) (c *net.IPConn, split func(b, oob []byte) ([]byte, int), err error) {
	network, split := "ip4:icmp", splitIPv4
	if v6 {
		network, split = "ip6:ipv6-icmp", splitIPv6
	}
	if c, err = net.ListenIP(network, nil); err != nil {
		if errors.Is(err, unix.EPERM) {
			err = errors.New("raw sockets need root, or the private lab")
		}
		return nil, nil, err
	}
	raw, err := c.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) {
			if v6 {
				err = errors.Join(unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl),
					unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1))
				return
			}
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
		})
		err = errors.Join(err, cerr)
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c, split, nil
}

// splitIPv4 splits a packet with its IPv4 header, which a raw socket delivers.
func splitIPv4(b, _ []byte) ([]byte, int) {
	if len(b) < 20 || len(b) < int(b[0]&15)*4 {
		return nil, 0
	}
	return b[int(b[0]&15)*4:], int(b[8])
}

// splitIPv6 finds the hop limit among the control messages (RFC 3542 §6.3).
func splitIPv6(b, oob []byte) ([]byte, int) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return b, 0
	}
	for _, m := range list {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4 {
			return b, int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return b, 0
}
