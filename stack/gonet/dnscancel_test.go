package gonet_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// TestLookupEndsWithItsContext: a context that ends while a server is asked ends the lookup at that instant, in the first ask and in the
// last, over UDP and over TCP, and is the error's cause.
func TestLookupEndsWithItsContext(t *testing.T) {
	for _, c := range []struct {
		name, host string
		after      time.Duration
		deadline   bool
	}{
		{"first ask, cancelled", "silent.example", 2 * time.Second, false}, {"first ask, deadline", "silent.example", 2 * time.Second, true},
		{"last ask, cancelled", "silent.example", 7 * time.Second, false}, {"last ask, deadline", "silent.example", 7 * time.Second, true},
		{"over TCP, cancelled", "cut.example", 2 * time.Second, false}, {"over TCP, deadline", "cut.example", 2 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
				s := &nameServer{t: t, deaf: true}
				s.serve(p.b)
				ctx, cancel := context.WithCancel(t.Context())
				want := context.Canceled
				if c.deadline {
					ctx, cancel = context.WithTimeout(t.Context(), c.after)
					want = context.DeadlineExceeded
				} else {
					time.AfterFunc(c.after, cancel)
				}
				defer cancel()
				began := time.Now()
				_, err := p.a.Resolver().LookupNetIP(ctx, "ip4", c.host)
				var dns *net.DNSError
				if !errors.Is(err, want) || !errors.As(err, &dns) || dns.IsTimeout != c.deadline {
					t.Errorf("error %v", err)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("the lookup took %v", took)
				}
			}, gonet.WithDNS(netip.MustParseAddrPort("10.0.0.2:53")))
		})
	}
}

// TestStrayAnswerOverTCP: a server that answers another question over TCP is asked again at once, without a wait for more of the stream.
func TestStrayAnswerOverTCP(t *testing.T) {
	bubble(t, lab.LinkConfig{Delay: time.Millisecond}, func(t *testing.T, p *pair) {
		s := &nameServer{t: t, hold: true}
		s.serve(p.b)
		began := time.Now()
		_, err := p.a.Resolver().LookupNetIP(t.Context(), "ip4", "stray.example")
		if took := time.Since(began); err == nil || took > time.Second {
			t.Errorf("%v after %v", err, took)
		}
	}, gonet.WithDNS(netip.MustParseAddrPort("10.0.0.2:53")))
}

// TestLocalhostIsNotAsked: names below localhost are the host itself, and no server is asked for them (RFC 6761 §6.3).
func TestLocalhostIsNotAsked(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		s := &nameServer{t: t}
		s.serve(p.b)
		for _, name := range []string{"localhost", "foo.localhost", "A.b.LocalHost."} {
			addrs, err := p.a.Resolver().LookupNetIP(t.Context(), "ip4", name)
			if err != nil || len(addrs) != 1 || !addrs[0].IsLoopback() {
				t.Errorf("%s: %v, %v", name, addrs, err)
			}
		}
		synctest.Wait()
		if n := s.queries.Load(); n != 0 {
			t.Errorf("%d questions", n)
		}
		if _, err := p.a.Resolver().LookupNetIP(t.Context(), "ip4", "notlocalhost"); err == nil || s.queries.Load() == 0 {
			t.Errorf("notlocalhost: %v", err)
		}
	}, gonet.WithDNS(netip.MustParseAddrPort("10.0.0.2:53")))
}

// TestLinkLocalIsNoName: a host's link-local address, which needs a zone, is not among those of its name.
func TestLinkLocalIsNoName(t *testing.T) {
	bubble(t, lab.LinkConfig{}, func(t *testing.T, p *pair) {
		var err error
		p.runner.Do(func(clock.Instant) {
			_, err = p.hosts[0].Lab().AddHost(lab.HostConfig{Name: "c", Addrs: []netip.Prefix{netip.MustParsePrefix("fe80::1/64"), prefix4(2)}})
		})
		if err != nil {
			t.Fatal(err)
		}
		addrs, err := p.a.Resolver().LookupNetIP(t.Context(), "ip", "c")
		if err != nil || len(addrs) != 1 || addrs[0] != prefix4(2).Addr() {
			t.Errorf("%v, %v", addrs, err)
		}
	})
}
