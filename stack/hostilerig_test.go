package stack

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/wire"
)

// rig is one host under attack: its interfaces, a hostile peer that receives and sends on all of them, and an
// application that uses sockets of every kind. A list of decisions (see decisions) makes all three act.
type rig struct {
	h      *Host
	now    clock.Instant
	ifaces [3]*Iface // Ethernet, a medium without link layer, loopback
	peer   peer

	character int // the run's character, which chooses its deeds
	app       application

	rx, tx  *phy.Frame // reused for each frame of the peer and of the host
	frames  int        // number that the host has received
	frames6 int        // of them, those of IPv6
	sent    int        // number that the host has sent
	checked int        // frames until the last check
	strict  bool       // true to check after each frame
	resized bool       // true once an MTU has changed during the run
	deaf    int        // number of the host's frames that the peer will not receive
	cancel  func()     // ends the subscription to events; nil if there is none
	told    int        // number of events that the host has reported

	cancelObserve []func() // end the subscriptions to frames
	most          [numLimits]int

	six     bool             // true if the host and its peer speak IPv6 too
	renamed bool             // true once addresses have been removed, of which a queued packet may have the source
	forger  bool             // true once sockets of the application could send any frame or packet
	log     *strings.Builder // the run's log; nil: none
	err     error            // the first violation
}

const (
	hostileBurst  = 20_000 // frames that a host may send at one instant, in addition to one per octet of its streams
	hostileEvents = 50_000 // deadlines after which a host with a silent peer must be idle
	hostileEvery  = 64     // frames between two checks
)

// The host's addresses, and the stations that the peer plays: two neighbours, and a station that is reached through the
// first.
var (
	hostileOwn      = [...]netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("127.0.0.1")}
	hostileStations = [...]netip.Addr{ipA, ipC, netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.9")}
	hostileMTUs     = [...]int{1500, 68, 69, 76, 80, 88, 100, 128, 296, 552, 576, 1006, 1400, 4000, 9000, 65535}
)

// newRig makes the host that the first decisions describe.
func newRig(d *decisions) *rig {
	r := &rig{rx: phy.NewFrame(phy.SuperFrameSize), tx: phy.NewFrame(phy.SuperFrameSize)}
	limits := Limits{Sockets: 160, Connections: 96}
	neighbors := neigh.Config{Entries: 64}
	if d.one(2) { // so small that the run reaches them
		limits = Limits{
			Sockets: 24, Connections: 12, SYNQueue: 1 + d.below(3), Buffers: 1 << (10 + d.below(10)), Reassembly: 1 << (8 + d.below(8)),
			Fragments: 1 << (10 + d.below(8)), RecvQueue: 1 << (7 + d.below(8)), SendQueue: 1 + d.below(20), ReplyQueue: 1 + d.below(20),
			Groups: 1 + d.below(4), Paths: 1 + d.below(4), Challenges: 2 + d.below(10), ICMPRate: 1 + d.below(10), ICMPBurst: 1 + d.below(4),
		}
		neighbors = neigh.Config{Entries: 2 + d.below(4), Queue: 1 + d.below(3)}
	}
	r.character = d.below(numCharacters)
	r.six = d.byte() >= 64
	r.h = New(Config{Name: "b", Seed: uint64(d.byte()), Neighbor: neighbors, Limits: limits, TemporaryAddrs: r.six && d.one(2)})
	mtu := r.anyMTU(d)
	caps := phy.Capabilities{Medium: phy.MediumEthernet, MTU: mtu}
	if d.one(4) {
		caps.MaxGSO, caps.TxChecksum, caps.Gather = 65535, true, d.one(2)
	}
	r.ifaces[0] = r.h.AddIface(0, IfaceConfig{Name: "eth0", Caps: caps, MAC: macB, Addrs: prefixes("10.0.0.2/24")})
	caps.Medium, caps.MTU = phy.MediumIP, r.anyMTU(d)
	r.ifaces[1] = r.h.AddIface(0, IfaceConfig{Name: "tun0", Caps: caps, Addrs: prefixes("10.1.0.2/24")})
	loop := phy.Capabilities{Medium: phy.MediumIP, MTU: maxMTU}
	r.ifaces[2] = r.h.AddIface(0, IfaceConfig{Name: "lo", Caps: loop, Loop: true, Addrs: prefixes("127.0.0.1/8")})
	_ = r.h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil)
	if r.six {
		r.start6(d)
	}
	r.peer.quirks = d.byte()
	r.app.chunk = make([]byte, 70_000)
	r.app.fresh(d)
	if d.one(2) {
		r.listenToEvents()
	}
	for l := range numLimits {
		r.most[l] = *r.h.limitOf(l)
	}
	_, _ = r.h.ListenTCP(port(netip.Addr{}, hostilePorts[0]), 2, r.app.config(d))
	return r
}

func prefixes(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }

func (r *rig) listenToEvents() { r.cancel = r.h.Events(func(Event) { r.told++ }) }

// fail keeps the first violation.
func (r *rig) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%v: "+format, append([]any{r.now}, args...)...)
	}
}

func (r *rig) logf(format string, args ...any) {
	if r.log != nil {
		fmt.Fprintf(r.log, "%v  "+format+"\n", append([]any{r.now}, args...)...)
	}
}

// receive passes the frame in r.rx to the host.
func (r *rig) receive(i *Iface) {
	if r.log != nil {
		r.logf("< %s %s", i.name, describe(i, r.rx))
	}
	if is6(i, r.rx.Bytes()) {
		r.frames6++
	}
	v := r.h.Receive(r.now, i, r.rx)
	if r.log != nil {
		r.logf("    %v", v)
	}
	r.frames++
	if r.strict || r.frames-r.checked >= hostileEvery {
		r.check()
	}
}

// is6 reports whether a frame carries IPv6.
func is6(i *Iface, b []byte) bool {
	if i.caps.Medium == phy.MediumEthernet {
		eth, _, err := wire.ParseEthernet(b)
		return err == nil && eth.Type == wire.EtherTypeIPv6
	}
	return len(b) > 0 && b[0]>>4 == 6
}

// pump transmits all of the host's frames to the peer.
func (r *rig) pump() {
	for n, busy := 0, true; busy && r.err == nil; {
		busy = false
		for _, i := range r.ifaces {
			for r.tx.Reset(); r.h.Transmit(r.now, i, r.tx); r.tx.Reset() {
				busy = true
				r.transmitted(i)
				if n++; n > hostileBurst+r.app.written {
					r.fail("%d frames at one instant, the last %x", n, r.tx.Bytes())
					return
				}
			}
		}
	}
}

// transmitted logs the frame in r.tx, which the host has just sent, and delivers it to the other end.
func (r *rig) transmitted(i *Iface) {
	r.sent++
	r.tx.Own()
	if r.log != nil {
		r.logf("> %s %s", i.name, describe(i, r.tx))
	}
	why := drop.None
	if r.deaf > 0 && r.deaf%4 == 0 {
		why = drop.FaultLoss
	}
	r.h.FrameSent(r.now, i, r.tx, why)
	r.fits(i)
	r.sincere(i)
	switch {
	case r.deaf > 0:
		r.deaf--
	case i.loop:
		r.rx.CopyFrom(r.tx)
		r.receive(i)
	default:
		r.peer.hear(r, i, r.tx)
	}
}

// fits checks a packet of the host, and the segments that the device will cut from it, against the MTU. A packet from before a
// change of the MTU may be longer.
func (r *rig) fits(i *Iface) {
	b, size := r.tx.Bytes()[i.headerLen():], int(r.tx.Offload.GSOSize)
	n := len(b)
	if proto, segment := upper(b); size > 0 && proto == wire.ProtocolTCP {
		if _, text, err := wire.ParseTCP(segment); err == nil {
			n -= max(0, len(text)-size)
		}
	}
	if n > i.mru() && !r.resized {
		r.fail("a packet of %d octets on %s, whose MTU is %d: %x", n, i.name, i.mru(), b)
	}
}

// headerLen returns the length of i's link header.
func (i *Iface) headerLen() int {
	if i.caps.Medium == phy.MediumEthernet {
		return wire.EthernetLen
	}
	return 0
}

// advance moves time on, deadline by deadline, and transmits the host's frames at each.
func (r *rig) advance(d time.Duration) {
	until := r.now.Add(d)
	for n := 0; r.err == nil; n++ {
		at := min(r.h.Deadline(), r.h.Upkeep())
		if at > until {
			break
		}
		if n > hostileEvents {
			r.fail("%d deadlines within %v", n, d)
		}
		r.tick(at)
	}
	r.now = max(r.now, until)
}

// tick moves time to a deadline of the host and runs it.
func (r *rig) tick(at clock.Instant) {
	r.now = max(r.now, at)
	r.h.Tick(r.now)
	r.pump()
	if at := min(r.h.Deadline(), r.h.Upkeep()); at <= r.now && r.err == nil {
		r.fail("a deadline at %v has passed, and Tick does nothing about it", at)
	}
}

// silence runs the host until it is idle, while it receives nothing.
func (r *rig) silence(what string) {
	r.peer.mute = true
	r.pump()
	for n := 0; r.err == nil; n++ {
		at := r.h.Deadline()
		if at == clock.Never {
			break
		}
		if n > hostileEvents {
			r.fail("%s: timers go on, %d of them so far, the next at %v%s", what, n, at, r.open())
		}
		r.tick(at)
	}
	r.peer.mute = false
	r.check()
}

// open lists the open connections.
func (r *rig) open() string {
	var b strings.Builder
	for _, c := range r.h.sockets.connections() {
		fmt.Fprintf(&b, "\n%v to %v: timer %v, %+v", c.local, c.remote, c.timer.At(), c.Info(r.now))
	}
	return b.String()
}

// end ends the run. First the peer falls silent while every socket is open, then the application closes all of them. Each time the
// host must become idle.
func (r *rig) end() {
	for _, i := range r.ifaces {
		i.SetUp(r.now, true)
	}
	for _, c := range r.h.sockets.connections() {
		if r.h.net.mayBind(c.remote.Addr()) { // loopback is never silent
			c.Abort(r.now)
		}
	}
	r.pump()
	r.check()
	r.silence("with sockets open")
	r.idle()
	r.h.AbortAll(r.now)
	r.silence("with all closed")
	if r.err == nil {
		if err := r.h.Rest(); err != nil {
			r.fail("%w", err)
		}
	}
}

// guard runs fn, and records a panic as a violation.
func (r *rig) guard(fn func()) {
	defer func() {
		if x := recover(); x != nil {
			r.fail("panic: %v%s", x, callers(string(debug.Stack())))
		}
	}()
	fn()
}

// callers returns the functions of a stack trace between the panic and the rig, the innermost first.
func callers(trace string) string {
	_, trace, _ = strings.Cut(trace, "panic(")
	var names strings.Builder
	lines := strings.Split(trace, "\n")
	for k := 2; k+1 < len(lines) && !strings.Contains(lines[k], "(*rig)"); k += 2 {
		place, _, _ := strings.Cut(strings.TrimSpace(lines[k+1]), " +")
		fmt.Fprintf(&names, "\n\tat %s", place[strings.LastIndexByte(place, '/')+1:])
	}
	return names.String()
}
