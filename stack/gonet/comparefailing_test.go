package gonet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// chain is the type of an error and of each error that it wraps.
func chain(err error) string {
	var types []string
	for ; err != nil; err = errors.Unwrap(err) {
		types = append(types, fmt.Sprintf("%T", err))
	}
	return strings.NewReplacer("gonet.", "", "net.", "", "*net.timeoutError", "timeoutError").Replace(strings.Join(types, " "))
}

// errBoom is the error of a reader or writer of the program's.
var errBoom = errors.New("boom")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errBoom }

// failingWriter takes n octets and returns err.
type failingWriter struct {
	n   int
	err error
}

func (w failingWriter) Write(p []byte) (int, error) { return min(w.n, len(p)), w.err }

// failingStreams compares ReadFrom and WriteTo whose other side fails, and whose own side fails.
func (o *observer) failingStreams() {
	c, s := o.tcp()
	copied := func(key string, n int64, err error) { o.note(key, "%d %s %s", n, chain(err), describe(err)) }
	n, err := c.ReadFrom(failingReader{})
	copied("readfrom of a reader that fails", n, err)
	s.Write([]byte("ab"))
	n, err = c.WriteTo(failingWriter{0, errBoom})
	copied("writeto a writer that fails", n, err)
	s.Write([]byte("ab"))
	n, err = c.WriteTo(failingWriter{1, nil})
	copied("writeto a writer that takes a part", n, err)
	c.SetReadDeadline(past)
	n, err = c.WriteTo(io.Discard)
	copied("writeto after the deadline", n, err)
	c.CloseWrite()
	n, err = c.ReadFrom(strings.NewReader("x"))
	copied("readfrom after closewrite", n, err)
	n, err = c.ReadFrom(strings.NewReader(""))
	copied("readfrom of nothing after closewrite", n, err)
	c.Close()
	s.Close()
}

// bounds compares the bounds of a dial's time.
func (o *observer) bounds() {
	l, err := o.sys.listen("tcp", "127.0.0.1:0")
	o.must(err)
	defer l.Close()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), past)
	defer cancel()
	for _, network := range []string{"tcp", "udp"} {
		for _, c := range []struct {
			name    string
			ctx     context.Context
			options dialOptions
		}{
			{"a cancelled context", cancelled, dialOptions{}},
			{"a context in the past", late, dialOptions{}},
			{"a negative timeout", context.Background(), dialOptions{timeout: -1}},
			{"a deadline in the past", context.Background(), dialOptions{deadline: past}},
			{"a local TCP address", context.Background(), dialOptions{local: &net.TCPAddr{}}},
			{"a local UDP address", context.Background(), dialOptions{local: &net.UDPAddr{}}},
			{"a local IP address", context.Background(), dialOptions{local: &net.IPAddr{}}},
			{"a local address of the other family", context.Background(), dialOptions{local: loopbackOf(network)}},
		} {
			k, err := o.sys.dialWith(c.ctx, c.options, network, l.Addr().String())
			key := fmt.Sprintf("dial %s with %s", network, c.name)
			o.note(key, "%s %s", chain(err), describe(err))
			if err == nil {
				k.Close()
			}
		}
	}
}

// loopbackOf is the local address ::1 of a network.
func loopbackOf(network string) net.Addr {
	if network == "udp" {
		return &net.UDPAddr{IP: net.IPv6loopback}
	}
	return &net.TCPAddr{IP: net.IPv6loopback}
}

// emptyAddresses compares addresses without a host or a port, and the texts of errors about addresses.
func (o *observer) emptyAddresses() {
	if l, err := o.sys.listen("tcp", ""); err != nil {
		o.err("listen without an address", err)
	} else {
		o.note("listen without an address", "%s", form(l.Addr()))
		l.Close()
	}
	if u, err := o.sys.listenPacket("udp", ""); err != nil {
		o.err("listenpacket without an address", err)
	} else {
		o.note("listenpacket without an address", "%s", form(u.LocalAddr()))
		u.Close()
	}
	for _, network := range []string{"tcp", "udp"} {
		_, err := o.sys.dial(network, "")
		o.note("dial "+network+" without an address", "%s %v", chain(err), err)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:http:80", "[::1", "[::1]80", "127.0.0.1:-1", ":0", "127.0.0.1:0"} {
		_, err := o.sys.dial("tcp", address)
		o.note("text of the error of a dial to "+address, "%v", err)
	}
	for _, c := range []struct{ network, address string }{{"tcp6", "127.0.0.1:80"}, {"tcp4", "[::1]:80"}, {"udp6", "127.0.0.1:80"}} {
		_, err := o.sys.dial(c.network, c.address)
		o.note("text of the error of a dial of "+c.network+" to "+c.address, "%v", err)
	}
}

// otherFamily compares datagrams to an address that the socket can't reach.
func (o *observer) otherFamily() {
	for _, c := range []struct{ network, address string }{{"udp", "127.0.0.1:0"}, {"udp", "[::1]:0"}, {"udp4", ":0"}, {"udp6", ":0"}, {"udp", ":0"}} {
		u := o.udp(c.network, c.address)
		for _, to := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, nil, net.IPv4zero, net.IPv6zero} {
			n, err := u.WriteTo([]byte("x"), &net.UDPAddr{IP: to, Port: 9})
			o.result(fmt.Sprintf("writeto %v from %s %s", to, c.network, c.address), n, err)
			time.Sleep(settle / 10)
			u.SetDeadline(time.Now().Add(5 * time.Second))
		}
		n, err := u.(packetConn).WriteToUDPAddrPort([]byte("x"), netip.AddrPort{})
		o.result(fmt.Sprintf("writetoudpaddrport of nothing from %s %s", c.network, c.address), n, err)
		u.Close()
	}
}

// keepAliveRanges compares the options of keep-alives that Linux refuses.
func (o *observer) keepAliveRanges() {
	c, s := o.tcp()
	const most = 32767 * time.Second
	for _, d := range []time.Duration{1, most, most + 1, 365 * 24 * time.Hour} {
		o.err(fmt.Sprintf("setkeepaliveperiod %v", d), c.SetKeepAlivePeriod(d))
	}
	for _, k := range []net.KeepAliveConfig{
		{Enable: true, Count: 127}, {Enable: true, Count: 128}, {Enable: true, Interval: most + 1}, {Enable: true, Idle: most + 1}, {Count: 1000}, {Idle: most + 1},
	} {
		o.err(fmt.Sprintf("setkeepaliveconfig %+v", k), c.SetKeepAliveConfig(k))
	}
	c.Close()
	s.Close()
}

// bothShut compares octets that arrive after both halves were shut: RFC 1122 §4.2.2.13 resets the connection.
func (o *observer) bothShut() {
	for _, writeFirst := range []bool{true, false} {
		c, s := o.tcp()
		shut := []func() error{c.CloseRead, c.CloseWrite}
		key := "read, then write shut"
		if writeFirst {
			shut[0], shut[1] = shut[1], shut[0]
			key = "write, then read shut"
		}
		shut[0]()
		shut[1]()
		time.Sleep(settle)
		n, err := s.Write([]byte("late"))
		o.result(key+": the peer's write", n, err)
		time.Sleep(settle)
		n, err = s.Write([]byte("later"))
		o.result(key+": the peer's second write", n, err)
		n, err = c.Read(make([]byte, 9))
		o.result(key+": read", n, err)
		n, err = c.Read(make([]byte, 9))
		o.result(key+": second read", n, err)
		c.Close()
		s.Close()
	}
	c, s := o.tcp()
	s.Write([]byte("before"))
	time.Sleep(settle)
	c.CloseWrite()
	c.CloseRead()
	time.Sleep(settle)
	n, err := c.Read(make([]byte, 9))
	o.result("read of octets from before both halves were shut", n, err)
	n, err = s.Write([]byte("late"))
	o.result("write to such a connection", n, err)
	c.Close()
	s.Close()
}

// literals compares lookups of addresses, which ask nobody.
func (o *observer) literals() {
	for _, host := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", ""} {
		list, err := o.sys.resolver.LookupIPAddr(context.Background(), host)
		for _, a := range list {
			o.note("lookupipaddr "+host, "%d octets %s", len(a.IP), a.String())
		}
		if err != nil {
			o.note("lookupipaddr "+host, "%s %v", chain(err), err)
		}
		for _, network := range []string{"ip", "ip4", "ip6"} {
			addrs, err := o.sys.resolver.LookupNetIP(context.Background(), network, host)
			for i := range addrs {
				addrs[i] = addrs[i].Unmap() // package net returns IPv4-mapped addresses for literals only
			}
			o.note("lookupnetip "+network+" "+host, "%v %s %v", addrs, chain(err), err)
		}
		names, err := o.sys.resolver.LookupHost(context.Background(), host)
		o.note("lookuphost "+host, "%v %s %v", names, chain(err), err)
	}
	_, err := o.sys.resolver.LookupNetIP(context.Background(), "ip5", "127.0.0.1")
	o.note("lookupnetip ip5", "%s %v", chain(err), err)
}
