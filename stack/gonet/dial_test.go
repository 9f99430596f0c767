package gonet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// bubble runs fn in a bubble, on a pair whose world runs in the bubble's time.
func bubble(t *testing.T, link lab.LinkConfig, fn func(t *testing.T, p *pair), opts ...gonet.Option) {
	synctest.Test(t, func(t *testing.T) { fn(t, newPair(t, drive, link, opts...)) })
}

func listen(t *testing.T, n *gonet.Net, network, address string) net.Listener {
	t.Helper()
	l, err := n.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// acceptAndClose closes each connection to l after the peer has closed it.
func acceptAndClose(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(io.Discard, c)
			c.Close()
		}()
	}
}

// TestHappyEyeballs: a name with both families is dialled by IPv6 first; if that is silent, IPv4 follows after 250 ms (RFC 8305 §5), and the
// silent attempt ends with the dial.
func TestHappyEyeballs(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: 10 * time.Millisecond}, func(t *testing.T, p *pair) {
		go acceptAndClose(listen(t, p.b, "tcp", ":80"))
		c, err := p.a.Dial("tcp", "b:80")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != "[2001:db8::2]:80" {
			t.Errorf("dialled %s first", got)
		}
		c.Close()
		time.Sleep(time.Second)
		p.silence6()
		began := time.Now()
		c, err = p.a.Dial("tcp", "b:80")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != "10.0.0.2:80" {
			t.Errorf("dialled %s", got)
		}
		if took := time.Since(began); took < 250*time.Millisecond || took > 400*time.Millisecond {
			t.Errorf("the dial took %v", took)
		}
		c.Close()
		time.Sleep(time.Second)
		if n := p.sockets(); n != 1 {
			t.Errorf("%d sockets, want the listener alone", n)
		}
	})
}

// silence6 makes b deaf to a's IPv6, as a broken path does: a sends it to the hardware address of nobody.
func (p *pair) silence6() {
	p.runner.Do(func(now clock.Instant) {
		err := p.hosts[0].Ports()[0].Iface().AddNeighbor(now, prefix6(1).Addr(), [6]byte{2, 0, 0, 0, 0, 99})
		if err != nil {
			panic(err)
		}
	})
}

// TestFamiliesInTurn: a dial to a name with several addresses of each family tries the families in turn (RFC 8305 §4).
func TestFamiliesInTurn(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: 10 * time.Millisecond}, func(t *testing.T, p *pair) {
		var err error
		p.runner.Do(func(clock.Instant) {
			_, err = p.hosts[0].Lab().AddHost(lab.HostConfig{Name: "many", Addrs: []netip.Prefix{
				netip.MustParsePrefix("2001:db8::a/64"), netip.MustParsePrefix("2001:db8::b/64"), prefix4(1)}})
		})
		if err != nil {
			t.Fatal(err)
		}
		p.runner.Do(func(now clock.Instant) {
			for _, a := range []string{"2001:db8::a", "2001:db8::b"} {
				if err := p.hosts[0].Ports()[0].Iface().AddNeighbor(now, netip.MustParseAddr(a), [6]byte{2, 0, 0, 0, 0, 99}); err != nil {
					t.Error(err)
				}
			}
		})
		go acceptAndClose(listen(t, p.b, "tcp4", ":80"))
		began := time.Now()
		c, err := p.a.Dial("tcp", "many:80")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if took := time.Since(began); took < 250*time.Millisecond || took > 400*time.Millisecond {
			t.Errorf("the dial took %v, so the IPv4 address was not the second", took)
		}
		time.Sleep(time.Second)
	})
}

// TestFailureBeginsTheNextAttempt: an attempt that fails at once does not delay the next one, and the error of a dial is that of the
// first attempt.
func TestFailureBeginsTheNextAttempt(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: 10 * time.Millisecond}, func(t *testing.T, p *pair) {
		l := listen(t, p.b, "tcp4", ":80")
		began := time.Now()
		c, err := p.a.Dial("tcp", "b:80")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the dial took %v", took)
		}
		l.Close()
		_, err = p.a.Dial("tcp", "b:80")
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "dial tcp [2001:db8::2]:80: connect: connection refused") {
			t.Errorf("error %v", err)
		}
	})
}

// TestDialEnds: a dial to a silent address ends with its context, its Timeout, or the stack's last retransmission, and leaves no socket.
func TestDialEnds(t *testing.T) {
	bubble(t, lab.LinkConfig{Loss: 1}, func(t *testing.T, p *pair) {
		began := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err := p.a.DialContext(ctx, "tcp", "b:80")
		if !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("cancelled: %v after %v", err, time.Since(began))
		}
		began = time.Now()
		_, err = p.a.DialTimeout("tcp4", "b:80", 2*time.Second)
		var ne net.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || time.Since(began) != 2*time.Second {
			t.Errorf("timeout: %v after %v", err, time.Since(began))
		}
		_, err = p.a.Dial("tcp4", "b:80")
		if !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("silent link: %v", err)
		}
		_, err = p.a.Dial("tcp", "192.0.2.1:80")
		if !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("no route: %v", err)
		}
		time.Sleep(time.Second)
		if n := p.sockets(); n != 0 {
			t.Errorf("%d sockets left", n)
		}
	})
}

// TestLocalAddr: a Dialer's local address and port are used, and errors name bind.
func TestLocalAddr(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		listen(t, p.b, "tcp", ":80")
		d := gonet.Dialer{Net: p.a, LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5000}, KeepAlive: -1}
		c, err := d.Dial("tcp", "b:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.LocalAddr().String(); got != "10.0.0.1:5000" {
			t.Errorf("local address %s", got)
		}
		_, err = d.Dial("tcp", "b:80")
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "bind:") {
			t.Errorf("the port twice: %v", err)
		}
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9)}
		if _, err = d.Dial("tcp", "b:80"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("another host's address: %v", err)
		}
	})
}

// TestNames: the resolver knows the lab's hosts in both families, by any case, and nothing else.
func TestNames(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		r, ctx := p.a.Resolver(), context.Background()
		for _, c := range []struct{ network, name, want string }{
			{"ip", "b", "2001:db8::2 10.0.0.2"}, {"ip4", "B.", "10.0.0.2"}, {"ip6", "b", "2001:db8::2"}, {"ip", "localhost", "::1 127.0.0.1"},
			{"ip", "192.0.2.1", "192.0.2.1"},
		} {
			got, err := r.LookupNetIP(ctx, c.network, c.name)
			var text []string
			for _, a := range got {
				text = append(text, a.String())
			}
			if c.name == "localhost" {
				slices.SortFunc(text, func(a, b string) int { return len(a) - len(b) })
			}
			if s := strings.Join(text, " "); s != c.want || err != nil {
				t.Errorf("%s %s: %s, %v; want %s", c.network, c.name, s, err, c.want)
			}
		}
		_, err := r.LookupHost(ctx, "nobody")
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("nobody: %v", err)
		}
		if names, err := r.LookupAddr(ctx, "10.0.0.2"); err != nil || !slices.Equal(names, []string{"b"}) {
			t.Errorf("names of 10.0.0.2: %v, %v", names, err)
		}
	})
}

// TestLookupWithoutTime: a lookup whose context has ended before has the error of package net's resolver, which asks nobody either.
func TestLookupWithoutTime(t *testing.T) {
	ended := func(at time.Time) context.Context {
		ctx, cancel := context.WithDeadline(context.Background(), at)
		cancel()
		return ctx
	}
	// Package net makes a channel at its first lookup, which must not belong to a bubble.
	now := time.Now()
	_, canceled := (&net.Resolver{PreferGo: true}).LookupNetIP(ended(now.Add(time.Hour)), "ip", "nobody.example")
	_, late := (&net.Resolver{PreferGo: true}).LookupNetIP(ended(now), "ip", "nobody.example")
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		for want, at := range map[error]time.Time{canceled: time.Now().Add(time.Hour), late: time.Now()} { // the order does not matter
			ctx := ended(at)
			_, got := p.a.Resolver().LookupNetIP(ctx, "ip", "nobody.example")
			var gotDNS, wantDNS *net.DNSError
			if !errors.As(got, &gotDNS) || !errors.As(want, &wantDNS) || !errors.Is(got, ctx.Err()) {
				t.Fatalf("%v: %v, want %v", ctx.Err(), got, want)
			}
			gotDNS.UnwrapErr, wantDNS.UnwrapErr = nil, nil
			if *gotDNS != *wantDNS {
				t.Errorf("%v: %+v, want %+v", ctx.Err(), *gotDNS, *wantDNS)
			}
		}
	})
}

// TestBlockedCallsAreDurablyBlocked: a bubble whose goroutines wait in Read, Write, Accept and ReadFrom comes to rest, so that its time
// passes, and deadlines are the bubble's.
func TestBlockedCallsAreDurablyBlocked(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		c, s := p.connect(t, "tcp")
		defer c.Close()
		defer s.Close()
		l := listen(t, p.a, "tcp", ":81").(*gonet.TCPListener)
		u, err := p.a.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		began, at := time.Now(), time.Now().Add(24*time.Hour)
		c.SetDeadline(at)
		l.SetDeadline(at)
		u.SetDeadline(at)
		ends := make(chan error, 4)
		go func() { _, err := c.Read(make([]byte, 1)); ends <- err }()
		go func() { _, err := c.Write(make([]byte, 32<<20)); ends <- err }()
		go func() { _, err := l.Accept(); ends <- err }()
		go func() { _, _, err := u.ReadFrom(make([]byte, 1)); ends <- err }()
		for range 4 {
			if err := <-ends; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		if took := time.Since(began); took != 24*time.Hour {
			t.Errorf("the calls took %v", took)
		}
	})
}

// TestUDPErrorsComeLater: an error of sending is returned by the next write to the same destination, not by one to another.
func TestUDPErrorsComeLater(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		k, err := p.a.ListenPacket("udp4", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		u := k.(*gonet.UDPConn)
		nowhere, b := netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("10.0.0.2:9")
		if _, err := u.WriteToUDPAddrPort([]byte("x"), nowhere); err != nil {
			t.Errorf("first write: %v", err)
		}
		synctest.Wait()
		if _, err := u.WriteToUDPAddrPort([]byte("x"), b); err != nil {
			t.Errorf("write to another destination: %v", err)
		}
		if _, err := u.WriteToUDPAddrPort([]byte("x"), nowhere); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("second write: %v", err)
		}
	})
}
