package stack

import (
	"errors"
	"net/netip"
	"testing"
	"time"

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
	got, want := limitInfo(t, h, name), LimitInfo{Name: name, Used: used, Limit: most, Refused: refused}
	if got.Peer = (netip.Addr{}); got != want {
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

// TestLimitEdges: the host accepts sockets, connections and groups up to the limit and not beyond. It accepts one more
// after one is closed or the limit is raised.
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
	if second.State() != tcp.SynSent || b.stats.drops[drop.TCPListenFull].rx == 0 {
		t.Errorf("the second connection is %v, %d SYNs dropped", second.State(), b.stats.drops[drop.TCPListenFull].rx)
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
	if err := g.Join(n.now, netip.MustParseAddr("239.1.2.3"), nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, g.Join(n.now, netip.MustParseAddr("239.1.2.4"), nil), "groups", 1)
	wantLimit(t, b, "groups", 1, 1, 1)
}

// TestLimitQueues: full queues drop, and count, the excess.
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
