package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// tcpAttacks is the last part of the list of attacks: those on TCP.
var tcpAttacks = []attack{
	{
		name: "SYN flood", what: "SYNs to an open port from random addresses", frames: 20_000,
		why:   "1024 half-open connections are stored; the other SYNs are answered by SYN cookies, which need no storage (RFC 4987 §3.6)",
		frame: func(s *siege, k int) *phy.Frame { return s.syn(s.somewhere(), 80) },
		want:  map[string]int{"listener :80, SYN-RECEIVED": 1024, "syn cookie": 18_976},
		count: map[string]uint64{"TcpExtSyncookiesSent": 18_976}, within: sizes{conns: 1024, half: 1024, sockets: 1024, timers: 1024, replies: 256},
	},
	{
		name: "SYN flood from nobody", what: "SYNs to an open port from unused addresses of our link", frames: 20_000,
		why: "for answers, at most 128 neighbours are being resolved at a time; a connection whose SYN-ACK cannot be sent is aborted at once",
		frame: func(s *siege, k int) *phy.Frame {
			return fromC(tcpPacket(port(station(k), 5), port(ipB, 80), wire.TCP{Seq: 1, Flags: wire.SYN, Window: 1000}, nil))
		},
		want:   map[string]int{"listener :80, SYN-RECEIVED": 20_000},
		count:  map[string]uint64{"TcpAttemptFails": 19_872},
		within: sizes{conns: 256, half: 256, sockets: 256, timers: 256, neighbors: 256, asked: 256, waiting: 256},
	},
	{
		name: "Connections that nobody accepts", what: "SYNs to a port whose backlog is full", frames: 5000,
		why:     "dropped: the peer retransmits the SYN (RFC 9293 §3.9.1.1)",
		prepare: fillBacklog,
		frame:   func(s *siege, k int) *phy.Frame { return s.syn(s.somewhere(), 88) },
		want:    map[string]int{"dropped: listen queue full": 5000}, count: map[string]uint64{"TcpExtListenDrops": 5000, "TcpExtListenOverflows": 5000},
	},
	{
		name: "Port scan", what: "segments with every combination of eight flags to an open and to a closed port", frames: 2 * 256 * 5,
		why:     "answered as RFC 9293 §3.10.7 requires, so that a scanner can tell open ports from closed ones",
		prepare: knowC,
		frame: func(s *siege, k int) *phy.Frame {
			to := port(ipB, uint16(80+k/256%2))
			return fromC(tcpPacket(port(ipC, uint16(2000+k)), to, wire.TCP{Seq: 7, Ack: 9, Flags: wire.Flags(k), Window: 1000}, nil))
		},
		want: map[string]int{
			"rst": 960, "dropped: no socket": 1280, "listener :80, SYN-RECEIVED": 80, "dropped: bad flags": 80, "dropped: tcp bad state": 160,
		},
		count: map[string]uint64{"TcpOutRsts": 960}, within: sizes{conns: 160, half: 160, sockets: 160, timers: 160, replies: 256},
	},
	{
		name: "Blind resets", what: "RSTs to our connection with the right addresses and ports, and guessed sequence numbers", frames: 20_000,
		why: "dropped: only a RST with the next expected sequence number resets the connection (RFC 5961 §3)",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind(wire.TCP{Seq: s.beyond(), Flags: wire.RST}, 0)
		},
		want: map[string]int{"dropped: tcp out of window": 20_000}, count: map[string]uint64{"TcpEstabResets": 0},
	},
	{
		name: "Resets into the window", what: "RSTs to our connection within the window", frames: 5000,
		why: "answered by challenge ACKs, a bounded number per second (RFC 5961 §3, §7)",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind(wire.TCP{Seq: s.server.Info(s.n.now).RcvNxt.Add(1 + k), Flags: wire.RST}, 0)
		},
		want: map[string]int{"dropped: tcp bad reset": 5000}, count: map[string]uint64{"TcpEstabResets": 0},
	},
	{
		name: "Blind SYNs", what: "SYNs with a timestamp to our connection", frames: 5000,
		why: "answered by challenge ACKs, a bounded number per second (RFC 5961 §4); their timestamps are not stored",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind(wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Flags: wire.SYN, Window: 1000,
				Options: wire.TCPOptions{HasTimestamps: true, TSVal: s.rng.Uint32()}}, 0)
		},
		want: map[string]int{"dropped: tcp old timestamp": 2505, "dropped: tcp duplicate": 1250, "dropped: tcp out of window": 1245}, count: map[string]uint64{"TcpEstabResets": 0},
	},
	{
		name: "Blind data", what: "data with a timestamp for our connection, with all numbers guessed", frames: 20_000,
		why: "dropped: the segments lie outside the window, acknowledge data that was never sent (RFC 5961 §5), or have an old timestamp (RFC 7323 §5)",
		frame: func(s *siege, k int) *phy.Frame {
			return s.blind(wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Ack: wire.Seq(s.rng.Uint32()), Flags: wire.ACK | wire.PSH, Window: 1000,
				Options: wire.TCPOptions{HasTimestamps: true, TSVal: s.rng.Uint32()}}, 100)
		},
		want: map[string]int{
			"dropped: tcp old timestamp": 10_027, "dropped: tcp out of window": 5045, "dropped: tcp duplicate": 4927, "dropped: tcp bad ack": 1,
		},
	},
	{
		name: "Guessed cookies", what: "ACKs to an open port with random numbers while cookies are being sent", frames: 20_000,
		why:     "one in 2^28 would be accepted; the others are answered by RST",
		prepare: func(s *siege) { knowC(s); s.cookieTime() },
		frame: func(s *siege, k int) *phy.Frame {
			h := wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Ack: wire.Seq(s.rng.Uint32()), Flags: wire.ACK, Window: 1000}
			return fromC(tcpPacket(port(ipC, uint16(s.rng.Uint32())), port(ipB, 80), h, nil))
		},
		want: map[string]int{"rst": 20_000}, count: map[string]uint64{"TcpExtSyncookiesFailed": 20_000, "TcpExtSyncookiesRecv": 0},
		within: sizes{replies: 256},
	},
	{
		name: "Interface down and up", what: "datagrams while the interface is down", frames: 5000,
		why: "dropped; the connection retransmits the lost data when the interface is up again",
		frame: func(s *siege, k int) *phy.Frame {
			if k == 0 || k == 4999 {
				s.i.SetUp(s.n.now, k > 0)
			}
			return fromC(udpPacket(port(ipC, 5), port(ipB, 6969), nil))
		},
		want: map[string]int{"dropped: interface down": 4999, "udp :6969": 1}, harms: true, within: sizes{octets: 64},
	},
}

// beyond returns a sequence number outside the connection's receive window.
func (s *siege) beyond() wire.Seq {
	info := s.server.Info(s.n.now)
	return info.RcvNxt.Add(info.RcvWnd + 1_000_000 + s.rng.IntN(1<<31-1<<24))
}

// blind returns a segment that an attacker forges for B's end of the connection.
func (s *siege) blind(h wire.TCP, n int) *phy.Frame {
	return fromC(tcpPacket(s.client.Local(), s.server.Local(), h, make([]byte, n)))
}

// fillBacklog has A open connections to port 88 until its SYN queue is full.
func fillBacklog(s *siege) {
	l, err := s.b.ListenTCP(port(netip.Addr{}, 88), 3, tcp.Config{})
	s.must(err)
	for range 3 {
		_, err := s.a.DialTCP(s.n.now, netip.AddrPort{}, port(ipB, 88), tcp.Config{})
		s.must(err)
	}
	s.n.run(1e8)
	if l.Pending() != 3 {
		s.t.Fatalf("%d connections wait", l.Pending())
	}
}

// cookieTime makes the listener accept cookies, as if it had just sent one.
func (s *siege) cookieTime() {
	s.b.tcp.cookies.Sent(s.n.now)
}
