package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// application holds sockets of every kind and uses them at random moments. It forgets the sockets that it closes.
type application struct {
	cfg       tcp.Config // configuration of the run's connections
	conns     []*TCPConn
	listeners []*TCPListener
	udp       []*UDPConn
	icmp      []*ICMPConn
	raw       []*RawConn
	frames    []*FrameConn
	chunk     []byte
	written   int // number of octets written to all streams
}

// hostileSockets is the number of sockets of each kind that the application may hold.
const hostileSockets = 24

// fresh draws the configuration of most connections.
func (a *application) fresh(d *decisions) {
	size := func() int { return [...]int{0, 64, 700, 4000, 65535, 300_000}[d.pick(6)] }
	flag := d.byte()
	a.cfg = tcp.Config{
		SendBuffer: size(), RecvBuffer: size(), SendBufferMax: 1 << 20, RecvBufferMax: 1 << 20,
		NoDelay: flag&1 != 0, NoTimestamps: flag&2 != 0, NoMTUProbing: flag&4 != 0, NoPacing: flag&8 != 0, NoSACK: flag&0x70 == 0x70,
		MSS:        [...]int{0, 1, 48, 536, 1000}[d.pick(5)],
		DelayedAck: [...]time.Duration{0, -1, 200 * time.Millisecond}[d.pick(3)],
		KeepAlive:  [...]time.Duration{0, 0, 3 * time.Second}[d.pick(3)], KeepAliveMax: d.below(4),
		TimeWait: [...]time.Duration{0, -1, time.Second}[d.pick(3)], UserTimeout: [...]time.Duration{0, 0, 5 * time.Second}[d.pick(3)],
		InitialWindow: d.pick(40), Congestion: tcp.Algorithm(d.below(2)), ECN: tcp.ECN(d.pick(3)), Log: d.pick(30),
		MaxRetries: d.pick(16), SYNRetries: d.pick(7), OrphanRetries: d.pick(9),
	}
}

// config returns the configuration of a new connection, sometimes a different one.
func (a *application) config(d *decisions) tcp.Config {
	if d.one(8) {
		was := a.cfg
		a.fresh(d)
		a.cfg, was = was, a.cfg
		return was
	}
	return a.cfg
}

// add appends a socket to a list of the application. If the list is full, its first socket is dropped.
func add[T any](list *[]T, s T, end func(T)) {
	if *list = append(*list, s); len(*list) > hostileSockets {
		end((*list)[0])
		*list = append((*list)[:0], (*list)[1:]...)
	}
}

// choose returns an element of list and its index. It chooses the last element with a probability above one half. ok is
// false if list is empty.
func choose[T any](list []T, d *decisions) (s T, at int, ok bool) {
	if len(list) == 0 {
		return s, 0, false
	}
	at = len(list) - 1
	if b := d.byte(); b >= 128 {
		at = b % len(list)
	}
	return list[at], at, true
}

// take chooses an element as choose does, and removes it from the list.
func take[T any](list *[]T, d *decisions) (s T, ok bool) {
	s, at, ok := choose(*list, d)
	if ok {
		*list = append((*list)[:at], (*list)[at+1:]...)
	}
	return s, ok
}

func (a *application) dial(r *rig, d *decisions) {
	to := r.station(d)
	if d.one(8) {
		to = r.own(d)
	}
	var local netip.AddrPort
	if d.one(4) { // so that both ends may open at the same time
		local = netip.AddrPortFrom(netip.Addr{}, d.port())
	}
	c, err := r.h.DialTCP(r.now, local, netip.AddrPortFrom(to, d.port()), a.config(d))
	if err == nil {
		a.attend(r, c, d)
		add(&a.conns, c, func(c *TCPConn) { c.Abort(r.now) })
	}
}

// attend uses a connection from within the host's calls, whenever it has an event: reads it, sends its data back, or closes it. If
// two ends of this host did so to each other, they would never stop.
func (a *application) attend(r *rig, c *TCPConn, d *decisions) {
	how := d.pick(6)
	if how == 0 || r.h.net.mayBind(c.remote.Addr()) {
		return
	}
	var buf [500]byte
	c.OnEvent = func(now clock.Instant) {
		n, err := c.Read(now, buf[:])
		switch {
		case how == 2 && n > 0:
			k, _ := c.Write(now, buf[:n])
			a.written += k
		case how == 3 && err != nil:
			c.Close(now)
		case how == 4:
			_ = c.CloseWrite(now)
		case how == 5 && n > 0:
			c.Abort(now)
		}
	}
}

func (a *application) listen(r *rig, d *decisions) {
	if d.one(4) {
		if l, ok := take(&a.listeners, d); ok {
			l.Close(r.now)
		}
	}
	var local netip.Addr
	if d.one(4) {
		local = r.own(d)
	}
	listen := r.h.ListenTCP
	if r.six && d.one(4) {
		listen = r.h.ListenTCP6
	}
	if l, err := listen(port(local, d.port()), 1+d.below(8), a.config(d)); err == nil {
		if d.one(3) {
			l.OnEvent = func(now clock.Instant) {
				for c := l.Accept(); c != nil; c = l.Accept() {
					c.Close(now)
				}
			}
		}
		add(&a.listeners, l, func(l *TCPListener) { l.Close(r.now) })
	}
}

// accept accepts connections of every listener.
func (a *application) accept(r *rig, d *decisions) {
	for k := range 2 * len(hostilePorts) {
		l := r.h.sockets.anyTCP[familyPort{family(k % 2), hostilePorts[k/2]}]
		if l == nil {
			continue
		}
		if c := l.Accept(); c != nil {
			a.attend(r, c, d)
			add(&a.conns, c, func(c *TCPConn) { c.Close(r.now) })
		}
	}
}

func (a *application) write(r *rig, d *decisions) {
	if c, _, ok := choose(a.conns, d); ok {
		n, _ := c.Write(r.now, a.chunk[:1+d.length(len(a.chunk)-1)])
		a.written += n
	}
}

func (a *application) read(r *rig, d *decisions) {
	if c, _, ok := choose(a.conns, d); ok {
		n := 1 + d.length(len(a.chunk)-1)
		if d.one(4) {
			_, _ = c.Discard(r.now, n)
			return
		}
		_, _ = c.Read(r.now, a.chunk[:n])
		clear(a.chunk[:n])
	}
}

func (a *application) close(r *rig, d *decisions) {
	how := d.below(8)
	if how < 3 {
		if c, _, ok := choose(a.conns, d); ok {
			_ = c.CloseWrite(r.now)
		}
		return
	}
	if c, ok := take(&a.conns, d); ok {
		if how < 6 {
			c.Close(r.now)
		} else {
			c.Abort(r.now)
		}
	}
}

func (a *application) configure(r *rig, d *decisions) {
	if c, _, ok := choose(a.conns, d); ok {
		was := a.cfg
		a.fresh(d)
		_ = c.SetConfig(r.now, a.cfg)
		a.cfg = was
	}
}

// open opens a socket for datagrams, messages, packets or frames.
func (a *application) open(r *rig, d *decisions) {
	h := r.h
	switch d.below(6) {
	case 0, 1:
		var local netip.Addr
		if d.one(4) {
			local = r.own(d)
		}
		bind := h.BindUDP
		if r.six && d.one(4) {
			bind = h.BindUDP6
		}
		if u, err := bind(port(local, d.port())); err == nil {
			if d.one(4) {
				u.OnEvent = func(clock.Instant) { u.Close() } // even while others still have to receive the datagram
			}
			add(&a.udp, u, (*UDPConn).Close)
		}
	case 2:
		if u, err := h.DialUDP(netip.AddrPort{}, port(r.station(d), d.port())); err == nil {
			add(&a.udp, u, (*UDPConn).Close)
		}
	case 3:
		bind := h.BindICMP
		if d.one(2) {
			bind = h.ListenICMP
		}
		if c, err := bind(uint16(d.below(8))); err == nil {
			add(&a.icmp, c, (*ICMPConn).Close)
		}
	case 4:
		if c, err := h.BindRaw([...]wire.Protocol{89, wire.ProtocolTCP, wire.ProtocolUDP, wire.ProtocolICMP, wire.ProtocolICMPv6}[d.pick(5)]); err == nil {
			r.forger = true
			add(&a.raw, c, (*RawConn).Close)
		}
	case 5:
		if c, err := h.BindFrames(nil, [...]wire.EtherType{0, wire.EtherTypeARP, wire.EtherTypeIPv4, wire.EtherTypeIPv6, 0x88b5}[d.pick(5)]); err == nil {
			r.forger = true
			add(&a.frames, c, (*FrameConn).Close)
		}
	}
}

// use makes a socket send, receive, join a group or leave one.
func (a *application) use(r *rig, d *decisions) {
	to := r.station(d)
	switch d.below(8) {
	case 0, 1, 2:
		if u, _, ok := choose(a.udp, d); ok {
			dst := [...]netip.Addr{to, to, r.group(d), r.group(d), limitedBroadcast, r.own(d)}[d.pick(6)]
			u.SetDontFragment(d.one(4))
			_ = u.Send(r.now, a.chunk[:d.length(65507)], port(dst, d.port()))
		}
	case 3:
		if u, _, ok := choose(a.udp, d); ok {
			_, _, _ = u.Recv(a.chunk[:100])
		}
	case 4:
		if u, _, ok := choose(a.udp, d); ok {
			if g := r.group(d); d.one(3) {
				_ = u.Leave(g)
			} else {
				_ = u.Join(r.now, g, [...]*Iface{nil, r.ifaces[0], r.ifaces[1], r.ifaces[2]}[d.pick(4)])
			}
		}
	case 5:
		if c, _, ok := choose(a.icmp, d); ok {
			msg := a.chunk[:wire.ICMPLen+d.length(65000)]
			if msg[0] = byte(wire.ICMPEchoRequest); to.Is6() {
				msg[0] = byte(wire.ICMPv6EchoRequest)
			}
			msg[4], msg[5] = 0, byte(c.ID())
			_ = c.Send(r.now, msg, to, uint8(d.byte()))
			clear(msg[:8])
			_, _, _, _ = c.Recv(a.chunk[:100])
		}
	case 6:
		if c, _, ok := choose(a.raw, d); ok {
			_ = c.Send(r.now, a.chunk[:d.length(65000)], to, uint8(d.byte()))
			_, _, _, _ = c.Recv(a.chunk[:100])
		}
	case 7:
		if c, _, ok := choose(a.frames, d); ok {
			_ = c.Send(r.now, nil, a.chunk[:wire.EthernetLen+d.length(1500)])
			_, _, _ = c.Recv(a.chunk[:100])
		}
	}
}

// shut closes a socket.
func (a *application) shut(r *rig, d *decisions) {
	switch d.below(5) {
	case 0, 1:
		if u, ok := take(&a.udp, d); ok {
			u.Close()
		}
	case 2:
		if c, ok := take(&a.icmp, d); ok {
			c.Close()
		}
	case 3:
		if c, ok := take(&a.raw, d); ok {
			c.Close()
		}
	case 4:
		if c, ok := take(&a.frames, d); ok {
			c.Close()
		}
	}
}
