package gonet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"smolsh/stack/clock"
)

// attemptDelay is the time after which a dial tries the next address without the answer of the one before (RFC 8305 §5).
const attemptDelay = 250 * time.Millisecond

// A Dialer has the options of a dial, as net.Dialer has them. The zero value but for Net is ready for use.
type Dialer struct {
	Net *Net
	// Timeout bounds the whole dial, with all addresses of the name; 0: no bound but the context's and the stack's. With a negative
	// Timeout the dial fails at once.
	Timeout time.Duration
	// Deadline is the time at which the dial fails; the zero time: none.
	Deadline time.Time
	// LocalAddr is the local address, a *net.TCPAddr or *net.UDPAddr; nil: the route chooses the address, the stack the port.
	LocalAddr net.Addr
	// FallbackDelay is the time between the attempts of a dial to several addresses (RFC 8305 §5); 0: 250 ms. If it is negative, an
	// attempt begins when the one before has failed.
	FallbackDelay time.Duration
	// KeepAliveConfig has the options of keep-alives, if Enable is set. Otherwise they are on, unless KeepAlive is negative.
	KeepAliveConfig net.KeepAliveConfig
	// KeepAlive is the idle time before a keep-alive; 0: that of the host's tcp.Config, 15 s if it has none; negative: no keep-alives.
	KeepAlive time.Duration
}

// Dial is DialContext without a context.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialTimeout is Dial with a bound for the whole dial.
func (n *Net) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	d := Dialer{Net: n, Timeout: timeout}
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address such as "host:port". The networks are tcp, tcp4, tcp6, udp, udp4 and udp6. host is an address, the
// name of a host of the lab, or a name that the Resolver's servers know; an empty host is the host itself. It returns a *TCPConn or a
// *UDPConn. With several addresses, TCP begins an attempt every 250 ms, or when one has failed, the families in turn, and the first
// established connection wins (Happy Eyeballs, RFC 8305). Errors are of type *net.OpError.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := Dialer{Net: n}
	return d.DialContext(ctx, network, address)
}

// Dial is DialContext without a context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext is Net.DialContext with the Dialer's options.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Net: network, Err: err} }
	proto, family, ok := protocol(network)
	if !ok {
		return fail(net.UnknownNetworkError(network))
	}
	if address == "" {
		return fail(errMissingAddress)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	addrs, port, err := d.Net.resolve(ctx, network, address)
	if err != nil {
		return fail(err)
	}
	local, ok := localAddr(d.LocalAddr, proto)
	if !ok {
		return fail(&net.AddrError{Err: "mismatched local address type", Addr: d.LocalAddr.String()})
	}
	var remotes []remote
	for _, a := range addrs {
		r := remote{to: netip.AddrPortFrom(a, port), named: netip.AddrPortFrom(a, port)}
		if !a.IsValid() || a.IsUnspecified() {
			r.to = netip.AddrPortFrom(loopback(family != 6 && (!a.IsValid() || a.Is4())), port)
		}
		if !local.Addr().IsValid() || local.Addr().Is4() == r.to.Addr().Is4() {
			remotes = append(remotes, r)
		}
	}
	if len(remotes) == 0 {
		return fail(noSuitable(d.LocalAddr.String()))
	}
	if proto == "udp" {
		return d.dialUDP(ctx, network, local, remotes)
	}
	c, err := d.dialTCP(ctx, network, local, interleave(remotes))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// bound returns ctx with the Dialer's Timeout and Deadline.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	at := d.Deadline
	if d.Timeout != 0 { // negative too, as in package net: the rest of a time that is over
		if t := time.Now().Add(d.Timeout); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if at.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, at)
}

// A remote is an address to dial.
type remote struct {
	to    netip.AddrPort
	named netip.AddrPort // for errors: that which the program has named, perhaps the unspecified address or none
}

// interleave returns the addresses with the families in turn, beginning with that of the first (RFC 8305 §4).
func interleave(all []remote) (list []remote) {
	var kinds [2][]remote
	for _, a := range all {
		k := 0
		if a.to.Addr().Is4() != all[0].to.Addr().Is4() {
			k = 1
		}
		kinds[k] = append(kinds[k], a)
	}
	for len(kinds[0])+len(kinds[1]) > 0 {
		for k := range kinds {
			if len(kinds[k]) > 0 {
				list = append(list, kinds[k][0])
				kinds[k] = kinds[k][1:]
			}
		}
	}
	return list
}

func (d *Dialer) dialUDP(ctx context.Context, network string, local netip.AddrPort, remotes []remote) (net.Conn, error) {
	var first error
	for _, r := range remotes {
		if err := ctx.Err(); err != nil {
			return nil, d.dialError(network, r, contextError(err))
		}
		u, err := d.Net.dialUDP(network, local, r.to)
		if err == nil {
			return u, nil
		}
		if first == nil {
			first = d.dialError(network, r, err)
		}
	}
	return nil, first
}

func (d *Dialer) dialError(network string, r remote, err error) error {
	e := &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Err: err}
	if network[0] == 'u' {
		e.Addr = net.UDPAddrFromAddrPort(r.named)
	} else {
		e.Addr = net.TCPAddrFromAddrPort(r.named)
	}
	return e
}

// dialTCP tries the addresses in their order, each after a delay or after the failure of an attempt, and returns the first connection.
// If all fail, the error is that of the first.
func (d *Dialer) dialTCP(ctx context.Context, network string, local netip.AddrPort, remotes []remote) (*TCPConn, error) {
	var (
		done     = make(chan *TCPConn, len(remotes))
		attempts []*TCPConn // those that have begun
		pending  int        // attempts without a result
		first    error
		firstOf  remote
		next     *time.Timer
		due      <-chan time.Time
	)
	defer func() {
		for _, c := range attempts {
			c.abandon()
		}
		if next != nil {
			next.Stop()
		}
	}()
	begin := func() {
		attempts = append(attempts, d.begin(network, local, remotes[len(attempts)], done))
		pending++
		if next != nil {
			next.Stop()
		}
		if due = nil; len(attempts) < len(remotes) && d.FallbackDelay >= 0 {
			next = time.NewTimer(d.delay())
			due = next.C
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, d.dialError(network, remotes[0], contextError(err))
	}
	for begin(); ; {
		select {
		case c := <-done:
			pending--
			if c.dial.err == nil {
				attempts = without(attempts, c)
				return c, nil
			}
			if first == nil {
				first, firstOf = c.dial.err, c.dial.remote
			}
			switch {
			case len(attempts) < len(remotes):
				begin()
			case pending == 0:
				return nil, d.dialError(network, firstOf, first)
			}
		case <-due:
			begin()
		case <-ctx.Done():
			return nil, d.dialError(network, remotes[0], d.late(contextError(ctx.Err()), attempts[0]))
		}
	}
}

// late returns the error of a dial that its context has ended: with the ICMP error of the first attempt, if there was one.
func (d *Dialer) late(err error, c *TCPConn) error {
	if _, ok := err.(timeoutError); !ok {
		return err
	}
	d.Net.do("error of dial "+c.dial.remote.to.String(), func(clock.Instant) {
		if c.sock == nil {
			return
		}
		if soft := sysError("connect", c.sock.SoftErr()); soft != nil {
			err = unreachableError{cause: soft}
		}
	})
	return err
}

func (d *Dialer) delay() time.Duration {
	if d.FallbackDelay > 0 {
		return d.FallbackDelay
	}
	return attemptDelay
}

// begin makes the owner open a connection, which is sent to done when it is established or has failed.
func (d *Dialer) begin(network string, local netip.AddrPort, remote remote, done chan *TCPConn) *TCPConn {
	c := d.Net.newTCP(network)
	c.dial = &dialing{local: local, remote: remote, done: done}
	switch {
	case d.KeepAliveConfig.Enable:
		c.dial.keepAlive = &d.KeepAliveConfig
	case d.KeepAlive != 0:
		c.dial.keepAlive = &net.KeepAliveConfig{Enable: d.KeepAlive > 0, Idle: d.KeepAlive}
	}
	if remote.to.Port() == 0 { // no listener can have it
		c.dialled(os.NewSyscallError("connect", syscall.ECONNREFUSED))
		return c
	}
	c.task.key.want = "dial " + network + local.String() + remote.to.String()
	d.Net.submit(&c.task)
	return c
}

// abandon ends a connection that the program never gets. The stack sends a RST if it is established.
func (c *TCPConn) abandon() {
	c.mu.Lock()
	c.linger = 0
	if !c.closed {
		c.close()
	}
	c.mu.Unlock()
	c.net.submit(&c.task)
}

// without returns the list without c.
func without(list []*TCPConn, c *TCPConn) []*TCPConn {
	var rest []*TCPConn
	for _, o := range list {
		if o != c {
			rest = append(rest, o)
		}
	}
	return rest
}
