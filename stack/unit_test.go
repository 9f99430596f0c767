package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func TestSignal(t *testing.T) {
	var s, other Signal
	var log []string
	waiters := make([]*Waiter, 5)
	for k := range waiters {
		waiters[k] = &Waiter{Wake: func() { log = append(log, fmt.Sprint(k)) }}
		s.Wait(waiters[k])
	}
	s.Cancel(waiters[2])
	s.Cancel(waiters[2])
	other.Wait(waiters[4]) // ends the wait of s
	waiters[0].Wake = func() { log = append(log, "again"); s.Wait(waiters[0]) }
	s.Fire()
	if got := fmt.Sprint(log); got != "[again 1 3]" {
		t.Errorf("first fire woke %v", got)
	}
	log = nil
	waiters[0].Wake = func() { log = append(log, "0") }
	s.Fire()
	s.Fire()
	other.Fire()
	if got := fmt.Sprint(log); got != "[0 4]" {
		t.Errorf("later fires woke %v", got)
	}
}

func TestFifo(t *testing.T) {
	var q fifo[int]
	next, want := 0, 0
	for round := range 200 {
		for q.push(next, 5+round%20) {
			next++
		}
		for range round % 7 {
			if v, ok := q.pop(); ok {
				if v != want {
					t.Fatalf("popped %d, want %d", v, want)
				}
				want++
			}
		}
	}
	if q.n != next-want || q.n > 24 {
		t.Errorf("%d left of %d", q.n, next-want)
	}
}

func TestInitialSequenceNumbers(t *testing.T) {
	h, other := New(Config{Seed: 1}), New(Config{Seed: 2})
	local := port(ipA, 1)
	iss := func(h *Host, now clock.Instant, local, remote netip.AddrPort) wire.Seq {
		n, _ := h.starts(now, local, remote)
		return n
	}
	first := iss(h, 0, local, port(ipB, 80))
	if again := iss(h, clock.Instant(4*time.Millisecond), local, port(ipB, 80)); again.Sub(first) != 1000 {
		t.Errorf("4 ms later it is %d further, want 1000", again.Sub(first))
	}
	for _, x := range []wire.Seq{
		iss(h, 0, local, port(ipB, 81)), iss(h, 0, local, port(ipC, 80)), iss(h, 0, port(ipA, 2), port(ipB, 80)),
		iss(other, 0, local, port(ipB, 80)),
	} {
		if d := x.Sub(first); -100_000 < d && d < 100_000 {
			t.Errorf("another connection's number is only %d away", d)
		}
	}
}

func TestEphemeralPorts(t *testing.T) {
	h, _ := lone(t)
	seen := map[uint16]bool{}
	for k := range numEphemeral {
		u, err := h.BindUDP(netip.AddrPort{})
		if err != nil {
			t.Fatalf("socket %d: %v", k, err)
		}
		p := u.Local().Port()
		if p < firstEphemeral || seen[p] {
			t.Fatalf("port %d", p)
		}
		seen[p] = true
	}
	if _, err := h.BindUDP(netip.AddrPort{}); err != ErrNoPorts {
		t.Errorf("one more: %v", err)
	}
	a, _ := lone(t)
	first := map[uint16]bool{}
	for k := range 20 { // each destination has its own initial value
		c, err := a.DialTCP(0, netip.AddrPort{}, port(ipA, uint16(k+1)), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		first[c.Local().Port()/256] = true
	}
	if len(first) < 10 {
		t.Errorf("twenty destinations, ports in %d ranges only", len(first))
	}
}

func TestSocketLimit(t *testing.T) {
	h := New(Config{Limits: Limits{Sockets: 2}})
	u, _ := h.BindUDP(netip.AddrPort{})
	if _, err := h.BindICMP(0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ListenTCP(port(netip.Addr{}, 1), 0, tcp.Config{}); !errors.Is(err, ErrLimit) {
		t.Errorf("third socket: %v", err)
	}
	u.Close()
	if _, err := h.ListenTCP(port(netip.Addr{}, 1), 0, tcp.Config{}); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}

func TestVerdictWords(t *testing.T) {
	for want, v := range map[string]Verdict{
		"ESTABLISHED":                {Kind: Delivered, Proto: wire.ProtocolTCP, Port: 7, State: tcp.Established},
		"FIN-WAIT-2, keep-alive":     {Kind: Delivered, Proto: wire.ProtocolTCP, Port: 7, State: tcp.FinWait2, Probe: tcp.KeepAlive},
		"sent: window probe":         {Kind: Transmitted, Probe: tcp.WindowProbe},
		"listener :7, SYN-RECEIVED":  {Kind: Delivered, Proto: wire.ProtocolTCP, Port: 7, State: tcp.SynReceived, Listener: true},
		"udp :6969":                  {Kind: Delivered, Proto: wire.ProtocolUDP, Port: 6969},
		"icmp id 9":                  {Kind: Delivered, Proto: wire.ProtocolICMP, Port: 9},
		"arp":                        {Kind: Delivered},
		"echo reply":                 {Kind: Answered, Answer: EchoReply},
		"forwarded":                  {Kind: Forwarded},
		"dropped: fault loss":        {Kind: Dropped, Reason: drop.FaultLoss},
		"":                           {Kind: Transmitted},
		"dropped: longer than mtu":   {Kind: Dropped, Reason: drop.TooLong},
		"protocol unreachable":       {Kind: Answered, Answer: ProtocolUnreachable},
		"dropped: listen queue full": {Kind: Dropped, Reason: drop.TCPListenFull},
	} {
		if got := v.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// echo serves every connection of l from the host's own goroutine.
func echo(l *TCPListener) {
	l.OnEvent = func(clock.Instant) {
		for c := l.Accept(); c != nil; c = l.Accept() {
			buf := make([]byte, 500)
			serve := func(now clock.Instant) {
				for {
					k, err := c.Read(now, buf[:min(len(buf), c.Writable())])
					if err == io.EOF {
						c.Close(now)
					}
					if k == 0 {
						return
					}
					_, _ = c.Write(now, buf[:k])
				}
			}
			c.OnEvent = serve
		}
	}
}

func TestEchoByEvents(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 7, tcp.Config{SendBuffer: 64, RecvBuffer: 64})
		echo(l)
		c, err := a.DialTCP(n.now, netip.AddrPort{}, port(f.b, 7), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		data := octets(20_000)
		transfer(n, c, c, data, time.Hour)
		_ = c.CloseWrite(n.now)
		n.run(time.Minute)
		if c.State() != tcp.Closed || c.Err() != nil || len(b.sockets.conns) != 0 {
			t.Errorf("%v, %v; %d connections at the server", c.State(), c.Err(), len(b.sockets.conns))
		}
	})
}

func TestSmallerMTU(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		i := a.Ifaces()[0]
		caps := ethernet
		caps.MaxGSO, caps.TxChecksum = 65535, true
		i.SetCapabilities(caps)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		mtu := max(600, f.family.minMTU())
		for _, mtu := range []int{67, 1501, 0} {
			if i.SetMTU(mtu) == nil {
				t.Errorf("an MTU of %d was taken", mtu)
			}
		}
		if err := i.SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		a.Observe(func(ev *PacketEvent) {
			if ev.Dir == TX && ev.Frame.Len() > mtu+wire.EthernetLen {
				t.Errorf("a frame of %d octets", ev.Frame.Len())
			}
		})
		transfer(n, client, server, octets(100_000), time.Minute)
	})
}

func TestWaitingIsNotForgotten(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, b := f.pair(t)
		l := listen(t, b, 80, tcp.Config{})
		client, server := dial(n, a, port(f.b, 80), l)
		if _, err := client.Write(n.now, octets(10_000)); err != nil { // queued, but not sent yet
			t.Fatal(err)
		}
		cfg := client.Config()
		cfg.UserTimeout = 5 * time.Second
		_ = client.SetConfig(n.now, cfg)
		a.Ifaces()[0].SetUp(n.now, false)
		n.run(6 * time.Second)
		if client.State() != tcp.Closed || client.Err() == nil {
			t.Errorf("a ready connection on a dead interface is %v", client.State())
		}
		_ = server
	})
}

func TestLoopbackStaysInside(t *testing.T) {
	h, _ := lone(t)
	lo := netip.MustParseAddr("127.0.0.1")
	if _, err := h.DialTCP(0, port(lo, 0), port(ipA, 80), tcp.Config{}); !errors.Is(err, ErrNoRoute) {
		t.Errorf("tcp: %v", err)
	}
	u, err := h.BindUDP(port(lo, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Send(0, nil, port(ipA, 80)); !errors.Is(err, ErrNoRoute) {
		t.Errorf("udp: %v", err)
	}
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), lo, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("route: %v", err)
	}
}

// session runs a few busy seconds between two hosts and returns every octet that was sent.
func session(t *testing.T, seed uint64) []byte {
	n, a, b := pair(t)
	a.rng.Uint64()
	h := New(Config{Name: "c", Seed: seed})
	i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	n.hosts[0] = h
	n.join(i, b.Ifaces()[0])
	var all bytes.Buffer
	for _, x := range []*Host{h, b} {
		x.Observe(func(ev *PacketEvent) {
			if ev.Dir == TX {
				fmt.Fprintf(&all, "%v %s %x\n", ev.Now, ev.Host.Name(), ev.Frame.Bytes())
			}
		})
	}
	l := listen(t, b, 80, tcp.Config{})
	for range 5 {
		client, server := dial(n, h, port(ipB, 80), l)
		transfer(n, client, server, octets(5000), time.Minute)
		client.Close(n.now)
	}
	l.Close(n.now)
	n.run(5 * time.Second)
	for _, s := range b.SocketInfos(n.now) {
		fmt.Fprintln(&all, s.ID, s.NetID, s.State, s.Local, s.Remote)
		if s.TCP != nil {
			fmt.Fprintf(&all, "%+v\n", *s.TCP)
		}
	}
	return all.Bytes()
}

func TestSameSeedSameOctets(t *testing.T) {
	if !bytes.Equal(session(t, 9), session(t, 9)) {
		t.Error("two runs of one seed differ")
	}
	if bytes.Equal(session(t, 9), session(t, 10)) {
		t.Error("two seeds give the same")
	}
}

func TestSnapshot(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, _ := dial(n, a, port(ipB, 80), l)
	_, _ = b.BindUDP(port(ipB, 53))
	_, _ = b.DialUDP(netip.AddrPort{}, port(ipA, 9))
	_, _ = b.BindICMP(3)
	_, _ = b.ListenTCP(port(ipB, 22), 5, tcp.Config{})
	_, _ = client.Write(n.now, []byte("abc"))
	n.run(time.Second)
	s := b.Snapshot(n.now)
	var got []string
	for _, x := range s.Sockets {
		got = append(got, fmt.Sprintf("%s %s %d %d %d", x.NetID, x.State, x.RecvQ, x.SendQ, x.Local.Port()))
	}
	want := []string{"tcp LISTEN 0 128 80", "tcp LISTEN 0 5 22", "tcp ESTABLISHED 3 0 80", "udp UNCONN 0 0 53",
		fmt.Sprintf("udp ESTABLISHED 0 0 %d", s.Sockets[4].Local.Port()), "icmp  0 0 3"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sockets %q\nwant    %q", got, want)
	}
	if s.Sockets[2].TCP == nil || s.Sockets[2].TCP.BytesReceived != 3 || s.Sockets[2].Remote != client.Local() {
		t.Errorf("connection %+v", s.Sockets[2])
	}
	if len(s.Ifaces) != 1 || s.Ifaces[0].MTU != 1500 || s.Ifaces[0].Medium != "ethernet" || s.Ifaces[0].RxPackets == 0 || !s.Ifaces[0].Up {
		t.Errorf("interfaces %+v", s.Ifaces)
	}
	if len(s.Neighbors) != 1 || s.Neighbors[0].Addr != ipA || len(s.Routes) != 1 || len(s.Counters) != int(mib.NumCounters) || s.Name != "b" {
		t.Errorf("%+v", s)
	}
	for _, c := range s.Counters {
		if c.Name == "" {
			t.Error("a counter has no name")
		}
	}
}
