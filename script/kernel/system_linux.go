//go:build !portable

package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"golang.org/x/sys/unix"

	"smolsh/script/registry"
)

// states are the names in RFC 9293 of the kernel's TCP states, in the order of the kernel's numbers
// (include/net/tcp_states.h).
var states = []string{
	1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECEIVED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT",
	7: closed, 8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING",
}

// stateWord returns the name of the state with the kernel's number n, CLOSED for an unknown number.
func stateWord(n uint8) string {
	if n < 1 || int(n) >= len(states) {
		return closed
	}
	return states[n]
}

// tcpState returns the name of a connection's state, read from the kernel.
func tcpState(c *net.TCPConn) string {
	raw, err := c.SyscallConn()
	if err != nil {
		return closed
	}
	n := uint8(0)
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.State
		}
	})
	return stateWord(n)
}

// setBacklog calls listen(2) again, which sets the number of connections that may wait for accept to n.
func setBacklog(l *net.TCPListener, n int) {
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), n) })
	}
}

// acceptQueue returns the number of connections that wait for accept on a listening socket. For such a socket TCP_INFO
// holds the number in tcpi_unacked.
func acceptQueue(fd int) (int, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return int(info.Unacked), nil
}

// infiniteSsthresh is the kernel's ssthresh before the first reduction of cwnd (TCP_INFINITE_SSTHRESH).
const infiniteSsthresh = 0x7fffffff

// tcpInfo returns TCP_INFO under the names of conn.info().
func tcpInfo(fd int) (starlark.StringDict, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return nil, err
	}
	congestion, _ := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	recvQ, _ := unix.IoctlGetInt(fd, unix.SIOCINQ)
	sendQ, _ := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	mss := int(info.Snd_mss)
	micros := func(n uint32) starlark.Value { return registry.Seconds(time.Duration(n) * time.Microsecond) }
	d := starlark.StringDict{
		"state": starlark.String(stateWord(info.State)), "recv_q": num(recvQ), "send_q": num(sendQ),
		"congestion": starlark.String(congestion), "mss": num(mss), "cwnd": num(int(info.Snd_cwnd) * mss), "ssthresh": starlark.None,
		"rto": micros(info.Rto), "rtt": micros(info.Rtt), "rttvar": micros(info.Rttvar), "backoffs": num(int(info.Backoff)),
		"retrans": num(info.Total_retrans), "unacked": num(sendQ - int(info.Notsent_bytes)),
		"snd_wnd": num(info.Snd_wnd), "rcv_wnd": num(info.Rcv_wnd),
		"bytes_sent": num(info.Bytes_sent), "bytes_acked": num(info.Bytes_acked), "bytes_received": num(info.Bytes_received),
		"segs_out": num(info.Segs_out), "segs_in": num(info.Segs_in),
	}
	if info.Snd_ssthresh < infiniteSsthresh {
		d["ssthresh"] = num(int(info.Snd_ssthresh) * mss)
	}
	return d, nil
}

func setInt(level, opt int) func(fd int, v any) error {
	return func(fd int, v any) error { return unix.SetsockoptInt(fd, level, opt, v.(int)) }
}

// setOption has, for each option that the kernel supports, a function that sets the option on a socket.
var setOption = map[string]func(fd int, v any) error{
	"sndbuf": setInt(unix.SOL_SOCKET, unix.SO_SNDBUF),
	"rcvbuf": setInt(unix.SOL_SOCKET, unix.SO_RCVBUF),
	"ttl":    setTTL,
	"mss":    setInt(unix.IPPROTO_TCP, unix.TCP_MAXSEG),
	"nodelay": func(fd int, v any) error {
		n := 0
		if v.(bool) {
			n = 1
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, n)
	},
	"user_timeout": func(fd int, v any) error {
		d, _ := v.(time.Duration) // False is the zero duration, the kernel's default
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	},
	"keepalive": setKeepAlive,
	"congestion": func(fd int, v any) error {
		err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, v.(string))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
			has, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
			return fmt.Errorf("the system has no %q for this socket, only %s", v, strings.Join(strings.Fields(string(has)), ", "))
		}
		return err
	},
}

// setTTL sets the time to live, and the hop limit of a socket that also speaks IPv6.
func setTTL(fd int, v any) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, v.(int))
	}
	return errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, v.(int)))
}

// setKeepAlive sets the idle time before the first probe and the time between probes, in whole seconds, rounded up.
func setKeepAlive(fd int, v any) error {
	d, _ := v.(time.Duration)
	if d <= 0 {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
	s := int((d + time.Second - 1) / time.Second)
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, s),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, s),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
	)
}
