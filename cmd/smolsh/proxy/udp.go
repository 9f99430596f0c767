package proxy

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// datagrams is an unconnected UDP socket of the kernel, or of a host of the lab.
type datagrams interface {
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
	Close() error
}

const (
	maxDatagram = 65535
	errorPause  = 5 * time.Millisecond // time before the next read after an error, such as that a port is closed
)

// udpRelay receives datagrams on one side of a host, and sends those of each sender from a socket of its own on the other side.
type udpRelay struct {
	p     *Proxy
	r     *route
	in    datagrams
	dial  func() (net.Conn, error) // must not wait
	front bool

	mu    sync.Mutex
	flows map[netip.AddrPort]*list.Element // of order
	order *list.List                       // the flows (*flow), the one that was used last at the front
}

// flow is the datagrams of one sender, and the answers.
type flow struct {
	from netip.AddrPort
	conn net.Conn
	used time.Time // when the last datagram passed; the relay's lock guards it
}

// A TargetError says that the name of a UDP route's target has no address.
type TargetError struct {
	Target string
	Err    error
}

// Error implements error.
func (e *TargetError) Error() string { return "the target " + e.Target + ": " + cause(e.Err) }

// Unwrap returns the error of the lookup.
func (e *TargetError) Unwrap() error { return e.Err }

// addUDP opens the sockets of a UDP route. The name of a target is resolved once.
func (p *Proxy) addUDP(r Route) error {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	to, err := resolve(ctx, r.Target)
	if err != nil {
		return &TargetError{r.Target, err}
	}
	at, err := net.ResolveUDPAddr("udp", r.Listen)
	if err != nil {
		return err
	}
	in, err := net.ListenUDP("udp", at)
	if err != nil {
		return err
	}
	through, err := p.peer.ListenPacket("udp4", fmt.Sprint(":", portOf(r.Target)))
	if err != nil {
		through, err = p.peer.ListenPacket("udp4", ":0")
	}
	if err != nil {
		in.Close()
		return err
	}
	enter := netip.AddrPortFrom(p.peerAddr, portOf(through.LocalAddr().String())).String()
	route := &route{network: "udp", listen: in.LocalAddr().String(), target: r.Target}
	front := &udpRelay{p: p, r: route, in: in, front: true, flows: map[netip.AddrPort]*list.Element{}, order: list.New(),
		dial: func() (net.Conn, error) { return p.local.DialContext(p.ctx, "udp4", enter) }}
	back := &udpRelay{p: p, r: route, in: through.(datagrams), flows: map[netip.AddrPort]*list.Element{}, order: list.New(),
		dial: func() (net.Conn, error) { return net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) }}
	p.add(route, []closer{in, through}, front.serve, back.serve)
	return nil
}

// resolve returns the address of a UDP target.
func resolve(ctx context.Context, target string) (netip.AddrPort, error) {
	host, _, _ := net.SplitHostPort(target)
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(list[0].Unmap(), portOf(target)), nil
}

// serve passes datagrams on until the socket is closed.
func (u *udpRelay) serve() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := u.in.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed) || u.p.ctx.Err() != nil:
			return
		case err != nil:
			u.pause()
			continue
		}
		f, err := u.flow(from)
		if err != nil {
			u.lost(err)
			continue
		}
		if _, err := f.conn.Write(buf[:n]); err != nil {
			u.lost(err)
			continue
		}
		if u.front {
			u.r.count.sent.Add(1)
			u.r.count.up.Add(uint64(n))
		}
	}
}

func (u *udpRelay) pause() {
	select {
	case <-time.After(errorPause):
	case <-u.p.ctx.Done():
	}
}

// lost counts a datagram that was not passed on.
func (u *udpRelay) lost(err error) {
	u.r.count.lost.Add(1)
	if !errors.Is(err, net.ErrClosed) {
		u.p.complain(u.r, cause(err))
	}
}

// flow returns the flow of a sender, which is then the one that was used last. A sender without a flow gets a new one.
func (u *udpRelay) flow(from netip.AddrPort) (*flow, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e := u.flows[from]; e != nil {
		u.touch(e)
		return e.Value.(*flow), nil
	}
	if len(u.flows) >= MaxFlows {
		oldest := u.order.Remove(u.order.Back()).(*flow)
		delete(u.flows, oldest.from)
		u.p.forget(oldest.conn)
	}
	c, err := u.dial()
	if err != nil {
		return nil, err
	}
	if !u.p.track(c) {
		return nil, net.ErrClosed
	}
	f := &flow{from: from, conn: c, used: time.Now()}
	u.flows[from] = u.order.PushFront(f)
	if u.front {
		u.r.count.conns.Add(1)
		u.r.count.open.Add(1)
	}
	u.p.running.Go(func() { u.answer(f) })
	return f, nil
}

// touch records that a datagram of a flow passes. The caller holds the lock.
func (u *udpRelay) touch(e *list.Element) {
	e.Value.(*flow).used = time.Now()
	u.order.MoveToFront(e)
}

// lastUse returns when the last datagram of f passed: now, if passes is true.
func (u *udpRelay) lastUse(f *flow, passes bool) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e := u.flows[f.from]; passes && e != nil && e.Value == f {
		u.touch(e)
	}
	return f.used
}

// datagramBuffers are the buffers of flows that have ended. A new flow need not clear one, so that its unused pages are never touched.
var datagramBuffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// answer passes the answers of a flow back, until it has been idle for too long or its socket is closed.
func (u *udpRelay) answer(f *flow) {
	defer u.end(f)
	whole := datagramBuffers.Get().(*[maxDatagram]byte)
	defer datagramBuffers.Put(whole)
	buf := whole[:]
	for {
		last := u.lastUse(f, false)
		if time.Since(last) >= u.p.cfg.UDPIdle {
			return
		}
		_ = f.conn.SetReadDeadline(last.Add(u.p.cfg.UDPIdle)) // fails on a closed socket, as Read does
		n, err := f.conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil: // the target's port is closed
			u.lost(err)
			u.pause()
			continue
		}
		u.lastUse(f, true)
		if _, err := u.in.WriteToUDPAddrPort(buf[:n], f.from); err != nil {
			u.lost(err)
			continue
		}
		if u.front {
			u.r.count.received.Add(1)
			u.r.count.down.Add(uint64(n))
		}
	}
}

func (u *udpRelay) end(f *flow) {
	u.mu.Lock()
	if e := u.flows[f.from]; e != nil && e.Value == f {
		u.order.Remove(e)
		delete(u.flows, f.from)
	}
	u.mu.Unlock()
	u.p.forget(f.conn)
	if u.front {
		u.r.count.open.Add(-1)
	}
}
