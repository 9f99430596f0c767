package main

import (
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/script"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// shellLab is the lab of the session's own host.
type shellLab struct {
	runner  lab.Runner
	lab     *lab.Lab
	local   *lab.Host
	peer    *lab.Host
	seed    uint64 // seed of the lab
	drawn   bool   // true if the seed is random, because no flag sets it
	runSeed uint64 // seed that is mixed with the seeds of the labs that scripts make; without a flag these labs repeat
	devices []phy.Device
	claims  portClaims     // ports taken from the kernel (--share-address); nil without
	kernel  []netip.Prefix // the kernel's addresses in the private lab
	notes   *notes
	noFiles bool   // true in a test's session
	why     string // one line that explains why the lab is not the one that the flags request, else ""
}

// portClaims is a portclaim.Claims, which other systems do not have.
type portClaims interface {
	AddInterface(index int) error
	io.Closer
}

var (
	// defaultAddrs are the host's addresses without --addr.
	defaultAddrs = []netip.Prefix{netip.MustParsePrefix("192.168.69.1/24"), netip.MustParsePrefix("fdaa::1/64")}
	// defaultPeer and defaultPeer6 are the peer's addresses, or the kernel's, on the networks 192.168.69.0/24 and fdaa::/64.
	defaultPeer  = netip.MustParsePrefix("192.168.69.100/24")
	defaultPeer6 = netip.MustParsePrefix("fdaa::100/64")

	peerMAC  = wire.HardwareAddr{2, 0, 0, 0, 0, 0x64}
	simDelay = 100 * time.Microsecond // delay in each direction of the virtual lab, so that round trips are not 0
)

// open makes the lab for the given devices.
func (o *options) open(devices []device) (*shellLab, error) {
	l := &shellLab{notes: newNotes()}
	if len(devices) > 1 {
		for _, d := range devices {
			if !d.live() || d.Kind == "lab" {
				return nil, usageError("--device: %s goes alone", d.Kind)
			}
		}
	}
	l.seed = o.seed
	if !o.seeded && !o.flags.Changed("seed") {
		l.seed = 1
	}
	l.runSeed = l.seed
	if l.drawn = !o.seeded && !o.flags.Changed("seed") && devices[0].live(); l.drawn {
		l.seed = rand.Uint64()
	}
	if len(o.kernelAddrs) > 0 && !o.wantsPrivate() && !devices[0].makes() {
		return nil, usageError("--kernel-addr is for a TAP or TUN that smolsh makes")
	}
	w := lab.NewWorld()
	l.lab = lab.New(w, l.seed)
	var err error
	switch devices[0].Kind {
	case "sim":
		err = o.sim(l, w)
	case "loopback":
		err = o.loopback(l, w)
	case "lab":
		err = o.private(l, w)
	default:
		err = o.attach(l, w, devices)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (o *options) host(l *shellLab, addrs ...netip.Prefix) (err error) {
	l.local, err = l.lab.AddHost(lab.HostConfig{
		Name: "local", MAC: o.mac, Addrs: addrs, Gateway: o.gateway, Gateway6: o.gateway6, MTU: o.mtu, IPv6: o.ipv6(), Forward: o.forward,
	})
	return err
}

// sim makes the virtual lab: the host on a link with its peer.
func (o *options) sim(l *shellLab, w *lab.World) error {
	first, rest := firstOfEach(o.hostAddrs())
	if err := o.host(l, first...); err != nil {
		return usageError("%v", err)
	}
	var err error
	kernel, _ := firstOfEach(o.kernelAddrs) // the peer takes the kernel's addresses of a private lab that could not be made
	at, _ := firstOfEach(append(kernel, peersOf(first)...))
	if o.noIPv6 && len(ofIPv4(first)) == len(first) {
		at = ofIPv4(at)
	}
	if l.peer, err = l.lab.AddHost(lab.HostConfig{Name: "peer", MAC: peerMAC, Addrs: at, MTU: o.mtu, IPv6: o.ipv6()}); err != nil {
		return usageError("%v", err)
	}
	link, err := l.lab.Link(l.local, l.peer, lab.LinkConfig{Delay: simDelay})
	if err != nil {
		return usageError("%v", err)
	}
	port, _ := link.Ports()
	for _, a := range rest {
		if err := port.Iface().AddAddr(w.Now(), a); err != nil {
			return usageError("--addr: %v: %v", a, err)
		}
	}
	l.runner = lab.NewVirtual(w)
	return script.Peer(l.peer)
}

// peerOf returns the peer's address on the host's network: the hundredth, if the network is large enough.
func peerOf(a netip.Prefix) netip.Prefix {
	for _, peer := range []netip.Prefix{defaultPeer, defaultPeer6} {
		if peer.Masked() == a.Masked() && a.Addr() != peer.Addr() {
			return peer
		}
	}
	p := a.Masked().Addr()
	for n := 0; n < 100 && a.Contains(p.Next()); n++ {
		p = p.Next()
	}
	if p == a.Addr() || !a.Contains(p.Next()) {
		p = p.Prev()
	}
	return netip.PrefixFrom(p, a.Bits())
}

// peersOf returns the peer's address on the network of the host's first address of each version of IP.
func peersOf(addrs []netip.Prefix) (peers []netip.Prefix) {
	first, _ := firstOfEach(addrs)
	for _, a := range first {
		peers = append(peers, peerOf(a))
	}
	return peers
}

// firstOfEach returns the first address of each version of IP, IPv4's before IPv6's, and the other addresses in their order.
func firstOfEach(addrs []netip.Prefix) (first, rest []netip.Prefix) {
	rest = slices.Clone(addrs)
	for _, is4 := range []bool{true, false} {
		if i := slices.IndexFunc(rest, func(a netip.Prefix) bool { return a.Addr().Is4() == is4 }); i >= 0 {
			first, rest = append(first, rest[i]), slices.Delete(rest, i, i+1)
		}
	}
	return first, rest
}

// loopback makes a host without neighbours: a loopback with 127.0.0.1, ::1 and the addresses of --addr.
func (o *options) loopback(l *shellLab, w *lab.World) (err error) {
	l.local, err = l.lab.AddHost(lab.HostConfig{Name: "local", Addrs: o.addrs, MTU: o.mtu, Loop: true})
	if err != nil {
		return usageError("%v", err)
	}
	l.runner = lab.NewVirtual(w)
	return nil
}

func (l *shellLab) close() {
	for _, d := range l.devices {
		d.Close()
	}
	if l.claims != nil {
		l.claims.Close()
	}
}

func (l *shellLab) prompt() string {
	if l.runner.Virtual() {
		return "smolsh (virtual)"
	}
	return "smolsh"
}
