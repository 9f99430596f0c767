package stack

import (
	"net/netip"
	"slices"
	"testing"

	"smolsh/stack/tcp"
)

// otherAddr returns a step that adds an address without connections, and removes it.
func (x *costRig) otherAddr() func() {
	other := netip.MustParsePrefix("10.0.0.77/24")
	return func() {
		must(x, x.i.AddAddr(x.now, other))
		must(x, x.i.DelAddr(x.now, other))
		x.drain()
	}
}

// TestOtherAddrRemoved: the removal of an address does nothing for the connections from other addresses, of which it would make a list.
func TestOtherAddrRemoved(t *testing.T) {
	allocs := func(conns int) float64 {
		x := newCostRig(t)
		for k := range conns {
			x.connect(k)
		}
		return testing.AllocsPerRun(20, x.otherAddr())
	}
	if none, many := allocs(0), allocs(200); many != none {
		t.Errorf("%v allocations beside 200 connections, %v without", many, none)
	}
}

// TestConnsByAddress: the connections of a local address are counted, and listed in the order of their creation, while connections begin
// and end in any order.
func TestConnsByAddress(t *testing.T) {
	x := newCostRig(t)
	locals := []netip.Addr{ipB, netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4")}
	for _, a := range locals[1:] {
		must(t, x.i.AddAddr(0, netip.PrefixFrom(a, 24)))
	}
	check := func() {
		t.Helper()
		want := map[netip.Addr][]*TCPConn{}
		for _, c := range x.h.sockets.connections() {
			want[c.local.Addr()] = append(want[c.local.Addr()], c)
		}
		if len(want) != len(x.h.sockets.connsFrom) {
			t.Fatalf("counts of %d addresses, want %d", len(x.h.sockets.connsFrom), len(want))
		}
		for a, list := range want {
			if got := x.h.sockets.connectionsFrom(a); !slices.Equal(got, list) || x.h.sockets.connsFrom[a] != len(list) {
				t.Fatalf("%v: %d connections, counted %d, want %d, or another order", a, len(got), x.h.sockets.connsFrom[a], len(list))
			}
		}
	}
	var open []*TCPConn
	for k := range 300 {
		if n := len(open); n > 0 && k%3 == 2 {
			at := k * 7 % n
			open[at].Abort(0)
			open = slices.Delete(open, at, at+1)
		} else {
			c, err := x.h.DialTCP(0, port(locals[k%len(locals)], 0), port(ipA, uint16(1+k)), tcp.Config{})
			must(t, err)
			open = append(open, c)
		}
		x.drain()
		check()
	}
	must(t, x.i.DelAddr(0, netip.PrefixFrom(locals[1], 24)))
	check()
	for _, c := range open {
		if removed := c.local.Addr() == locals[1]; removed != c.gone {
			t.Errorf("connection from %v: gone %v", c.local, c.gone)
		}
		c.Abort(0)
	}
	x.drain()
	check()
	if n := len(x.h.sockets.connsFrom); n != 0 {
		t.Errorf("%d counts are left", n)
	}
}
