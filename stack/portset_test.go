package stack

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"smolsh/stack/tcp"
)

// TestPortSetAgainstSearch: a set of ports finds the port that a linear search finds.
func TestPortSetAgainstSearch(t *testing.T) {
	const size = 256
	rng := rand.New(rand.NewPCG(3, 4))
	var s, other portSet
	in, also := map[int]bool{}, map[int]bool{}
	for step := range 20_000 {
		k := rng.IntN(size)
		set, m := &s, in
		if rng.IntN(4) == 0 {
			set, m = &other, also
		}
		if fill := step/2000%2 == 0; fill == (rng.IntN(8) > 0) {
			set.add(k, size)
			m[k] = true
		} else {
			set.remove(k)
			delete(m, k)
		}
		if s.n != len(in) || s.has(k) != in[k] {
			t.Fatalf("%d in the set, want %d", s.n, len(in))
		}
		start, want := rng.IntN(size), -1
		for d := range size {
			if c := (start + d) % size; !in[c] && !also[c] {
				want = c
				break
			}
		}
		if got, ok := s.free(start, size, &other); ok != (want >= 0) || ok && got != want {
			t.Fatalf("from %d on %d is free (%v), want %d", start, got, ok, want)
		}
	}
	for k := range size {
		s.remove(k)
	}
	if s.words != nil {
		t.Error("an empty set keeps its storage")
	}
}

// TestPortsToOneDestination: all ports to one destination can be allocated, and no more; a released port is the next. Another
// destination has its own ports.
func TestPortsToOneDestination(t *testing.T) {
	h, _ := lone(t)
	l, err := h.ListenTCP(port(netip.Addr{}, firstEphemeral+5), 1, tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dial := func(to uint16) (*TCPConn, error) { return h.DialTCP(0, netip.AddrPort{}, port(ipA, to), tcp.Config{}) }
	seen := map[uint16]*TCPConn{}
	for k := range numEphemeral - 1 {
		c, err := dial(80)
		if err != nil {
			t.Fatalf("connection %d: %v", k, err)
		}
		if p := c.Local().Port(); p < firstEphemeral || seen[p] != nil || p == l.local.Port() {
			t.Fatalf("port %d", p)
		}
		seen[c.Local().Port()] = c
	}
	for range 3 {
		if _, err := dial(80); err != ErrNoPorts {
			t.Fatalf("one more: %v", err)
		}
	}
	for _, p := range []uint16{50_000, 65_535, firstEphemeral} {
		seen[p].Abort(0)
		c, err := dial(80)
		if err != nil || c.Local().Port() != p {
			t.Fatalf("after port %d was given back: %v, %v", p, c, err)
		}
		seen[p] = c
	}
	if _, err := dial(81); err != nil {
		t.Errorf("another destination: %v", err)
	}
	l.Close(0)
	if c, err := dial(80); err != nil || c.Local().Port() != firstEphemeral+5 {
		t.Errorf("after the listener was closed: %v", err)
	}
	for _, c := range h.sockets.connections() {
		c.Abort(0)
	}
	if len(h.ports.byDest) != 0 || h.ports.ephemeral[portsTCP].n != 0 {
		t.Errorf("%d destinations and %d ports are left over", len(h.ports.byDest), h.ports.ephemeral[portsTCP].n)
	}
}

// TestICMPIdentifiers: all ICMP identifiers can be allocated, and no more; a released one is the next.
func TestICMPIdentifiers(t *testing.T) {
	h, _ := lone(t)
	var socks []*ICMPConn
	for k := range numIDs - 1 {
		c, err := h.BindICMP(0)
		if err != nil || c.ID() == 0 {
			t.Fatalf("socket %d: identifier %d, %v", k, c.ID(), err)
		}
		socks = append(socks, c)
	}
	if _, err := h.BindICMP(0); err != ErrNoPorts {
		t.Errorf("one more: %v", err)
	}
	id := socks[1000].ID()
	socks[1000].Close()
	if c, err := h.BindICMP(0); err != nil || c.ID() != id {
		t.Errorf("identifier %d, %v, want %d", c.ID(), err, id)
	}
}
