package gonet_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// TestDialSaysWhatTheRouterSaid: a dial to a host that a router reports as unreachable goes on until its own time ends, since such a report
// is a soft error (RFC 1122 §4.2.3.9). The error then names the report, and is a timeout as well. A cancelled dial is cancelled only.
func TestDialSaysWhatTheRouterSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lab.NewWorld()
		l := lab.New(w, 1)
		client, err := l.AddHost(lab.HostConfig{Name: "client", Addrs: prefixes("10.0.0.2/24"), Gateway: netip.MustParseAddr("10.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		router, err := l.AddHost(lab.HostConfig{Name: "router", Addrs: prefixes("10.0.0.1/24", "10.0.1.1/24"), Forward: true})
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.AddHost(lab.HostConfig{Name: "far", Addrs: prefixes("10.0.1.2/24")})
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []*lab.Host{client, far} {
			if _, err := l.Link(router, end, lab.LinkConfig{Delay: time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
		d := gonet.Drive(w)
		defer d.Close()
		n := gonet.New(d, client)
		for address, errno := range map[string]syscall.Errno{"10.0.1.77:80": syscall.EHOSTUNREACH, "10.0.3.77:80": syscall.ENETUNREACH} {
			began := time.Now()
			_, err := n.DialTimeout("tcp", address, 20*time.Second)
			var ne net.Error
			if !errors.Is(err, errno) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("%s: %v", address, err)
			}
			if took := time.Since(began); took != 20*time.Second {
				t.Errorf("%s: after %v", address, took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Second, cancel)
			if _, err := n.DialContext(ctx, "tcp", address); !errors.Is(err, context.Canceled) || errors.Is(err, errno) {
				t.Errorf("%s, cancelled: %v", address, err)
			}
		}
	})
}

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// TestLateErrorLosesNoDatagram: an error of sending that is returned long after, when there is a route, does not keep back the datagram of the
// write that returns it.
func TestLateErrorLosesNoDatagram(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		u, err := p.a.ListenPacket("udp4", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		v, err := p.b.ListenPacket("udp4", ":9")
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		to := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}
		u.WriteTo([]byte("no route"), to)
		synctest.Wait()
		p.runner.Do(func(now clock.Instant) {
			p.hosts[1].Ports()[0].Iface().AddAddr(now, netip.MustParsePrefix("192.0.2.1/24"))
			err = p.hosts[0].AddRoute(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParseAddr("10.0.0.2"), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := u.WriteTo([]byte("sent"), to); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("second write: %v", err)
		}
		v.SetDeadline(time.Now().Add(time.Minute))
		buf := make([]byte, 10)
		if n, _, err := v.ReadFrom(buf); string(buf[:n]) != "sent" {
			t.Errorf("received %q, %v", buf[:n], err)
		}
		if _, err := u.WriteTo([]byte("again"), to); err != nil {
			t.Errorf("third write: %v", err)
		}
	})
}
