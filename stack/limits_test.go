package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func limitInfo(t testing.TB, h *Host, name string) LimitInfo {
	t.Helper()
	for _, l := range h.LimitInfos() {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no limit %s", name)
	return LimitInfo{}
}

func wantLimit(t testing.TB, h *Host, name string, used, most int, refused uint64) {
	t.Helper()
	if got, want := limitInfo(t, h, name), (LimitInfo{name, used, most, refused}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func setLimit(t testing.TB, h *Host, name string, most int) {
	t.Helper()
	if err := h.SetLimit(name, most); err != nil {
		t.Fatal(err)
	}
}

func wantRefusal(t testing.TB, err error, name string, most int) {
	t.Helper()
	if full := new(LimitError); !errors.As(err, &full) || full.Name != name || full.Most != most || !errors.Is(err, ErrLimit) {
		t.Errorf("error %v, want one of limit %s", err, name)
	}
}

func TestLimitNames(t *testing.T) {
	h := New(Config{})
	for _, l := range h.LimitInfos() {
		if l.Limit < 1 || l.Used != 0 || l.Refused != 0 {
			t.Errorf("%+v", l)
		}
		if err := h.SetLimit(l.Name, 0); err != ErrInvalid {
			t.Errorf("%s = 0: %v", l.Name, err)
		}
		setLimit(t, h, l.Name, 7)
		wantLimit(t, h, l.Name, 0, 7, 0)
	}
	if err := h.SetLimit("sock", 7); err != ErrNotFound {
		t.Errorf("a name that is none: %v", err)
	}
}

// At the edge: as many sockets, connections and groups as the limit says, not one more, and one more again when
// one has gone or the limit is raised.
func TestLimitEdges(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	setLimit(t, b, "sockets", 2)
	u, err := b.BindUDP(port(netip.Addr{}, 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.BindUDP(port(netip.Addr{}, 2))
	wantRefusal(t, err, "sockets", 2)
	if want := "too many: the limit sockets is 2"; err.Error() != want {
		t.Errorf("%q", err)
	}
	wantLimit(t, b, "sockets", 2, 2, 1)
	u.Close()
	if _, err = b.BindUDP(port(netip.Addr{}, 2)); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	setLimit(t, b, "sockets", 100)

	setLimit(t, b, "connections", 1)
	client, server := dial(n, a, port(ipB, 80), l)
	second, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 80), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	transfer(n, client, server, octets(50_000), time.Minute)
	if second.State() != tcp.SynSent || b.drops[drop.TCPListenFull].rx == 0 {
		t.Errorf("the second connection is %v, %d SYNs dropped", second.State(), b.drops[drop.TCPListenFull].rx)
	}
	_, err = b.DialTCP(n.now, netip.AddrPort{}, port(ipA, 80), tcp.Config{})
	wantRefusal(t, err, "connections", 1)
	setLimit(t, b, "connections", 2)
	n.runUntil("the SYN again", time.Minute, func() bool { return second.State() == tcp.Established })
	wantLimit(t, b, "connections", 2, 2, counterOf(t, b, "TcpExtListenDrops")+1)

	g, err := b.BindUDP(port(netip.Addr{}, 5))
	if err != nil {
		t.Fatal(err)
	}
	setLimit(t, b, "groups", 1)
	if err := g.Join(n.now, netip.MustParseAddr("239.1.2.3")); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, g.Join(n.now, netip.MustParseAddr("239.1.2.4")), "groups", 1)
	wantLimit(t, b, "groups", 1, 1, 1)
}

// Queues at the edge, each with its count.
func TestLimitQueues(t *testing.T) {
	h, i := lone(t)
	setLimit(t, h, "neighbors", 2) // A is one of them
	if err := i.AddNeighbor(0, ipC, macC); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, i.AddNeighbor(0, netip.MustParseAddr("10.0.0.4"), macC), "neighbors", 2)
	wantLimit(t, h, "neighbors", 2, 2, 1)
	u, err := h.BindUDP(port(netip.Addr{}, 7))
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, u.Send(0, nil, port(netip.MustParseAddr("10.0.0.4"), 7)), "neighbors", 2)
	c, err := h.DialTCP(0, netip.AddrPort{}, port(netip.MustParseAddr("10.0.0.5"), 7), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	drain(h, 0, i)
	wantRefusal(t, c.Err(), "neighbors", 2)
	setLimit(t, h, "neighbors", 100)
	setLimit(t, h, "unresolved", 1)
	setLimit(t, h, "neighbor_queue", 2)
	for range 3 {
		if err := u.Send(0, nil, port(netip.MustParseAddr("10.0.0.6"), 7)); err != nil {
			t.Fatal(err)
		}
	}
	wantLimit(t, h, "neighbor_queue", 2, 2, 1)
	wantRefusal(t, u.Send(0, nil, port(netip.MustParseAddr("10.0.0.7"), 7)), "unresolved", 1)
	wantLimit(t, h, "unresolved", 1, 1, 1)

	setLimit(t, h, "recv_queue", 2*(100+datagramOverhead))
	for range 3 {
		h.Receive(0, i, toB(udpPacket(port(ipA, 5), port(ipB, 7), make([]byte, 100))))
	}
	wantLimit(t, h, "recv_queue", 2*(100+datagramOverhead), 2*(100+datagramOverhead), 1)

	drain(h, 0, i)
	setLimit(t, h, "send_queue", 2)
	for k := range 3 {
		if err := u.Send(0, nil, port(ipA, 7)); (err == nil) != (k < 2) {
			t.Errorf("datagram %d: %v", k, err)
		}
	}
	wantLimit(t, h, "send_queue", 2, 2, 1)
	setLimit(t, h, "reply_queue", 2)
	for k := range 3 {
		v := h.Receive(0, i, toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest}, nil)))
		if (v.Kind == Answered) != (k < 2) {
			t.Errorf("echo request %d: %v", k, v)
		}
	}
	wantLimit(t, h, "reply_queue", 2, 2, 1)
	listen(t, h, 80, tcp.Config{})
	setLimit(t, h, "syn_queue", 2)
	drain(h, 0, i)
	for k := range 3 {
		v := h.Receive(0, i, toB(tcpPacket(port(ipA, uint16(50+k)), port(ipB, 80), wire.TCP{Flags: wire.SYN, Window: 9}, nil)))
		if (v.Answer == SYNCookie) != (k == 2) {
			t.Errorf("SYN %d: %v", k, v)
		}
	}
	wantLimit(t, h, "syn_queue", 2, 2, 1)
}

// With the buffers full no connection is opened, those that exist go on in the storage they have, and their
// octets arrive; nothing grows. When somebody reads there is room again.
func TestLimitBuffers(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	other, another := dial(n, a, port(ipB, 80), l)
	const most = 100_000
	setLimit(t, b, "buffers", most)
	if _, err := client.Write(n.now, octets(1<<20)); err != nil { // nobody reads
		t.Fatal(err)
	}
	n.run(5 * time.Second)
	held := limitInfo(t, b, "buffers").Used
	if held < most || held > 2*most || b.drops[drop.BuffersFull].rx == 0 {
		t.Fatalf("%d octets of storage, %d segments refused", held, b.drops[drop.BuffersFull].rx)
	}
	_, err := b.DialTCP(n.now, netip.AddrPort{}, port(ipA, 80), tcp.Config{})
	wantRefusal(t, err, "buffers", most)
	listening := b.drops[drop.TCPListenFull].rx
	third, _ := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 80), tcp.Config{})
	n.run(100 * time.Millisecond)
	if third.State() != tcp.SynSent || b.drops[drop.TCPListenFull].rx == listening {
		t.Errorf("a newcomer is %v", third.State())
	}
	// Two that were there before, one with nothing yet, each way.
	transfer(n, other, another, octets(500_000), time.Minute)
	transfer(n, another, other, octets(500_000), time.Minute)
	if got := limitInfo(t, b, "buffers").Used; got > held+2*leastStorage {
		t.Errorf("storage grew from %d to %d octets", held, got)
	}
	if another.Writable() > leastStorage {
		t.Errorf("%d octets writable", another.Writable())
	}
	var got []byte
	buf := make([]byte, 10_000)
	n.runUntil("the reader", 5*time.Minute, func() bool {
		k, _ := server.Read(n.now, buf)
		got = append(got, buf[:k]...)
		return len(got) >= client.Info(n.now).RecvQ+1 && client.Info(n.now).SendQ == 0 && k == 0
	})
	if !bytes.Equal(got, octets(1 << 20)[:len(got)]) || len(got) < most/2 {
		t.Errorf("%d octets read, not as sent", len(got))
	}
	n.runUntil("the newcomer", time.Minute, func() bool { return third.State() == tcp.Established })
	n.run(time.Minute)
	if got := limitInfo(t, b, "buffers").Used; got != 0 {
		t.Errorf("%d octets of storage for nothing", got)
	}
}

// Octets beyond a gap are kept up to the limit, of all connections together; the stream arrives nevertheless.
func TestLimitReassembly(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	setLimit(t, b, "reassembly", 5_000)
	lost := 0
	n.lose = func(_ *Iface, f *phy.Frame) bool { // every twentieth long one
		if f.Len() > 1000 {
			lost++
		}
		return f.Len() > 1000 && lost%20 == 0
	}
	var most int
	b.Observe(func(*PacketEvent) { most = max(most, b.early) })
	transfer(n, client, server, octets(2<<20), 10*time.Minute)
	if most < 5_000 || most > 5_000+1500 {
		t.Errorf("%d octets waited", most)
	}
	if b.drops[drop.ReassemblyFull].rx == 0 || limitInfo(t, b, "reassembly").Refused != b.drops[drop.ReassemblyFull].rx || b.early != 0 {
		t.Errorf("%d refused, %+v", b.drops[drop.ReassemblyFull].rx, limitInfo(t, b, "reassembly"))
	}
}
