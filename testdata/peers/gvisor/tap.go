package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const ourMAC = tcpip.LinkAddress("\x02\x00\x00\x00\x00\x03")

// openTAP opens a TAP, whose frames have a vnet header if offloads are requested.
func openTAP(name string, offload bool) (stack.LinkEndpoint, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if offload {
		flags |= unix.IFF_VNET_HDR
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	if !offload {
		return fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: 1500, EthernetHeader: true, Address: ourMAC})
	}
	const csum, tso4, tso6 = 1, 2, 4
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, csum|tso4|tso6); err != nil {
		return nil, fmt.Errorf("TUNSETOFFLOAD: %w", err)
	}
	return newVnet(fd, 1500), nil
}

func onTAP(a args) (map[string]float64, error) {
	link, err := openTAP(a["tap"], a["offload"] == "1")
	if err != nil {
		return nil, err
	}
	s, err := newStack(link, a["addr"])
	if err != nil {
		return nil, err
	}
	to, err := fullAddress(a["to"])
	if err != nil {
		return nil, err
	}
	c, err := dial(s, to, a["proto"] == "udp")
	if err != nil {
		return nil, err
	}
	switch a["mode"] {
	case "sink":
		return c.sink(a)
	case "source":
		return nil, c.source()
	case "echo":
		if a["proto"] != "udp" {
			c.ep.SocketOptions().SetDelayOption(false)
		} else if err := c.write([]byte("x")); err != nil {
			return nil, err
		}
		return nil, c.echo()
	}
	return nil, fmt.Errorf("no mode %q", a["mode"])
}

// conn is a connected endpoint with blocking calls.
type conn struct {
	ep       tcpip.Endpoint
	q        *waiter.Queue
	in, out  chan struct{}
	ein, eou waiter.Entry
}

func newConn(s *stack.Stack, datagrams bool) (*conn, error) {
	c := &conn{q: new(waiter.Queue)}
	proto := tcpip.TransportProtocolNumber(tcp.ProtocolNumber)
	if datagrams {
		proto = udp.ProtocolNumber
	}
	ep, err := s.NewEndpoint(proto, ipv4.ProtocolNumber, c.q)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %v", err)
	}
	c.adopt(ep)
	return c, nil
}

func (c *conn) adopt(ep tcpip.Endpoint) {
	c.ep = ep
	c.ein, c.in = waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	c.eou, c.out = waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	c.q.EventRegister(&c.ein)
	c.q.EventRegister(&c.eou)
}

func dial(s *stack.Stack, to tcpip.FullAddress, datagrams bool) (*conn, error) {
	c, err := newConn(s, datagrams)
	if err != nil {
		return nil, err
	}
	switch err := c.ep.Connect(to); err.(type) {
	case nil:
	case *tcpip.ErrConnectStarted:
		<-c.out
		if err := c.ep.LastError(); err != nil {
			return nil, fmt.Errorf("connect: %v", err)
		}
	default:
		return nil, fmt.Errorf("connect: %v", err)
	}
	return c, nil
}

// read waits for octets and returns their number, 0 at the end of the stream.
func (c *conn) read(b []byte) (int, error) {
	for {
		w := tcpip.SliceWriter(b)
		r, err := c.ep.Read(&w, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
			return r.Count, nil
		case *tcpip.ErrWouldBlock:
			<-c.in
		case *tcpip.ErrClosedForReceive:
			return 0, nil
		default:
			return 0, fmt.Errorf("read: %v", err)
		}
	}
}

func (c *conn) write(b []byte) error {
	r := bytes.NewReader(b)
	for r.Len() > 0 {
		_, err := c.ep.Write(r, tcpip.WriteOptions{})
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-c.out
		default:
			return fmt.Errorf("write: %v", err)
		}
	}
	return nil
}

func (c *conn) sink(a args) (map[string]float64, error) {
	buf := make([]byte, chunk)
	m := meter{warm: a.span("warm"), span: a.span("seconds")}
	for {
		n, err := c.read(buf)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("the other side closed: %v", err)
		}
		if rate, over := m.count(n); over {
			return map[string]float64{"": rate}, nil
		}
	}
}

func (c *conn) source() error {
	buf := make([]byte, chunk)
	for {
		if c.write(buf) != nil {
			return nil
		}
	}
}

func (c *conn) echo() error {
	buf := make([]byte, 1500)
	for {
		n, err := c.read(buf)
		if err != nil || n == 0 {
			return nil
		}
		if err := c.write(buf[:n]); err != nil {
			return nil
		}
	}
}

// meter counts octets after a warm-up.
type meter struct {
	warm, span  time.Duration
	began, from time.Time
	octets      int64
}

// count adds n octets. When the measured time is over, it returns the rate in Gbit/s, and over is true.
func (m *meter) count(n int) (rate float64, over bool) {
	now := time.Now()
	switch {
	case m.began.IsZero():
		m.began = now
	case m.from.IsZero():
		if now.Sub(m.began) >= m.warm {
			m.from = now
		}
	default:
		m.octets += int64(n)
		if took := now.Sub(m.from); took >= m.span {
			return float64(m.octets) * 8 / 1e9 / took.Seconds(), true
		}
	}
	return 0, false
}
