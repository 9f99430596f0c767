package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TCPConn is a TCP socket. Connection errors are tcp.Err…. Nothing blocks: who must wait gets nothing,
// waits on Signal and tries again. It stays readable after the host has forgotten the connection.
type TCPConn struct {
	Signal  Signal                  // state, readability or writability changed
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner; may be nil, is not called from within itself

	host          *Host
	id            uint64
	conn          *tcp.Conn
	local, remote netip.AddrPort
	ttl           uint8
	mss           uint16 // what the interface took when the connection was made
	half          bool   // passive and not ESTABLISHED yet: it counts against the SYN queue
	queued        bool   // on its interface's ready list
	gone          bool   // the host has forgotten it
	notifying     bool   // OnEvent is running
	passive       bool   // the peer opened it; known only while somebody listens to events
	addrRemoved   bool   // its local address was taken away
	evicted       bool   // it made room for others

	listener *TCPListener // whose backlog it waits in, or will
	parked   *neighbor    // whose answer it waits for
	hop      hop          // the way to remote, as of epoch
	epoch    uint32
	timer    clock.Timer[*TCPConn]
	nextUp   *TCPConn // on the ready list

	lastNotified connStatus // what the user was last told
	memoryUse    *memoryUse // what it holds of the host's pools; nil: nothing
}

// connStatus is what a user waits for a change of.
type connStatus struct {
	state              tcp.State
	eof                bool
	readable, writable int32
}

// readyList is the round robin of connections that may have something to send.
type readyList struct {
	first, last *TCPConn
	n           int
}

func (l *readyList) push(c *TCPConn) {
	c.queued, c.nextUp = true, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.nextUp = c
	}
	l.last = c
	l.n++
}

func (l *readyList) pop() *TCPConn {
	c := l.first
	l.first = c.nextUp
	if l.first == nil {
		l.last = nil
	}
	c.queued, c.nextUp = false, nil
	l.n--
	return c
}

// DialTCP opens a connection to remote (active OPEN). A zero local address is chosen by the route, port 0
// is an ephemeral one. The zero cfg means the host's defaults. ErrNoRoute, ErrNotOurs, ErrPortInUse,
// ErrNoPorts, ErrInvalid, ErrLimit; how the handshake goes is seen by State and Err.
func (h *Host) DialTCP(now clock.Instant, local, remote netip.AddrPort, cfg tcp.Config) (*TCPConn, error) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if !unicast(remote.Addr()) || remote.Port() == 0 {
		return nil, ErrInvalid
	}
	if !h.net.mayBind(local.Addr()) {
		return nil, ErrNotOurs
	}
	p, ok := h.net.lookup(remote.Addr())
	if ok && p.broadcast {
		return nil, ErrInvalid
	}
	local, err := h.localFor(local, remote.Addr())
	if err != nil {
		return nil, err
	}
	if local.Port() == 0 {
		port, err := h.ephemeralTo(local, remote)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	} else if h.sockets.conns[flowOf(local, remote)] != nil {
		return nil, ErrPortInUse
	}
	id, err := h.registerConn()
	if err != nil {
		return nil, err
	}
	conn := tcp.Open(h.tcpConfig(cfg), p.iface.mss(), h.iss(now, local, remote), now, &h.tcp.hooks)
	conn.SetStampOffset(h.stampOffset(local, remote))
	c := h.addConn(id, conn, p.iface, local, remote)
	h.ports.take(local, remote)
	h.connChanged(now, c)
	return c, nil
}

// tcpConfig is a configuration for connections to share, the host's defaults in the place of an empty
// one. Sockets that are made alike one after the other, as most are, get the same.
func (h *Host) tcpConfig(cfg tcp.Config) *tcp.Config {
	if cfg == (tcp.Config{}) {
		cfg = h.cfg.TCP
	}
	if h.tcp.config == nil || *h.tcp.config != cfg {
		if shared := tcp.Shared(cfg); h.tcp.config == nil || *h.tcp.config != *shared {
			h.tcp.config = shared
		}
	}
	return h.tcp.config
}

// TCPDefaults is the configuration that new sockets get when nothing else is said.
func (h *Host) TCPDefaults() tcp.Config { return h.cfg.TCP }

func (h *Host) addConn(id uint64, conn *tcp.Conn, i *Iface, local, remote netip.AddrPort) *TCPConn {
	c := &TCPConn{host: h, id: id, conn: conn, local: local, remote: remote}
	c.ttl, c.mss = conn.Config().TTL, uint16(i.mss())
	c.timer.Value = c
	c.lastNotified = c.status()
	h.sockets.conns[flowOf(local, remote)] = c
	return c
}

// mss is the largest TCP payload the interface takes in one packet.
func (i *Iface) mss() int { return i.MTU() - wire.IPv4Len - wire.TCPLen }

func (c *TCPConn) status() connStatus {
	return connStatus{c.conn.State(), c.conn.AtEOF(), int32(c.conn.Readable()), int32(c.Writable())}
}

// Local is the local address and port.
func (c *TCPConn) Local() netip.AddrPort { return c.local }

// Remote is the peer's address and port.
func (c *TCPConn) Remote() netip.AddrPort { return c.remote }

// State is the connection's state.
func (c *TCPConn) State() tcp.State { return c.conn.State() }

// Err is why the connection ended; nil while it lives and after an orderly close.
func (c *TCPConn) Err() error { return c.userError(c.conn.Err()) }

// userError is the reason that the user is given for err: the host ABORTs a connection for reasons of its own too.
func (c *TCPConn) userError(err error) error {
	switch {
	case err != tcp.ErrAborted:
	case c.addrRemoved:
		return ErrAddrRemoved
	case c.evicted:
		return ErrNoStorage
	}
	return err
}

// Read moves received octets into p. 0 and nil: there are none yet; io.EOF: the stream has ended.
func (c *TCPConn) Read(now clock.Instant, p []byte) (int, error) {
	n, err := c.conn.Read(p)
	if n > 0 {
		c.host.connChanged(now, c) // the window may have opened
	}
	return n, c.userError(err)
}

// Discard is Read without the octets: it takes up to n off.
func (c *TCPConn) Discard(now clock.Instant, n int) (int, error) {
	n, err := c.conn.Discard(n)
	if n > 0 {
		c.host.connChanged(now, c)
	}
	return n, c.userError(err)
}

// Write queues octets and returns how many were taken; 0 and nil: wait.
func (c *TCPConn) Write(now clock.Instant, p []byte) (int, error) {
	room := c.writable(now, true)
	n, err := c.conn.Write(p[:min(len(p), room)])
	if n < len(p) && n == room && c.conn.Writable() > 0 {
		c.host.countRefusedTo(limitBuffers, c.remote.Addr())
	}
	if n > 0 {
		c.host.connChanged(now, c)
	}
	return n, c.userError(err)
}

// Readable is the number of octets Read would give at once.
func (c *TCPConn) Readable() int { return c.conn.Readable() }

// AtEOF reports whether Read would give io.EOF or an error: nothing more will come.
func (c *TCPConn) AtEOF() bool { return c.conn.AtEOF() }

// CloseWrite half-closes: FIN after what is queued; reading goes on.
func (c *TCPConn) CloseWrite(now clock.Instant) error {
	err := c.conn.CloseWrite(now)
	c.host.connChanged(now, c)
	return c.userError(err)
}

// Close closes both ways at once for the caller: gracefully, or by RST when data is unread.
func (c *TCPConn) Close(now clock.Instant) {
	c.conn.Close(now)
	c.host.connChanged(now, c)
}

// Abort ends the connection by RST.
func (c *TCPConn) Abort(now clock.Instant) {
	c.conn.Abort(now)
	c.host.connChanged(now, c)
}

// Config is the connection's options.
func (c *TCPConn) Config() tcp.Config { return c.conn.Config() }

// SetConfig changes options while the connection lives. ErrInvalid: a buffer outside tcp.MinBuffer to
// tcp.MaxBuffer.
func (c *TCPConn) SetConfig(now clock.Instant, cfg tcp.Config) error {
	for _, n := range [...]int{cfg.SendBuffer, cfg.RecvBuffer} {
		if n != 0 && (n < tcp.MinBuffer || n > tcp.MaxBuffer) {
			return ErrInvalid
		}
	}
	c.conn.SetConfig(now, cfg)
	c.ttl = c.conn.Config().TTL
	c.host.connChanged(now, c)
	return nil
}

// Info is a snapshot of the connection under the RFCs' names.
func (c *TCPConn) Info(now clock.Instant) tcp.Info { return c.conn.Info(now) }

// Log appends the connection's log to dst: see tcp.Conn.Log.
func (c *TCPConn) Log(dst []tcp.LogEntry) (entries []tcp.LogEntry, lost uint64) {
	return c.conn.Log(dst)
}

// Check returns the first of the connection's invariants that does not hold, nil when all do: see tcp.Conn.Check.
func (c *TCPConn) Check() error { return c.conn.Check() }
