package gonet_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// nameServer is a DNS server on a host.
type nameServer struct {
	t       *testing.T
	queries atomic.Int32 // over UDP
	streams atomic.Int32 // over TCP
	ids     map[uint16]bool
	ports   map[string]bool
	hold    bool // true if the server keeps its connections open
	deaf    bool // true if the server reads no question over TCP
}

// serve answers on port 53 of n, until the test ends.
func (s *nameServer) serve(n *gonet.Net) {
	s.ids, s.ports = map[uint16]bool{}, map[string]bool{}
	u, err := n.ListenPacket("udp", ":53")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { u.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			s.queries.Add(1)
			s.ports[from.String()] = true
			for _, m := range s.answer(buf[:n], false) {
				u.WriteTo(m, from)
			}
		}
	}()
	l := listen(s.t, n, "tcp", ":53")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.streams.Add(1)
			if s.deaf {
				defer c.Close()
				continue
			}
			var length [2]byte
			io.ReadFull(c, length[:])
			buf := make([]byte, binary.BigEndian.Uint16(length[:]))
			io.ReadFull(c, buf)
			for _, m := range s.answer(buf, true) {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
			}
			if !s.hold {
				c.Close()
			} else {
				defer c.Close()
			}
		}
	}()
}

func mustName(s string) dnsmessage.Name { return dnsmessage.MustNewName(s) }

// answer returns the messages that answer a query: for most names one.
func (s *nameServer) answer(query []byte, stream bool) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		s.t.Errorf("query %x: %v", query, err)
		return nil
	}
	s.ids[m.ID] = true
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	add := func(name string, body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: mustName(name), Class: dnsmessage.ClassINET, TTL: 60}, Body: body})
	}
	a := func(name string, last byte) {
		if q.Type == dnsmessage.TypeA {
			add(name, &dnsmessage.AResource{A: [4]byte{10, 0, 0, last}})
		}
	}
	pack := func() []byte {
		b, err := m.Pack()
		if err != nil {
			s.t.Error(err)
		}
		return b
	}
	switch name := strings.ToLower(q.Name.String()); name {
	case "plain.example.":
		a(name, 7)
		if q.Type == dnsmessage.TypeAAAA {
			add(name, &dnsmessage.AAAAResource{AAAA: prefix6(6).Addr().As16()})
		}
	case "alias.example.":
		add("alias.example.", &dnsmessage.CNAMEResource{CNAME: mustName("real.example.")})
		a("unrelated.example.", 66)
		a("real.example.", 8)
	case "away.example.": // as a server does that does not resolve for others
		add("away.example.", &dnsmessage.CNAMEResource{CNAME: mustName("plain.example.")})
	case "loop.example.":
		add("loop.example.", &dnsmessage.CNAMEResource{CNAME: mustName("pool.example.")})
		add("pool.example.", &dnsmessage.CNAMEResource{CNAME: mustName("loop.example.")})
	case "cut.example.":
		if !stream {
			m.Truncated = true
			break
		}
		a(name, 9)
	case "stray.example.":
		if !stream {
			m.Truncated = true
			break
		}
		m.ID++
	case "forged.example.":
		a(name, 66)
		m.ID++
		wrongID := pack()
		m.ID--
		m.Questions[0].Name = mustName("other.example.")
		wrongQuestion := pack()
		m.Questions[0].Name = q.Name
		m.Response = false
		noResponse := pack()
		m.Response, m.Answers = true, nil
		a(name, 10)
		good := pack()
		return [][]byte{wrongID, wrongQuestion, noResponse, []byte("x"), good[:13], good}
	case "malformed.example.":
		a(name, 11)
		good := pack()
		return [][]byte{good[:len(good)-1], good}
	case "broken.example.":
		m.RCode = dnsmessage.RCodeServerFailure
	case "silent.example.":
		return nil
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	return [][]byte{pack()}
}

// TestStubResolver asks a DNS server on another host: addresses of both families, aliases, answers cut to be repeated over TCP, forged
// answers, and errors.
func TestStubResolver(t *testing.T) {
	server := netip.MustParseAddrPort("10.0.0.2:53")
	bubble(t, lab.LinkConfig{Delay: 10 * time.Millisecond}, func(t *testing.T, p *pair) {
		s := &nameServer{t: t}
		s.serve(p.b)
		r, ctx := p.a.Resolver(), context.Background()
		for _, c := range []struct{ name, want string }{
			{"plain.example", "2001:db8::7 10.0.0.7"}, {"Plain.Example.", "2001:db8::7 10.0.0.7"}, {"alias.example", "10.0.0.8"}, {"away.example", "2001:db8::7 10.0.0.7"}, {"cut.example", "10.0.0.9"},
			{"forged.example", "10.0.0.10"}, {"nobody.example", "no such host notfound"}, {"loop.example", "loop.example is an alias of itself, by way of pool.example notfound"},
			{"broken.example", "server misbehaving temporary"}, {"malformed.example", "server misbehaving temporary"}, {"not a name", "no such host notfound"},
			{"b", "2001:db8::2 10.0.0.2"}, // the lab's hosts need no server
		} {
			addrs, err := r.LookupHost(ctx, c.name)
			got := strings.Join(addrs, " ")
			var dns *net.DNSError
			if errors.As(err, &dns) {
				got = dns.Err
				if dns.IsNotFound {
					got += " notfound"
				}
				if dns.IsTemporary {
					got += " temporary"
				}
			}
			if strings.ToLower(got) != c.want {
				t.Errorf("%s: %s, want %s (%v)", c.name, got, c.want, err)
			}
		}
		if n := s.streams.Load(); n != 2 {
			t.Errorf("%d questions over TCP, want 2", n)
		}
		if len(s.ids) < 10 || len(s.ports) < 10 {
			t.Errorf("%d ids and %d ports of %d questions", len(s.ids), len(s.ports), s.queries.Load())
		}
		c, err := p.a.Dial("udp", "plain.example:9")
		if err != nil || c.RemoteAddr().String() != "[2001:db8::7]:9" {
			t.Errorf("dial by name: %v, %v", c, err)
		}
		if err == nil {
			c.Close()
		}
	}, gonet.WithDNS(server))
}

// TestStubResolverTimes: the resolver asks the next server after five seconds, and its questions end with the context.
func TestStubResolverTimes(t *testing.T) {
	silent, server := netip.MustParseAddrPort("10.0.0.1:53"), netip.MustParseAddrPort("10.0.0.2:53")
	bubble(t, lab.LinkConfig{Delay: 10 * time.Millisecond}, func(t *testing.T, p *pair) {
		s := &nameServer{t: t}
		s.serve(p.b)
		hole, err := p.a.ListenPacket("udp", ":53")
		if err != nil {
			t.Fatal(err)
		}
		defer hole.Close()
		began := time.Now()
		addrs, err := p.a.Resolver().LookupNetIP(context.Background(), "ip4", "plain.example")
		if took := time.Since(began); err != nil || fmt.Sprint(addrs) != "[10.0.0.7]" || took < 5*time.Second || took > 6*time.Second {
			t.Errorf("second server: %v, %v after %v", addrs, err, took)
		}
		began = time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = p.a.DialContext(ctx, "tcp", "silent.example:80")
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || time.Since(began) > time.Second {
			t.Errorf("context: %v after %v", err, time.Since(began))
		}
		began = time.Now()
		_, err = p.a.Resolver().LookupNetIP(context.Background(), "ip4", "silent.example")
		if took := time.Since(began); err == nil || took < 20*time.Second || took > 21*time.Second {
			t.Errorf("silent servers: %v after %v", err, took)
		}
	}, gonet.WithDNS(silent, server))
}
