//go:build linux

package raw

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/wire"
)

// The addresses of IPv6, as ours, theirs and here of IPv4.
var ours6, theirs6, here6 = netip.MustParseAddr("fdaa::1"), netip.MustParseAddr("fdaa::100"), netip.MustParseAddr("fdaa::50")

// lay6 returns a bench whose ends have IPv6 addresses. Nobody has told the kernels our hardware address.
func lay6(t *testing.T) *bench {
	t.Helper()
	taptest.Namespace(t)
	b := &bench{T: t, there: taptest.NewSpace(t)}
	taptest.Veth(t, "veth0", here6.String()+"/64", b.there, "veth1", theirs6.String()+"/64")
	b.dev = open(t, "veth0", Options{})
	var err error
	b.there.Do(func() {
		var i *net.Interface
		if i, err = net.InterfaceByName("veth1"); err == nil {
			copy(b.far[:], i.HardwareAddr)
			b.conn, err = net.ListenUDP("udp6", &net.UDPAddr{Port: 6969})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.conn.Close() })
	return b
}

// discovery returns an ICMPv6 message from us, which put writes, with an option that has our hardware address.
func discovery(to wire.HardwareAddr, dst netip.Addr, size int, put func(b []byte), option wire.NDOptionType) *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	b := f.Extend(size + 8)
	wire.PutNDLinkAddr(b[size:], option, ourMAC)
	put(b)
	ip := wire.IPv6{PayloadLen: len(b), NextHeader: wire.ProtocolICMPv6, HopLimit: 255, Src: ours6, Dst: dst}
	ip.Put(f.Prepend(wire.IPv6Len))
	e := wire.Ethernet{Dst: to, Src: ourMAC, Type: wire.EtherTypeIPv6}
	e.Put(f.Prepend(wire.EthernetLen))
	return f
}

// icmp6 receives frames until one has an ICMPv6 message of the type typ for which ok is true, and returns its parts.
func (b *bench) icmp6(typ wire.ICMPv6Type, ok func(e wire.Ethernet, ip *wire.IPv6, m []byte) bool) {
	b.Helper()
	for range 100 {
		frames := b.until("")
		for _, f := range frames {
			e, rest, err := wire.ParseEthernet(f.Bytes())
			if err != nil || e.Type != wire.EtherTypeIPv6 {
				continue
			}
			ip, m, err := wire.ParseIPv6(rest)
			if err == nil && ip.NextHeader == wire.ProtocolICMPv6 && m[0] == byte(typ) && ok(e, &ip, m) {
				return
			}
		}
	}
	b.Fatalf("no message of type %d came", typ)
}

// counter returns one of the kernel's counters of /proc/net/snmp6, for the calling thread's namespace.
func counter(name string) string {
	text, _ := os.ReadFile("/proc/thread-self/net/snmp6")
	if m := regexp.MustCompile(`(?m)^` + name + `\s+(\d+)$`).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// TestNeighborDiscovery: a station that has never sent receives the solicitation for its address, and after it has
// answered also what is for its hardware address. The kernel beside us answers for none of our addresses and forwards
// nothing of ours, even as a router.
func TestNeighborDiscovery(t *testing.T) {
	b := lay6(t)
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	b.say(ours6, []byte("hello")) // waits in the kernel for an advertisement
	group := wire.SolicitedNode(ours6)
	b.icmp6(wire.ICMPv6NeighborSolicitation, func(e wire.Ethernet, ip *wire.IPv6, m []byte) bool {
		s, _, err := wire.ParseNeighborSolicitation(ip, m, true)
		return err == nil && s.Target == ours6 && ip.Dst == group && e.Dst == wire.HardwareAddr{0x33, 0x33, 0xff, 0, 0, 1}
	})
	if own := len(b.dev.own); own != 0 {
		t.Fatalf("%d own addresses before a frame was sent", own)
	}
	a := wire.NeighborAdvertisement{Solicited: true, Override: true, Target: ours6}
	b.send(discovery(b.far, theirs6, 24, func(m []byte) { a.Put(m, ours6, theirs6) }, wire.NDTargetLinkAddr))
	frames := b.until("hello")
	f := frames[len(frames)-1]
	if e, _, err := wire.ParseEthernet(f.Bytes()); err != nil || e.Dst != ourMAC || !f.Offload.NeedsCsum || !phy.FinishChecksum(f, phy.MediumEthernet) {
		t.Errorf("%+v with %+v, %v", e, f.Offload, err)
	}

	// We solicit, and get the advertisement by unicast.
	s := wire.NeighborSolicitation{Target: theirs6}
	to := wire.SolicitedNode(theirs6).As16()
	b.send(discovery(wire.HardwareAddr{0x33, 0x33, 0xff, to[13], to[14], to[15]}, wire.SolicitedNode(theirs6), 24, func(m []byte) { s.Put(m, ours6, wire.SolicitedNode(theirs6)) }, wire.NDSourceLinkAddr))
	b.icmp6(wire.ICMPv6NeighborAdvertisement, func(e wire.Ethernet, ip *wire.IPv6, m []byte) bool {
		a, _, err := wire.ParseNeighborAdvertisement(ip, m, true)
		return err == nil && a.Target == theirs6 && e.Dst == ourMAC && ip.Dst == ours6
	})

	// A datagram to a group that nobody has joined reaches us too.
	raw, err := b.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b.there.Do(func() {
		i, e := net.InterfaceByName("veth1")
		if err = e; err == nil {
			raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index)
			})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b.say(netip.MustParseAddr("ff02::4242"), []byte("to a group"))
	b.until("to a group")

	for name, want := range map[string]string{"Icmp6OutDestUnreachs": "0", "Icmp6OutNeighborAdvertisements": "0", "Icmp6OutRedirects": "0", "Ip6OutForwDatagrams": "0", "Udp6NoPorts": "0"} {
		if got := counter(name); got != want {
			t.Errorf("the kernel beside us: %s is %s, want %s", name, got, want)
		}
	}
}

// TestSuperSegmentsIPv6: super-segments of datagrams over IPv6 are received and sent whole.
func TestSuperSegmentsIPv6(t *testing.T) {
	b := lay6(t)
	a := wire.NeighborAdvertisement{Override: true, Target: ours6}
	b.say(ours6, []byte("hello"))
	b.send(discovery(b.far, theirs6, 24, func(m []byte) { a.Put(m, ours6, theirs6) }, wire.NDTargetLinkAddr))
	b.until("hello")
	raw, err := b.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("x"), 2490)
	b.say(ours6, append(big, "the end..."...))
	frames := b.until("the end...")
	f := frames[len(frames)-1]
	if n := f.Len() - wire.EthernetLen - wire.IPv6Len - wire.UDPLen; n != 2500 || f.Offload != (phy.Offload{GSOSize: 1000, UDP: true, NeedsCsum: true}) {
		t.Errorf("%d octets of payload with %+v", n, f.Offload)
	}
	// The same frame, sent back.
	out := phy.NewFrame(phy.SuperFrameSize)
	out.Set(f.Bytes())
	out.Offload = f.Offload
	p := out.Bytes()
	copy(p, b.far[:])
	copy(p[6:], ourMAC[:])
	addrs, ports := p[wire.EthernetLen+8:], p[wire.EthernetLen+wire.IPv6Len:]
	swap(addrs[:16], addrs[16:32])
	swap(ports[:2], ports[2:4])
	b.send(out)
	buf := make([]byte, 70000)
	for i, want := range []int{1000, 1000, 500} {
		if n, from, err := b.conn.ReadFromUDPAddrPort(buf); n != want || from.Addr() != ours6 || err != nil {
			t.Fatalf("datagram %d: the kernel received %d octets from %v, %v", i, n, from, err)
		}
	}
}

func swap(a, b []byte) {
	x := bytes.Clone(a)
	copy(a, b)
	copy(b, x)
}
