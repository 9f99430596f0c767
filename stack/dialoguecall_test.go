package stack

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// dialogueCall is a call of the host, or a query about it. If the call returns an error, the error is its result.
type dialogueCall struct {
	words int // minimum number of arguments
	do    func(d *dialogue, w []string) error
}

// dialogueCalls are the calls of a dialogue. A socket's name is its local port or, for ICMP, its identifier.
//
//	iface NAME PREFIX [MTU]    mtu NAME N    mac NAME HW    addr NAME PREFIX    noaddr NAME PREFIX    up NAME    down NAME
//	neighbor NAME ADDR         a permanent entry
//	neighbors                  the caches
//	route PREFIX via ADDR | dev NAME
//	probe NAME PREFIX          asks whether an address is free; probed tells the result
//	udp [ADDR:]PORT [to ADDR:PORT]    df PORT    service PORT    close PORT
//	join PORT GROUP            leave PORT GROUP
//	send PORT ADDR:PORT N      recv PORT
//	icmp ID                    ping ID ADDR N    reply ID
//	listen PORT                write N: octets to the connection that the listener has accepted
//	connect ADDR:PORT          write, read and finish then use the connection; finish closes it
//	read
//	pmtu ADDR                  the path MTU
//	settled SECONDS            so much time passes unseen: the interface has its link-local address, and asks for no router any more
//	addrs NAME                 the interface's addresses
//	routes
//	advertise NAME K=V …       interval, lifetime, mtu; unadvertise NAME
//	counters NAME …            counters of the host
var dialogueCalls = map[string]dialogueCall{
	"iface": {2, (*dialogue).addIface},
	"mtu":   {2, func(d *dialogue, w []string) error { return d.iface(w[0]).SetMTU(d.number(w[1])) }},
	"mac":   {2, func(d *dialogue, w []string) error { return d.iface(w[0]).SetMAC(d.n.now, parseHW(d.t, w[1])) }},
	"addr": {2, func(d *dialogue, w []string) error {
		return d.iface(w[0]).AddAddr(d.n.now, netip.MustParsePrefix(w[1]))
	}},
	"noaddr": {2, func(d *dialogue, w []string) error {
		return d.iface(w[0]).DelAddr(d.n.now, netip.MustParsePrefix(w[1]))
	}},
	"up":   {1, func(d *dialogue, w []string) error { d.iface(w[0]).SetUp(d.n.now, true); return nil }},
	"down": {1, func(d *dialogue, w []string) error { d.iface(w[0]).SetUp(d.n.now, false); return nil }},
	"neighbor": {2, func(d *dialogue, w []string) error {
		a := parseAddr(d.t, w[1])
		return d.iface(w[0]).AddNeighbor(d.n.now, a, stationAt(a))
	}},
	"neighbors": {0, (*dialogue).neighbors},
	"route":     {3, (*dialogue).route},
	"probe": {2, func(d *dialogue, w []string) error {
		c, err := d.iface(w[0]).ProbeAddr(d.n.now, netip.MustParsePrefix(w[1]))
		if err == nil {
			d.probe = c
		}
		return err
	}},
	"probed": {0, func(d *dialogue, _ []string) error {
		done, by, err := d.probe.Done()
		d.say("= done %v, by %v, %v", done, by, err)
		return nil
	}},
	"udp":     {1, (*dialogue).udp},
	"df":      {1, func(d *dialogue, w []string) error { d.socket(w[0]).SetDontFragment(true); return nil }},
	"service": {1, func(d *dialogue, w []string) error { d.socket(w[0]).SetService(true); return nil }},
	"close":   {1, func(d *dialogue, w []string) error { d.socket(w[0]).Close(); return nil }},
	"join":    {2, func(d *dialogue, w []string) error { return d.socket(w[0]).Join(d.n.now, parseAddr(d.t, w[1]), nil) }},
	"leave":   {2, func(d *dialogue, w []string) error { return d.socket(w[0]).Leave(parseAddr(d.t, w[1])) }},
	"send": {3, func(d *dialogue, w []string) error {
		return d.socket(w[0]).Send(d.n.now, octets(d.number(w[2])), netip.MustParseAddrPort(w[1]))
	}},
	"recv": {1, (*dialogue).recv},
	"icmp": {1, func(d *dialogue, w []string) (err error) {
		id := uint16(d.number(w[0]))
		d.pings[id], err = d.host().BindICMP(id)
		return err
	}},
	"ping": {3, func(d *dialogue, w []string) error {
		id := uint16(d.number(w[0]))
		to, msg := parseAddr(d.t, w[1]), echoRequest(id, 1, string(octets(d.number(w[2]))))
		if to.Is6() {
			msg[0] = byte(wire.ICMPv6EchoRequest)
		}
		return d.pings[id].Send(d.n.now, msg, to, 0)
	}},
	"reply": {1, func(d *dialogue, w []string) error {
		k, from, _, err := d.pings[uint16(d.number(w[0]))].Recv(make([]byte, 65535))
		d.result(k, from, err)
		return nil
	}},
	"listen": {1, (*dialogue).listen},
	"write": {1, func(d *dialogue, w []string) error {
		_, err := d.conn.Write(d.n.now, octets(d.number(w[0])))
		return err
	}},
	"connect": {1, func(d *dialogue, w []string) (err error) {
		d.conn, err = d.host().DialTCP(d.n.now, netip.AddrPort{}, netip.MustParseAddrPort(w[0]), tcp.Config{})
		return err
	}},
	"read":        {0, (*dialogue).read},
	"finish":      {0, func(d *dialogue, _ []string) error { d.conn.Close(d.n.now); return nil }},
	"settled":     {1, (*dialogue).settled},
	"addrs":       {1, (*dialogue).addrs},
	"routes":      {0, (*dialogue).routes},
	"advertise":   {1, (*dialogue).advertise},
	"unadvertise": {1, func(d *dialogue, w []string) error { return d.iface(w[0]).Advertise(d.n.now, nil) }},
	"pmtu": {1, func(d *dialogue, w []string) error {
		d.say("= %d", d.host().PathMTU(d.n.now, parseAddr(d.t, w[0])))
		return nil
	}},
	"counters": {1, (*dialogue).counters},
	"wait":     {0, func(*dialogue, []string) error { return nil }},
}

// call executes the call of a line.
func (d *dialogue) call(name string, w []string) {
	if name == "config" {
		d.config(w)
		return
	}
	c, ok := dialogueCalls[name]
	if !ok || len(w) < c.words {
		d.t.Fatalf("no call %q of %q", name, w)
	}
	if err := c.do(d, w); err != nil {
		d.say("= %v", err)
	}
}

func (d *dialogue) addIface(w []string) error {
	p := netip.MustParsePrefix(w[1])
	i := d.host().AddIface(d.n.now, IfaceConfig{Name: w[0], Caps: ethernet, MAC: stationAt(p.Addr()), Addrs: []netip.Prefix{p}})
	drain(d.h, d.n.now, i) // removes the announcement
	if len(w) > 2 {
		return i.SetMTU(d.number(w[2]))
	}
	return nil
}

func (d *dialogue) neighbors([]string) error {
	all := d.host().NeighborInfos(d.n.now)
	if len(all) == 0 {
		d.say("= none")
	}
	for _, e := range all {
		d.say("= %v %s %v %s", e.Addr, e.Dev, e.HW, e.State)
	}
	return nil
}

func (d *dialogue) route(w []string) error {
	p := netip.MustParsePrefix(w[0])
	if w[1] == "dev" {
		return d.host().AddRoute(p, netip.Addr{}, d.iface(w[2]))
	}
	return d.host().AddRoute(p, parseAddr(d.t, w[2]), nil)
}

func (d *dialogue) udp(w []string) (err error) {
	at := w[0]
	var local netip.AddrPort
	if strings.Contains(at, ":") {
		local = netip.MustParseAddrPort(at)
	} else {
		local = netip.AddrPortFrom(netip.Addr{}, uint16(d.number(at)))
	}
	var u *UDPConn
	if len(w) > 2 {
		u, err = d.host().DialUDP(local, netip.MustParseAddrPort(w[2]))
	} else {
		u, err = d.host().BindUDP(local)
	}
	d.ports[local.Port()] = u
	return err
}

func (d *dialogue) socket(name string) *UDPConn {
	u := d.ports[uint16(d.number(name))]
	if u == nil {
		d.t.Fatalf("no socket %s", name)
	}
	return u
}

func (d *dialogue) recv(w []string) error {
	b := make([]byte, 65535)
	k, from, err := d.socket(w[0]).Recv(b)
	if k > 0 && !bytes.Equal(b[:k], octets(k)) {
		d.t.Errorf("%v: the datagram is not as it was sent", d.n.now)
	}
	d.result(k, from, err)
	return nil
}

// result records the result of receiving k octets.
func (d *dialogue) result(k int, from fmt.Stringer, err error) {
	switch {
	case err != nil:
		d.say("= %v", err)
	case k < 0:
		d.say("= nothing")
	default:
		d.say("= %d octets from %v", k, from)
	}
}

// listen makes a listener. The call write uses the first connection that it accepts.
func (d *dialogue) listen(w []string) error {
	l, err := d.host().ListenTCP(netip.AddrPortFrom(netip.Addr{}, uint16(d.number(w[0]))), 0, tcp.Config{})
	if err != nil {
		return err
	}
	l.OnEvent = func(_ clock.Instant) { d.conn = l.Accept() }
	return nil
}

func (d *dialogue) counters(w []string) error {
	var b strings.Builder
	for _, name := range w {
		fmt.Fprintf(&b, " %s %d", name, counterOf(d.t, d.h, name))
	}
	d.say("=%s", b.String())
	return nil
}

// read records the data that the connection has received.
func (d *dialogue) read([]string) error {
	b := make([]byte, 65535)
	k, err := d.conn.Read(d.n.now, b)
	if !bytes.Equal(b[:k], octets(k)) {
		d.t.Errorf("%v: the data are not as they were sent", d.n.now)
	}
	if err != nil {
		return err
	}
	d.say("= %d octets", k)
	return nil
}

// settled lets time pass and forgets the frames of that time, and those of the beginning.
func (d *dialogue) settled(w []string) error {
	seen := d.out.Len()
	d.pass(d.n.now.Add(time.Duration(d.number(w[0])) * time.Second))
	d.out.Truncate(seen)
	return nil
}

func (d *dialogue) addrs(w []string) error {
	for _, a := range d.iface(w[0]).Addrs() {
		d.say("= %v", a)
	}
	return nil
}

func (d *dialogue) routes([]string) error {
	for _, r := range d.host().RouteInfos() {
		via := ""
		if r.Gateway.IsValid() {
			via = fmt.Sprintf("via %v ", r.Gateway)
		}
		d.say("= %v %sdev %s", r.Dst, via, r.Dev)
	}
	return nil
}

func (d *dialogue) advertise(w []string) error {
	var a Advertising
	for _, kv := range w[1:] {
		switch k, v, _ := strings.Cut(kv, "="); k {
		case "interval":
			a.MaxInterval = time.Duration(d.number(v)) * time.Second
		case "lifetime":
			a.Lifetime = time.Duration(d.number(v)) * time.Second
		case "mtu":
			a.MTU = d.number(v)
		default:
			d.t.Fatalf("no option %q", k)
		}
	}
	return d.iface(w[0]).Advertise(d.n.now, &a)
}
