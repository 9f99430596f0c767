package stack

import (
	"cmp"
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// Snapshot is the state of a host at one instant. It consists of plain values that share no memory with the host. Each
// part is also available by a method of its own.
type Snapshot struct {
	Now       clock.Instant
	Name      string
	Ifaces    []IfaceInfo
	Neighbors []NeighborInfo
	Routes    []RouteInfo
	Sockets   []SocketInfo
	Counters  []CounterInfo
	Drops     []DropInfo
}

// Snapshot returns a snapshot of the whole host.
func (h *Host) Snapshot(now clock.Instant) *Snapshot {
	return &Snapshot{
		Now: now, Name: h.name, Ifaces: h.IfaceInfos(), Neighbors: h.NeighborInfos(now),
		Routes: h.RouteInfos(), Sockets: h.SocketInfos(now), Counters: h.CounterInfos(), Drops: h.DropInfos(),
	}
}

// IfaceInfo is one row of the interface table. Octets are counted with the link header.
type IfaceInfo struct {
	Name, Medium                  string
	State                         string // state of the interface, as Iface.State returns it
	Up                            bool
	MTU                           int
	MAC                           wire.HardwareAddr
	Addrs                         []netip.Prefix
	IPv6                          bool // true if the interface speaks IPv6
	RxPackets, RxBytes, RxDropped uint64
	TxPackets, TxBytes, TxDropped uint64
}

// IfaceInfos returns the interface table. It omits hidden interfaces.
func (h *Host) IfaceInfos() []IfaceInfo {
	var infos []IfaceInfo
	for _, i := range h.net.ifaces {
		if !i.hidden {
			infos = append(infos, i.Info())
		}
	}
	return infos
}

// Info returns the interface's row of the table.
func (i *Iface) Info() IfaceInfo {
	return IfaceInfo{
		Name: i.name, Medium: i.caps.Medium.String(), State: i.State(), Up: i.up, MTU: i.MTU(), MAC: i.mac, Addrs: i.Addrs(), IPv6: i.IPv6(),
		RxPackets: i.stats.rxPackets, RxBytes: i.stats.rxBytes, RxDropped: i.stats.rxDropped,
		TxPackets: i.stats.txPackets, TxBytes: i.stats.txBytes, TxDropped: i.stats.txDropped,
	}
}

// SocketInfo is one row of the socket table.
type SocketInfo struct {
	ID            uint64         // increases with every socket of the host, so it gives their order
	NetID         string         // tcp, udp, icmp, raw, frames
	State         string         // RFC 9293's name of the state for TCP; for UDP ESTABLISHED if connected, otherwise UNCONN; CLAIMED for a claim
	RecvQ, SendQ  int            // octets; for a listener, the number of pending connections and the backlog
	Local, Remote netip.AddrPort // the port is a raw socket's protocol, or a frame socket's EtherType
	TCP           *tcp.Info      // variables of a connection; nil for other sockets
}

// SocketInfos returns a row for every socket: listeners first, the others in the order of their creation.
func (h *Host) SocketInfos(now clock.Instant) []SocketInfo {
	var infos []SocketInfo
	for l := range h.sockets.allListeners {
		infos = append(infos, SocketInfo{
			ID: l.id, NetID: "tcp", State: tcp.Listen.String(), RecvQ: l.accept.n, SendQ: l.backlog, Local: l.local,
		})
	}
	for _, c := range h.sockets.conns {
		info := c.conn.Info(now)
		infos = append(infos, SocketInfo{
			ID: c.id, NetID: "tcp", State: info.State.String(), RecvQ: info.RecvQ, SendQ: info.SendQ,
			Local: c.local, Remote: c.remote, TCP: &info,
		})
	}
	for u := range h.sockets.allUDP {
		state := "UNCONN"
		if u.remote.IsValid() {
			state = "ESTABLISHED"
		}
		infos = append(infos, SocketInfo{
			ID: u.id, NetID: "udp", State: state, RecvQ: u.queue.charged, Local: u.local, Remote: u.remote,
		})
	}
	for _, table := range []map[uint16]*ICMPConn{h.sockets.icmpByID, h.sockets.icmpByUDP} {
		for _, c := range table {
			infos = append(infos, SocketInfo{
				ID: c.id, NetID: "icmp", RecvQ: c.queue.charged, Local: netip.AddrPortFrom(netip.Addr{}, c.ident),
			})
		}
	}
	for _, list := range h.sockets.raw {
		for c := range list.all {
			infos = append(infos, SocketInfo{
				ID: c.id, NetID: "raw", State: "UNCONN", RecvQ: c.queue.charged,
				Local: netip.AddrPortFrom(netip.Addr{}, uint16(c.proto)),
			})
		}
	}
	for _, list := range h.sockets.frames {
		for c := range list.all {
			infos = append(infos, SocketInfo{
				ID: c.id, NetID: "frames", State: "UNCONN", RecvQ: c.queue.charged,
				Local: netip.AddrPortFrom(netip.Addr{}, uint16(c.typ)),
			})
		}
	}
	for key, c := range h.sockets.claims {
		infos = append(infos, SocketInfo{
			ID: c.id, NetID: key.proto.String(), State: stateClaimed, RecvQ: c.queue.charged, Local: netip.AddrPortFrom(netip.Addr{}, key.number),
		})
	}
	slices.SortFunc(infos, func(a, b SocketInfo) int {
		if al, bl := a.listening(), b.listening(); al != bl {
			if al {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return infos
}

func (s *SocketInfo) listening() bool {
	return s.NetID == "tcp" && s.TCP == nil && s.State != stateClaimed
}
