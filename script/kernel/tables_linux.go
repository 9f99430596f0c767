//go:build !portable

package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// families are the families of IP whose state the tables list.
var families = []int{unix.AF_INET, unix.AF_INET6}

const (
	diagRequestLen = 56 // octets of struct inet_diag_req_v2 (include/uapi/linux/inet_diag.h)
	diagMessageLen = 72 // octets of struct inet_diag_msg
	diagV6Only     = 11 // attribute INET_DIAG_SKV6ONLY
)

// complete returns the error of a dump. A dump during which the kernel's table has changed is used as it is.
func complete(err error) error {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

// listSockets asks the kernel for its sockets of TCP and UDP (sock_diag(7)).
func listSockets() (rows []socketRow, err error) {
	names := interfaceNames()
	for _, proto := range []struct {
		netid  string
		number uint8
	}{{"tcp", unix.IPPROTO_TCP}, {"udp", unix.IPPROTO_UDP}} {
		for _, family := range families {
			req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
			body := make([]byte, diagRequestLen)
			body[0], body[1] = uint8(family), proto.number
			binary.NativeEndian.PutUint32(body[4:], ^uint32(0)) // every state
			req.AddRawData(body)
			list, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
			if complete(err) != nil {
				return nil, err
			}
			for _, m := range list {
				if row, ok := parseSocket(m, proto.netid, names); ok {
					rows = append(rows, row)
				}
			}
		}
	}
	return rows, nil
}

// parseSocket reads a struct inet_diag_msg and its attributes.
func parseSocket(m []byte, netid string, names map[int]string) (r socketRow, ok bool) {
	if len(m) < diagMessageLen {
		return r, false
	}
	dev := names[int(binary.NativeEndian.Uint32(m[40:]))]
	v6only := false
	if attrs, err := nl.ParseRouteAttr(m[diagMessageLen:]); err == nil {
		for _, a := range attrs {
			v6only = v6only || a.Attr.Type == diagV6Only && len(a.Value) > 0 && a.Value[0] != 0
		}
	}
	end := func(addr, port []byte) netip.AddrPort {
		n := 4
		if m[0] == unix.AF_INET6 {
			n = 16
		}
		a := address(addr[:n], dev)
		p := binary.BigEndian.Uint16(port)
		switch {
		case a == netip.IPv6Unspecified() && !v6only, a.IsUnspecified() && p == 0:
			a = netip.Addr{}
		}
		return netip.AddrPortFrom(a, p)
	}
	r = socketRow{netid: netid, state: stateWord(m[1]), local: end(m[8:], m[4:]), remote: end(m[24:], m[6:]),
		timer: timerText(m[2], time.Duration(binary.NativeEndian.Uint32(m[52:]))*time.Millisecond),
		recvQ: binary.NativeEndian.Uint32(m[56:]), sendQ: binary.NativeEndian.Uint32(m[60:]), uid: binary.NativeEndian.Uint32(m[64:])}
	if netid == "udp" && r.state == closed {
		r.state = "UNCONN"
	}
	return r, true
}

// interfaceNames returns the names of the interfaces by index.
func interfaceNames() map[int]string {
	names := map[int]string{}
	links, _ := netlink.LinkList()
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	return names
}

func listRoutes() (rows []routeRow, err error) {
	names := interfaceNames()
	for _, family := range families {
		list, err := netlink.RouteList(nil, family)
		if complete(err) != nil {
			return nil, err
		}
		for _, r := range list {
			dst, ok := prefix(r.Dst)
			if !ok {
				dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
				if family == unix.AF_INET6 {
					dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
				}
			}
			ways := []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw}}
			if len(r.MultiPath) > 0 {
				ways = r.MultiPath
			}
			for _, w := range ways {
				dev := names[w.LinkIndex]
				rows = append(rows, routeRow{dst: dst, gateway: address(w.Gw, dev), dev: dev, proto: r.Protocol.String(), metric: r.Priority})
			}
		}
	}
	return rows, nil
}

// neighborStates are the kernel's states of neighbours, in the words of RFC 4861.
var neighborStates = map[int]string{
	netlink.NUD_INCOMPLETE: "INCOMPLETE", netlink.NUD_REACHABLE: "REACHABLE", netlink.NUD_STALE: "STALE", netlink.NUD_DELAY: "DELAY",
	netlink.NUD_PROBE: "PROBE", netlink.NUD_FAILED: "FAILED", netlink.NUD_PERMANENT: "PERMANENT",
}

// listNeighbors leaves out the entries that need no resolution, such as those of groups, as ip neighbour does.
func listNeighbors() (rows []neighborRow, err error) {
	names := interfaceNames()
	for _, family := range families {
		list, err := netlink.NeighList(0, family)
		if complete(err) != nil {
			return nil, err
		}
		for _, n := range list {
			state, dev := neighborStates[n.State], names[n.LinkIndex]
			if a := address(n.IP, dev); state != "" && a.IsValid() {
				rows = append(rows, neighborRow{a, dev, n.HardwareAddr.String(), state, n.Flags&netlink.NTF_ROUTER != 0})
			}
		}
	}
	return rows, nil
}

func listIfaces() (rows []ifaceRow, err error) {
	links, err := netlink.LinkList()
	if complete(err) != nil {
		return nil, err
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if complete(err) != nil {
		return nil, err
	}
	for _, l := range links {
		at := l.Attrs()
		r := ifaceRow{name: at.Name, medium: at.EncapType, state: "UP", mtu: at.MTU, hw: at.HardwareAddr.String()}
		switch at.EncapType {
		case "ether":
			r.medium = "ethernet"
		case "none":
			r.medium = "ip"
		}
		switch {
		case at.RawFlags&unix.IFF_UP == 0:
			r.state = "DOWN"
		case at.RawFlags&unix.IFF_RUNNING == 0:
			r.state = "NO-CARRIER"
		}
		for _, a := range addrs {
			if p, ok := prefix(a.IPNet); ok && a.LinkIndex == at.Index {
				r.addrs = append(r.addrs, p)
			}
		}
		if s := at.Statistics; s != nil {
			r.rx, r.tx = [3]uint64{s.RxPackets, s.RxBytes, s.RxDropped}, [3]uint64{s.TxPackets, s.TxBytes, s.TxDropped}
		}
		rows = append(rows, r)
	}
	return rows, nil
}
