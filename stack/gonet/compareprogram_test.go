package gonet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// past is a deadline in the past.
var past = time.Unix(1, 0)

// settle is the time in which packets over a loopback arrive, and a goroutine blocks. On a busy machine that may not be enough, so a
// difference counts only if it is there with a longer time too.
var settle = 60 * time.Millisecond

// program makes every call of package net that gonet has, and notes what it observes.
func program(o *observer) {
	o.addresses()
	o.dialling()
	o.accepting()
	o.closing()
	o.halfClose()
	o.deadlines()
	o.resets()
	o.streams()
	o.options()
	o.datagrams()
	o.connectedUDP()
	o.descriptors()
	o.failingStreams()
	o.bounds()
	o.emptyAddresses()
	o.otherFamily()
	o.keepAliveRanges()
	o.bothShut()
	o.literals()
}

// tcp returns the ends of a new connection: the dialled one first.
func (o *observer) tcp() (c, s stream) {
	o.t.Helper()
	l, err := o.sys.listen("tcp", "127.0.0.1:0")
	o.must(err)
	defer l.Close()
	d, err := o.sys.dial("tcp", l.Addr().String())
	o.must(err)
	a, err := l.Accept()
	o.must(err)
	c, s = d.(stream), a.(stream)
	limit := time.Now().Add(5 * time.Second)
	c.SetDeadline(limit)
	s.SetDeadline(limit)
	return c, s
}

// form is an address without its port: its type, network, length of the IP and text.
func form(a net.Addr) string {
	if a == nil {
		return "nil"
	}
	text := a.String()
	host, port, _ := net.SplitHostPort(text)
	n := -1
	switch a := a.(type) {
	case *net.TCPAddr:
		n = len(a.IP)
	case *net.UDPAddr:
		n = len(a.IP)
	}
	kind := strings.ReplaceAll(fmt.Sprintf("%T", a), "*", "")
	return fmt.Sprintf("%s %s %q ip=%d port=%v", kind, a.Network(), host, n, port != "0")
}

func (o *observer) addresses() {
	for _, c := range []struct{ network, address string }{
		{"tcp", ":0"}, {"tcp4", ":0"}, {"tcp6", ":0"}, {"tcp", "0.0.0.0:0"}, {"tcp", "[::]:0"}, {"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"},
		{"tcp", "localhost:0"}, {"tcp", "192.0.2.1:0"}, {"tcp4", "[::1]:0"}, {"tcp6", "127.0.0.1:0"}, {"tcp", "127.0.0.1:70000"}, {"tcp", "127.0.0.1"},
		{"tcp", "127.0.0.1:no-such-service"}, {"tcp5", ":0"}, {"udp", ":0"}, {"tcp", "127.0.0.1:http-alt-none"},
	} {
		key := "listen " + c.network + " " + c.address
		l, err := o.sys.listen(c.network, c.address)
		if err != nil {
			o.err(key, err)
			continue
		}
		o.note(key, "%s", form(l.Addr()))
		l.Close()
	}
	for _, c := range []struct{ network, address string }{
		{"udp", ":0"}, {"udp4", ":0"}, {"udp6", ":0"}, {"udp", "0.0.0.0:0"}, {"udp", "127.0.0.1:0"}, {"udp", "[::1]:0"}, {"udp", "192.0.2.1:0"},
		{"udp4", "[::1]:0"}, {"tcp", ":0"},
	} {
		key := "listenpacket " + c.network + " " + c.address
		u, err := o.sys.listenPacket(c.network, c.address)
		if err != nil {
			o.err(key, err)
			continue
		}
		o.note(key, "%s", form(u.LocalAddr()))
		u.Close()
	}
	c, s := o.tcp()
	o.note("addresses of a connection", "%s %s", form(c.LocalAddr()), form(c.RemoteAddr()))
	o.note("addresses of an accepted connection", "%s %s", form(s.LocalAddr()), form(s.RemoteAddr()))
	o.note("both ends agree", "%v %v", c.LocalAddr().String() == s.RemoteAddr().String(), s.LocalAddr().String() == c.RemoteAddr().String())
	c.Close()
	s.Close()
	o.note("addresses after close", "%s %s", form(c.LocalAddr()), form(c.RemoteAddr()))
}

func (o *observer) dialling() {
	l, err := o.sys.listen("tcp", "127.0.0.1:0")
	o.must(err)
	address := l.Addr().String()
	_, err = o.sys.listen("tcp", address)
	o.err("listen on a port in use", err)
	l.Close()
	_, err = o.sys.dial("tcp", address)
	o.err("dial a closed port", err)
	for _, c := range []struct{ network, address string }{
		{"tcp", "127.0.0.1:0"}, {"tcp4", "[::1]:80"}, {"tcp6", "127.0.0.1:80"}, {"tcp", "127.0.0.1:no-such-service"}, {"tcp", "127.0.0.1"},
		{"tcp7", "127.0.0.1:1"}, {"tcp", "no-such-host.invalid:80"}, {"udp", "no-such-host.invalid:80"}, {"udp", "127.0.0.1:0"},
	} {
		k, err := o.sys.dial(c.network, c.address)
		o.err("dial "+c.network+" "+c.address, err)
		if err == nil {
			k.Close()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = o.sys.dialContext(ctx, "tcp", address)
	o.err("dial with a cancelled context", err)
	ctx, cancel = context.WithDeadline(context.Background(), past)
	defer cancel()
	_, err = o.sys.dialContext(ctx, "tcp", address)
	o.err("dial with a context in the past", err)
	for _, listenOn := range []string{"tcp", "tcp4", "tcp6"} {
		l, err := o.sys.listen(listenOn, ":0")
		o.must(err)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, dialTo := range []string{"127.0.0.1", "::1", "", "0.0.0.0", "::"} {
			c, err := o.sys.dial("tcp", net.JoinHostPort(dialTo, port))
			key := fmt.Sprintf("dial %q listening on %s", dialTo, listenOn)
			if err != nil {
				o.err(key, err)
				continue
			}
			s, err := l.Accept()
			o.must(err)
			o.note(key, "%s %s", form(c.RemoteAddr()), form(s.LocalAddr()))
			c.Close()
			s.Close()
		}
		l.Close()
	}
}

// within calls fn on a goroutine and returns when it does. The goroutine has begun before act is called, and has most likely blocked.
func within(act func(), fn func()) {
	var wg sync.WaitGroup
	wg.Go(fn)
	time.Sleep(settle)
	act()
	wg.Wait()
}

func (o *observer) accepting() {
	l, err := o.sys.listen("tcp", "127.0.0.1:0")
	o.must(err)
	d := l.(interface{ SetDeadline(time.Time) error })
	d.SetDeadline(past)
	_, err = l.Accept()
	o.err("accept with a deadline in the past", err)
	d.SetDeadline(time.Time{})
	within(func() { d.SetDeadline(past) }, func() {
		_, err := l.Accept()
		o.err("blocked accept, deadline set to the past", err)
	})
	d.SetDeadline(time.Time{})
	c, err := o.sys.dial("tcp", l.Addr().String())
	o.must(err)
	c.Write([]byte("early"))
	c.Close()
	s, err := l.Accept()
	o.err("accept after the peer has closed", err)
	s.SetDeadline(time.Now().Add(5 * time.Second))
	got, err := io.ReadAll(s)
	o.note("its octets", "%q %s", got, describe(err))
	s.Close()
	left, err := o.sys.dial("tcp", l.Addr().String())
	o.must(err)
	left.SetDeadline(time.Now().Add(5 * time.Second))
	within(func() { o.err("close of a listener", l.Close()) }, func() {
		n, err := left.Read(make([]byte, 1))
		o.result("read of a connection that was not accepted", n, err)
	})
	left.Close()
	_, err = l.Accept()
	o.err("accept after close", err)
	o.err("second close of a listener", l.Close())
	o.err("deadline of a closed listener", d.SetDeadline(past))
	o.note("address of a closed listener", "%s", form(l.Addr()))
	l, err = o.sys.listen("tcp", "127.0.0.1:0")
	o.must(err)
	within(func() { l.Close() }, func() {
		_, err := l.Accept()
		o.err("blocked accept, closed", err)
	})
}

func (o *observer) closing() {
	c, s := o.tcp()
	within(func() { o.err("close", c.Close()) }, func() {
		n, err := c.Read(make([]byte, 1))
		o.result("blocked read, closed", n, err)
	})
	o.err("second close", c.Close())
	n, err := c.Read(make([]byte, 1))
	o.result("read after close", n, err)
	n, err = c.Read(nil)
	o.result("empty read after close", n, err)
	n, err = c.Write([]byte("x"))
	o.result("write after close", n, err)
	n, err = c.Write(nil)
	o.result("empty write after close", n, err)
	o.err("deadline after close", c.SetDeadline(time.Time{}))
	o.err("option after close", c.SetNoDelay(true))
	o.err("closewrite after close", c.CloseWrite())
	o.err("closeread after close", c.CloseRead())
	n, err = s.Read(make([]byte, 1))
	o.result("read after the peer's close", n, err)
	n, err = s.Read(make([]byte, 1))
	o.result("second read after the peer's close", n, err)
	n, err = s.Read(nil)
	o.result("empty read at the end", n, err)
	s.Close()

	c, s = o.tcp()
	c.Write([]byte("unread"))
	time.Sleep(settle)
	s.Close() // sends a RST, since octets are unread
	time.Sleep(settle)
	n, err = c.Read(make([]byte, 1))
	o.result("read after the peer's close with unread octets", n, err)
	n, err = c.Read(make([]byte, 1))
	o.result("second read after it", n, err)
	n, err = c.Write([]byte("x"))
	o.result("write after it", n, err)
	c.Close()
}

func (o *observer) halfClose() {
	c, s := o.tcp()
	o.err("closewrite", c.CloseWrite())
	n, err := c.Write([]byte("x"))
	o.result("write after closewrite", n, err)
	n, err = c.Write(nil)
	o.result("empty write after closewrite", n, err)
	o.err("second closewrite", c.CloseWrite())
	got, err := io.ReadAll(s)
	o.note("read to the half-close", "%q %s", got, describe(err))
	n, err = s.Write([]byte("answer"))
	o.result("write after the peer's half-close", n, err)
	buf := make([]byte, 10)
	n, err = c.Read(buf)
	o.result("read after closewrite", n, err)
	s.Close()
	n, err = c.Read(buf)
	o.result("read at the end after closewrite", n, err)
	c.Close()

	c, s = o.tcp()
	within(func() { o.err("closeread", c.CloseRead()) }, func() {
		n, err := c.Read(buf)
		o.result("blocked read, closeread", n, err)
	})
	n, err = c.Read(buf)
	o.result("read after closeread", n, err)
	n, err = c.Write([]byte("x"))
	o.result("write after closeread", n, err)
	s.Write([]byte("late"))
	time.Sleep(settle)
	n, err = c.Read(buf)
	o.result("read of octets that came after closeread", n, err)
	c.Close()
	s.Close()
}

func (o *observer) resets() {
	buf := make([]byte, 10)
	c, s := o.tcp()
	o.err("linger 0", s.SetLinger(0))
	within(func() { s.Close() }, func() {
		n, err := c.Read(buf)
		o.result("blocked read, reset", n, err)
	})
	n, err := c.Read(buf)
	o.result("read after the reset was reported", n, err)
	n, err = c.Write([]byte("x"))
	o.result("write after the reset was reported", n, err)
	o.err("closewrite after a reset", c.CloseWrite())
	o.err("close after a reset", c.Close())

	c, s = o.tcp()
	s.Write([]byte("before"))
	time.Sleep(settle)
	s.SetLinger(0)
	s.Close()
	time.Sleep(settle)
	n, err = c.Read(buf)
	o.result("read of octets before a reset", n, err)
	n, err = c.Read(buf)
	o.result("read after them", n, err)
	c.Close()

	c, s = o.tcp()
	s.SetLinger(0)
	s.Close()
	time.Sleep(settle)
	n, err = c.Write([]byte("x"))
	o.result("write, reset", n, err)
	n, err = c.Write([]byte("x"))
	o.result("second write, reset", n, err)
	n, err = c.Read(buf)
	o.result("read after the writes, reset", n, err)
	c.Close()

	c, s = o.tcp()
	s.Close()
	time.Sleep(settle)
	n, err = c.Write([]byte("x"))
	o.result("write after the peer's close", n, err)
	time.Sleep(settle)
	n, err = c.Write([]byte("x"))
	o.result("write after the RST that answered", n, err)
	n, err = c.Read(buf)
	o.result("read after it, FIN first", n, err)
	c.Close()

	c, s = o.tcp()
	within(func() { s.SetLinger(0); s.Close() }, func() {
		n, err := c.Write(make([]byte, 64<<20))
		o.note("blocked write, reset", "%v %s", n < 64<<20, describe(err))
	})
	c.Close()
}

func (o *observer) streams() {
	c, s := o.tcp()
	n, err := c.Write(nil)
	o.result("empty write", n, err)
	n, err = c.Read(nil)
	o.result("empty read", n, err)
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	var sent int64
	var sendErr error
	within(func() {
		var all bytes.Buffer
		n, err := s.WriteTo(&all)
		o.note("writeto of a connection", "%d %v %s", n, bytes.Equal(all.Bytes(), data), describe(err))
	}, func() {
		sent, sendErr = c.ReadFrom(bytes.NewReader(data))
		c.CloseWrite()
	})
	o.note("readfrom", "%d %s", sent, describe(sendErr))
	s.Close()
	c.Close()
	m, err := c.ReadFrom(strings.NewReader("x"))
	o.note("readfrom after close", "%d %s", m, describe(err))
	m, err = c.WriteTo(io.Discard)
	o.note("writeto after close", "%d %s", m, describe(err))

	c, s = o.tcp()
	within(func() {
		got, err := io.ReadAll(s)
		o.note("a long write arrives", "%v %s", bytes.Equal(got, data), describe(err))
	}, func() {
		n, err := c.Write(data)
		o.result("long write", n, err)
		c.Close()
	})
	s.Close()
}

func (o *observer) options() {
	c, s := o.tcp()
	o.err("setnodelay", c.SetNoDelay(false))
	o.err("setkeepalive", c.SetKeepAlive(true))
	o.err("setkeepaliveperiod", c.SetKeepAlivePeriod(time.Minute))
	o.err("setkeepaliveconfig", c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}))
	o.err("setreadbuffer", c.SetReadBuffer(1<<16))
	o.err("setwritebuffer", c.SetWriteBuffer(1<<16))
	o.err("setlinger", c.SetLinger(1))
	c.Close()
	o.err("setreadbuffer after close", c.SetReadBuffer(1<<16))
	o.err("setlinger after close", c.SetLinger(1))
	s.Close()
}

func (o *observer) descriptors() {
	c, s := o.tcp()
	f, err := c.(interface{ File() (*os.File, error) }).File()
	o.err("file of a connection", err)
	if err == nil {
		f.Close()
	}
	c.Close()
	s.Close()
}
