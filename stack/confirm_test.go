package stack

import (
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// confirmRig is a connection from a to b, whose neighbour entries are STALE.
type confirmRig struct {
	*network
	a, b   *Host
	c, s   *TCPConn
	ia, ib *Iface
	buf    []byte
}

func newConfirmRig(t *testing.T) *confirmRig {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	x := &confirmRig{network: n, a: a, b: b, buf: make([]byte, 100)}
	x.ia, x.ib = a.Ifaces()[0], b.Ifaces()[0]
	var err error
	x.c, err = a.DialTCP(n.now, port(ipA, 0), port(ipB, 80), tcp.Config{})
	must(t, err)
	n.run(time.Second)
	if x.s = l.Accept(); x.s == nil {
		t.Fatalf("no connection: %v", x.c.State())
	}
	n.run(65 * time.Second)
	x.want(neigh.Stale)
	t.Cleanup(func() {
		n.lose = nil
		a.AbortAll(n.now)
		b.AbortAll(n.now)
		n.run(3 * time.Minute)
	})
	return x
}

// want checks the state of a's entry of b.
func (x *confirmRig) want(state neigh.State) {
	x.t.Helper()
	if e := x.ia.neigh[ipv4].Get(ipB); e == nil || e.State != state {
		x.t.Errorf("at %v: %+v, want %v", x.now, e, state)
	}
}

// exchange sends octets from one end to the other.
func (x *confirmRig) exchange(from, to *TCPConn) {
	x.t.Helper()
	if k, err := from.Write(x.now, x.buf[:10]); k != 10 || err != nil {
		x.t.Fatalf("%d octets written, %v", k, err)
	}
	x.run(time.Second)
	if k, err := to.Read(x.now, x.buf); k != 10 || err != nil {
		x.t.Fatalf("%d octets read, %v", k, err)
	}
}

// TestProgressConfirmsNeighbor: a connection that makes progress keeps its neighbour REACHABLE without any ARP request
// (RFC 4861 §7.3.1, RFC 1122 §2.3.2.1 (4)), whichever end sends.
func TestProgressConfirmsNeighbor(t *testing.T) {
	x := newConfirmRig(t)
	requests := counterOf(t, x.a, "ArpOutRequests") + counterOf(t, x.b, "ArpOutRequests")
	x.exchange(x.c, x.s)
	x.want(neigh.Reachable)
	for k := range 300 { // 10 minutes, in which DELAY never ends
		if k%2 == 0 {
			x.exchange(x.s, x.c)
		} else {
			x.exchange(x.c, x.s)
		}
		x.run(time.Second)
	}
	if n := counterOf(t, x.a, "ArpOutRequests") + counterOf(t, x.b, "ArpOutRequests"); n != requests {
		t.Errorf("%d ARP requests were sent", n-requests)
	}
}

// TestDuplicatesConfirmNothing: segments that only repeat earlier ones confirm nothing, since they show that the path to the peer
// may be broken (RFC 4861 §7.3.1).
func TestDuplicatesConfirmNothing(t *testing.T) {
	x := newConfirmRig(t)
	x.lose = func(from *Iface, f *phy.Frame) bool { // b's segments arrive, but a's frames do not
		return from == x.ia || wire.EtherType(f.Bytes()[12])<<8|wire.EtherType(f.Bytes()[13]) == wire.EtherTypeARP
	}
	x.exchange(x.s, x.c)
	x.want(neigh.Delay)
	retransmitted := x.s.Info(x.now).Retrans
	x.run(5 * time.Second)
	x.want(neigh.Probe)
	if x.s.Info(x.now).Retrans < retransmitted+2 {
		t.Errorf("%d retransmissions", x.s.Info(x.now).Retrans)
	}
	x.run(3 * time.Second)
	if e := x.ia.neigh[ipv4].Get(ipB); e != nil && e.Usable() {
		t.Errorf("after three requests: %+v", e)
	}
}

// TestProgressOfOldAddress: an ACK of data sent to the neighbour's old address confirms nothing about a new one, which may come from
// a corrupted packet. Data sent to the new address makes no difference while the ACK does not cover it.
func TestProgressOfOldAddress(t *testing.T) {
	for _, more := range []bool{false, true} {
		x := newConfirmRig(t)
		write := func() {
			if _, err := x.c.Write(x.now, x.buf[:10]); err != nil {
				t.Fatal(err)
			}
			x.pump()
		}
		write()
		x.want(neigh.Delay)
		x.ia.neigh[ipv4].Heard(x.now, ipB, macC)
		want := neigh.Stale
		if more {
			write()
			want = neigh.Delay
		}
		una := x.c.Info(x.now).SndUna
		x.run(100 * time.Millisecond) // within which b acknowledges the first ten octets
		if got := x.c.Info(x.now).SndUna.Sub(una); got != 10 {
			t.Fatalf("%d octets acknowledged", got)
		}
		x.want(want)
	}
}

// TestSYNToOldAddress: the answer to a SYN that was sent to two addresses confirms neither.
func TestSYNToOldAddress(t *testing.T) {
	x := newConfirmRig(t)
	for range 8 { // the peer's sequence numbers differ
		x.ia.neigh[ipv4].Heard(x.now, ipB, macC)
		c, err := x.a.DialTCP(x.now, port(ipA, 0), port(ipB, 80), tcp.Config{})
		must(t, err)
		x.run(500 * time.Millisecond)
		x.ia.neigh[ipv4].Heard(x.now, ipB, macB)
		x.run(time.Second) // the SYN is retransmitted
		if c.State() != tcp.Established {
			t.Fatalf("%v", c.State())
		}
		x.want(neigh.Delay)
		c.Abort(x.now)
		x.run(100 * time.Millisecond)
	}
}

// TestReceiverConfirmsNeighbor: a connection that only receives confirms its neighbour when the peer has used a window that
// was offered by an ACK to the unconfirmed neighbour.
func TestReceiverConfirmsNeighbor(t *testing.T) {
	x := newConfirmRig(t)
	data := make([]byte, 1<<20)
	x.exchange(x.s, x.c)
	x.exchange(x.s, x.c)
	x.want(neigh.Delay) // b may have sent these octets before any ACK arrived
	for sent := 0; sent < len(data); {
		k, err := x.s.Write(x.now, data[sent:])
		must(t, err)
		sent += k
		x.run(10 * time.Millisecond)
		for k := 1; k > 0; {
			if k, err = x.c.Read(x.now, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	x.want(neigh.Reachable)
}

// TestNewRouteIsNotConfirmed: progress after a change of routes does not confirm a next hop to which nothing was sent.
func TestNewRouteIsNotConfirmed(t *testing.T) {
	x := newConfirmRig(t)
	if _, err := x.c.Write(x.now, x.buf[:10]); err != nil {
		t.Fatal(err)
	}
	x.pump()
	x.want(neigh.Delay)
	if !x.c.doubtful {
		t.Fatal("the connection does not know that its neighbour is unconfirmed")
	}
	x.a.net.epoch++
	x.c.refreshRoute(x.now)
	x.run(time.Second)
	x.want(neigh.Delay)
}
