package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

const (
	// MaxConns is the number of connections that a Proxy carries at a time. Each of its routes may carry an equal share. Further connections of
	// a route wait in the kernel's backlog.
	MaxConns = 8192
	// MaxFlows is the number of UDP flows of a route. One more ends the flow that was idle for longest.
	MaxFlows = 1024
	// DefaultUDPIdle is the time without a datagram after which a flow ends.
	DefaultUDPIdle = time.Minute
)

// Config is the configuration of a Proxy.
type Config struct {
	Runner      lab.Runner // moves the world of the hosts; it must not be virtual
	Local, Peer *lab.Host  // the programs' side and the targets' side, which share a link
	Link        *lab.Link  // the link, for the metrics; may be nil
	UDPIdle     time.Duration
	// Say is called with a line for each failure, such as a target that can't be reached. It must not block. Equal failures of a route
	// within a second make one line. A route has maxLines lines a second at most, and then one with the number of further failures.
	Say func(text string)
}

// A Proxy is a set of routes and the connections that they carry.
type Proxy struct {
	cfg         Config
	local, peer *gonet.Net
	peerAddr    netip.Addr
	ctx         context.Context
	cancel      context.CancelFunc
	running     sync.WaitGroup

	negotiationLimit time.Duration // time that a client has to name its target, and to end after a refusal; the link may be slow
	stallLimit       time.Duration // time for which octets of a connection that has ended wait for the other end to take some

	mu      sync.Mutex
	routes  []*route
	relays  []*tcpRelay // two for each TCP route
	starts  []func()    // the loops that Serve begins
	looking bool        // true after look has begun
	sockets map[closer]struct{}
	closed  bool
}

// closer is a socket that Close ends.
type closer interface{ Close() error }

// route is one way through the lab, with its counters.
type route struct {
	network, listen, target string // listen is the address of the socket
	count                   counters
	complaint               complaint
}

// New returns a Proxy without routes. Close ends it.
func New(cfg Config) (*Proxy, error) {
	if cfg.UDPIdle == 0 {
		cfg.UDPIdle = DefaultUDPIdle
	}
	if cfg.Say == nil {
		cfg.Say = func(string) {}
	}
	p := &Proxy{cfg: cfg, local: gonet.New(cfg.Runner, cfg.Local), peer: gonet.New(cfg.Runner, cfg.Peer), sockets: map[closer]struct{}{},
		negotiationLimit: time.Minute, stallLimit: 5 * time.Minute}
	cfg.Runner.Do(func(clock.Instant) {
		for _, a := range cfg.Peer.Addrs() {
			if a.Addr().Is4() && !p.peerAddr.IsValid() {
				p.peerAddr = a.Addr()
			}
		}
	})
	if !p.peerAddr.IsValid() {
		return nil, fmt.Errorf("host %s has no IPv4 address", cfg.Peer.Name())
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Add opens the sockets of a route. Serve begins to use them. The error is that of package net if the kernel refuses the socket.
func (p *Proxy) Add(r Route) error {
	if r.Network == "udp" {
		return p.addUDP(r)
	}
	dial := func(ctx context.Context, _ conn) (conn, io.Reader, error) {
		c, err := dialKernel(ctx, r.Target)
		return c, nil, err
	}
	return p.addTCP(r.Listen, r.Target, portOf(r.Target), dial)
}

// AddSOCKS opens the sockets of a route whose clients name their targets by SOCKS or CONNECT.
func (p *Proxy) AddSOCKS(listen string) error {
	return p.addTCP(listen, "socks", 1080, p.serveNegotiation)
}

// addTCP opens the sockets of a TCP route. dial opens the connection to the target for one that peer has accepted.
func (p *Proxy) addTCP(listen, target string, port uint16, dial dialFunc) error {
	in, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	r := &route{network: "tcp", listen: in.Addr().String(), target: target}
	through, err := p.peer.Listen("tcp4", fmt.Sprint(":", port))
	if err != nil { // another route has the port, or it is 0
		through, err = p.peer.Listen("tcp4", ":0")
	}
	if err != nil {
		in.Close()
		return err
	}
	at := netip.AddrPortFrom(p.peerAddr, portOf(through.Addr().String())).String()
	admit := newAdmission()
	enter := func(ctx context.Context, _ conn) (conn, io.Reader, error) {
		if !admit.begin(ctx.Done()) {
			return nil, nil, ctx.Err()
		}
		c, err := p.local.DialContext(ctx, "tcp4", at)
		if err != nil {
			admit.failed()
			return nil, nil, err
		}
		admit.opened(c.LocalAddr().String())
		return c.(*gonet.TCPConn), nil, nil
	}
	front := &tcpRelay{p: p, r: r, in: in, dial: enter, admit: admit, front: true}
	back := &tcpRelay{p: p, r: r, in: through, dial: dial, admit: admit}
	p.mu.Lock()
	p.relays = append(p.relays, front, back)
	p.mu.Unlock()
	p.add(r, []closer{in, through}, front.serve, back.serve, back.serve, back.serve, back.serve) // peer must accept as fast as local opens
	return nil
}

// add enters a route, its sockets, and the loops that serve them.
func (p *Proxy) add(r *route, sockets []closer, loops ...func()) {
	p.mu.Lock()
	p.routes = append(p.routes, r)
	p.starts = append(p.starts, loops...)
	p.mu.Unlock()
	for _, s := range sockets {
		p.track(s)
	}
}

// Serve begins to accept connections and datagrams on the routes added so far. Each TCP route may carry an equal share of MaxConns.
func (p *Proxy) Serve() {
	p.mu.Lock()
	starts := p.starts
	p.starts = nil
	if !p.looking {
		p.looking = true
		starts = append(starts, p.look)
	}
	for _, t := range p.relays {
		if t.slots == nil {
			t.slots = make(chan struct{}, p.share())
		}
	}
	p.mu.Unlock()
	for _, loop := range starts {
		p.running.Go(loop)
	}
}

// share returns the number of connections that one route may carry. The caller holds the lock.
func (p *Proxy) share() int {
	return MaxConns / (len(p.relays) / 2)
}

// Routes returns a line for each route: "tcp 127.0.0.1:8080 = 127.0.0.1:80".
func (p *Proxy) Routes() (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.routes {
		lines = append(lines, r.network+" "+r.listen+" = "+r.target)
	}
	return lines
}

// Listening returns the address of each route's socket.
func (p *Proxy) Listening() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.routes {
		list = append(list, r.listen)
	}
	return list
}

// Close closes the sockets that listen, resets every connection, and waits for the goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	list := make([]closer, 0, len(p.sockets))
	for s := range p.sockets {
		list = append(list, s)
	}
	p.mu.Unlock()
	p.tellRest(0)
	p.cancel()
	for _, s := range list {
		if c, ok := s.(conn); ok {
			reset(c)
			continue
		}
		_ = s.Close()
	}
	p.running.Wait()
}

// track makes Close end s. It returns false, and closes s, if the Proxy is closed already.
func (p *Proxy) track(s closer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = s.Close()
		return false
	}
	p.sockets[s] = struct{}{}
	return true
}

// forget closes s, which Close need not end any more.
func (p *Proxy) forget(s closer) {
	p.mu.Lock()
	delete(p.sockets, s)
	p.mu.Unlock()
	_ = s.Close() // an error means that it is closed already
}

// portOf returns the port of an address "host:port", 0 if there is none.
func portOf(addr string) uint16 {
	_, text, _ := net.SplitHostPort(addr)
	n, _ := strconv.ParseUint(text, 10, 16)
	return uint16(n)
}
