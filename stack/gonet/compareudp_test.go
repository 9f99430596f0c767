package gonet_test

import (
	"net"
	"net/netip"
	"time"
)

func (o *observer) udp(network, address string) net.PacketConn {
	o.t.Helper()
	u, err := o.sys.listenPacket(network, address)
	o.must(err)
	u.SetDeadline(time.Now().Add(5 * time.Second))
	return u
}

// packetConn is what both UDPConn types have beyond net.PacketConn.
type packetConn interface {
	net.PacketConn
	net.Conn
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
}

func (o *observer) datagrams() {
	u, v := o.udp("udp", "127.0.0.1:0"), o.udp("udp4", "127.0.0.1:0")
	buf := make([]byte, 100)
	n, err := u.WriteTo([]byte("hello"), v.LocalAddr())
	o.result("writeto", n, err)
	n, from, err := v.ReadFrom(buf)
	o.result("readfrom of a datagram", n, err)
	o.note("its source", "%v %s", from.String() == u.LocalAddr().String(), form(from))
	n, err = u.WriteTo(nil, v.LocalAddr())
	o.result("empty datagram", n, err)
	n, _, err = v.ReadFrom(buf)
	o.result("readfrom of an empty datagram", n, err)
	u.WriteTo([]byte("cut short"), v.LocalAddr())
	n, _, err = v.ReadFrom(buf[:3])
	o.result("readfrom into a short buffer", n, err)
	u.WriteTo([]byte("cut to nothing"), v.LocalAddr())
	n, _, err = v.ReadFrom(nil)
	o.result("readfrom into an empty buffer", n, err)
	n, err = u.WriteTo(make([]byte, 65507), v.LocalAddr())
	o.result("longest datagram", n, err)
	n, _, err = v.ReadFrom(make([]byte, 70000))
	o.result("readfrom of the longest datagram", n, err)
	n, err = u.WriteTo(make([]byte, 65508), v.LocalAddr())
	o.result("datagram that is too long", n, err)
	n, err = u.WriteTo([]byte("x"), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	o.result("writeto an address of another type", n, err)
	n, err = v.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv6loopback, Port: 9})
	o.result("udp4 writeto IPv6", n, err)
	n, err = u.WriteTo([]byte("x"), &net.UDPAddr{Port: 9})
	o.result("writeto without an address", n, err)
	n, err = u.WriteTo([]byte("x"), (*net.UDPAddr)(nil))
	o.result("writeto nil", n, err)
	n, err = u.(packetConn).Write([]byte("x"))
	o.result("write of an unconnected socket", n, err)
	o.note("remote address of an unconnected socket", "%v", u.(packetConn).RemoteAddr())
	closed := o.udp("udp", "127.0.0.1:0")
	closed.Close()
	n, err = u.WriteTo([]byte("x"), closed.LocalAddr())
	o.result("writeto a closed port", n, err)
	time.Sleep(settle)
	n, err = u.WriteTo([]byte("x"), closed.LocalAddr())
	o.result("second writeto a closed port", n, err)
	_, err = o.sys.listenPacket("udp", u.LocalAddr().String())
	o.err("listenpacket on a port in use", err)

	u.SetReadDeadline(past)
	n, _, err = u.ReadFrom(buf)
	o.result("readfrom with a deadline in the past", n, err)
	u.SetReadDeadline(time.Time{})
	within(func() { u.SetReadDeadline(past) }, func() {
		n, _, err := u.ReadFrom(buf)
		o.result("blocked readfrom, deadline set to the past", n, err)
	})
	u.SetWriteDeadline(past)
	n, err = u.WriteTo([]byte("x"), v.LocalAddr())
	o.result("writeto with a deadline in the past", n, err)
	u.SetDeadline(time.Time{})
	within(func() { o.err("close of a UDP socket", u.Close()) }, func() {
		n, _, err := u.ReadFrom(buf)
		o.result("blocked readfrom, closed", n, err)
	})
	o.err("second close of a UDP socket", u.Close())
	n, _, err = u.ReadFrom(buf)
	o.result("readfrom after close of a UDP socket", n, err)
	n, err = u.WriteTo([]byte("x"), v.LocalAddr())
	o.result("writeto after close of a UDP socket", n, err)
	o.err("deadline of a closed UDP socket", u.SetDeadline(past))
	v.Close()

	w, x := o.udp("udp", ":0"), o.udp("udp4", "127.0.0.1:0")
	x.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: w.LocalAddr().(*net.UDPAddr).Port})
	_, from, err = w.ReadFrom(buf)
	o.note("source of IPv4 at a socket of both families", "%s %s", form(from), describe(err))
	n, err = w.WriteTo([]byte("x"), x.LocalAddr())
	o.result("writeto IPv4 from a socket of both families", n, err)
	w.Close()
	x.Close()
}

func (o *observer) connectedUDP() {
	v := o.udp("udp", "127.0.0.1:0")
	k, err := o.sys.dial("udp", v.LocalAddr().String())
	o.must(err)
	c := k.(packetConn)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 100)
	o.note("addresses of a connected UDP socket", "%s %s", form(c.LocalAddr()), form(c.RemoteAddr()))
	n, err := c.Write([]byte("hello"))
	o.result("write of a connected UDP socket", n, err)
	_, from, err := v.ReadFrom(buf)
	o.must(err)
	v.WriteTo([]byte("answer"), from)
	n, err = c.Read(buf)
	o.result("read of a connected UDP socket", n, err)
	v.WriteTo([]byte("again"), from)
	n, who, err := c.ReadFrom(buf)
	o.note("readfrom of a connected UDP socket", "%d %s %s", n, form(who), describe(err))
	n, err = c.WriteTo([]byte("x"), v.LocalAddr())
	o.result("writeto of a connected UDP socket", n, err)
	other := o.udp("udp", "127.0.0.1:0")
	other.WriteTo([]byte("not for you"), from)
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	n, err = c.Read(buf)
	o.result("read of a connected UDP socket from another peer", n, err)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	other.Close()
	n, err = c.Read(nil)
	o.result("empty read of a connected UDP socket", n, err)
	n, err = c.Write(nil)
	o.result("empty write of a connected UDP socket", n, err)
	n, err = c.Write(make([]byte, 65508))
	o.result("write of a datagram that is too long", n, err)
	v.Close()
	within(func() {
		n, err := c.Write([]byte("nobody is there"))
		o.result("write to a port that was closed", n, err)
	}, func() {
		n, err := c.Read(buf)
		o.result("blocked read, port unreachable", n, err)
	})
	for range 100 { // until the answer to a datagram before has arrived
		if n, err = c.Write([]byte("x")); err != nil {
			break
		}
		time.Sleep(settle / 4)
	}
	o.result("write after port unreachable", n, err)
	c.Close()
	n, err = c.Write([]byte("x"))
	o.result("write after close of a connected UDP socket", n, err)
	n, err = c.Read(buf)
	o.result("read after close of a connected UDP socket", n, err)
	o.err("second close of a connected UDP socket", c.Close())
}
