package lab

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// scene is two hosts, 10.0.0.1 and 10.0.0.2, on one link in a virtual lab.
type scene struct {
	testing.TB
	w    *World
	l    *Lab
	r    Runner
	a, b *Host
	k    *Link
}

func newScene(t testing.TB, seed uint64, cfg LinkConfig) *scene {
	t.Helper()
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, seed), NewVirtual(s.w)
	s.a, s.b = addHost(t, s.l, "a", "10.0.0.1/24"), addHost(t, s.l, "b", "10.0.0.2/24")
	k, err := s.l.Link(s.a, s.b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.k = k
	return s
}

func addHost(t testing.TB, l *Lab, name string, addrs ...string) *Host {
	t.Helper()
	cfg := HostConfig{Name: name}
	for _, a := range addrs {
		cfg.Addrs = append(cfg.Addrs, netip.MustParsePrefix(a))
	}
	h, err := l.AddHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (s *scene) bindUDP(h *Host, port uint16) *stack.UDPConn {
	s.Helper()
	u, err := h.BindUDP(netip.AddrPortFrom(netip.Addr{}, port))
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// sendUDP sends a datagram from the application, as a script would.
func (s *scene) sendUDP(u *stack.UDPConn, data, to string) {
	s.Helper()
	s.r.Do(func(now clock.Instant) {
		if err := u.Send(now, []byte(data), netip.MustParseAddrPort(to)); err != nil {
			s.Errorf("send to %s: %v", to, err)
		}
	})
}

// recvUDP returns the pending datagram, "" if there is none.
func recvUDP(u *stack.UDPConn) string {
	var p [2048]byte
	n, _, err := u.Recv(p[:])
	if err != nil {
		return err.Error()
	}
	if n < 0 {
		return ""
	}
	return string(p[:n])
}

// await runs the world until u has received a datagram, and returns it with the instant.
func (s *scene) await(u *stack.UDPConn) (string, clock.Instant) {
	s.Helper()
	for {
		if got := recvUDP(u); got != "" {
			return got, s.w.Now()
		}
		if !s.r.Idle(nil) {
			s.Fatalf("nothing left to happen at %v", s.w.Now())
		}
	}
}

// runFor runs the world for d.
func (s *scene) runFor(d time.Duration) { s.w.Advance(s.w.Now().Add(d)) }

func (s *scene) check() {
	s.Helper()
	if err := s.l.Conservation(); err != nil {
		s.Error(err)
	}
}

// stream is one TCP connection over which one host sends n octets to the other.
type stream struct {
	from, to *stack.TCPConn
	listener *stack.TCPListener
	data     []byte
	sent     int
	got      []byte
	closed   bool // true if the sender has shut down its side
	ended    bool // true if the receiver has read the end of the stream
}

func (s *scene) newStream(from, to *Host, addr string, n int) *stream {
	s.Helper()
	return s.newStreamWith(tcp.Config{}, from, to, addr, n)
}

func (s *scene) newStreamWith(cfg tcp.Config, from, to *Host, addr string, n int) *stream {
	s.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	st := &stream{data: make([]byte, n)}
	for i := range st.data {
		st.data[i] = byte(rng.Uint32())
	}
	at := netip.MustParseAddrPort(addr)
	var err error
	s.r.Do(func(now clock.Instant) {
		if st.listener, err = to.ListenTCP(netip.AddrPortFrom(netip.Addr{}, at.Port()), 4, cfg); err == nil {
			st.from, err = from.DialTCP(now, netip.AddrPort{}, at, cfg)
		}
	})
	if err != nil {
		s.Fatal(err)
	}
	return st
}

// turn runs both applications once.
func (st *stream) turn(t testing.TB, now clock.Instant) {
	t.Helper()
	if st.to == nil {
		if st.to = st.listener.Accept(); st.to == nil {
			return
		}
	}
	for st.sent < len(st.data) {
		n, err := st.from.Write(now, st.data[st.sent:])
		if err != nil {
			t.Fatalf("write after %d octets: %v", st.sent, err)
		}
		if n == 0 {
			break
		}
		st.sent += n
	}
	if st.sent == len(st.data) && !st.closed {
		st.closed = true
		st.from.CloseWrite(now)
	}
	var p [4096]byte
	for !st.ended {
		n, err := st.to.Read(now, p[:])
		st.got = append(st.got, p[:n]...)
		if errors.Is(err, io.EOF) {
			st.ended = true
			st.to.Close(now)
			break
		}
		if err != nil {
			t.Fatalf("read after %d octets: %v", len(st.got), err)
		}
		if n == 0 {
			break
		}
	}
}

// finish runs the world until the stream has ended.
func (s *scene) finish(st *stream) {
	s.Helper()
	for !st.ended {
		if !s.r.Idle(nil) {
			s.Fatalf("nothing left to happen at %v after %d of %d octets", s.w.Now(), len(st.got), len(st.data))
		}
		if s.w.Now() > at(4*time.Hour) {
			s.Fatalf("%d of %d octets after four hours", len(st.got), len(st.data))
		}
		s.r.Do(func(now clock.Instant) { st.turn(s, now) })
	}
}
