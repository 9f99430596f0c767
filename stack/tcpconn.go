package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TCPConn is a TCP socket. Connection errors are tcp.Err…. Nothing blocks: a call that cannot proceed returns 0, and the
// caller waits on Signal and tries again. Received octets stay readable after the host has removed the connection.
type TCPConn struct {
	Signal  Signal                  // state, readability or writability changed
	OnEvent func(now clock.Instant) // called on the same events, for a consumer that runs on the owner; may be nil

	host          *Host
	id            uint64
	conn          *tcp.Conn
	local, remote netip.AddrPort
	ttl           uint8
	mss           uint16 // the interface's mss when the connection was made
	half          bool   // passive and not ESTABLISHED yet: it counts against the SYN queue
	queued        bool   // on its interface's ready list
	gone          bool   // the host has removed it
	notifying     bool   // OnEvent is running
	passive       bool   // the peer opened it; valid only while there are listeners of events
	addrRemoved   bool   // it ended because its local address was removed
	evicted       bool   // it ended because other connections needed its memory
	epoch         uint32 // the epoch of the host's routes at which hop was looked up

	listener *TCPListener // the listener whose SYN queue or backlog it is in; nil once accepted
	parked   *neighbor    // the neighbour whose answer it waits for; nil if it waits for none
	hop      hop          // the way to remote, as of epoch
	timer    clock.Timer[*TCPConn]
	nextUp   *TCPConn // the next connection on the ready list

	lastNotified connStatus // the latest status that was notified
	memoryUse    *memoryUse // its part of the host's memory pools; nil if it holds none
	dest         *destPorts // the set that its local port is in; nil if the peer opened the connection
}

// connStatus is the part of a connection's state whose changes are notified to the user.
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

// DialTCP opens a connection to remote (active OPEN). The route chooses a zero local address; port 0 is an ephemeral port. The
// zero cfg means the host's defaults. State and Err show the progress of the handshake. Errors: ErrNoRoute, ErrNotOurs,
// ErrPortInUse, ErrNoPorts, ErrInvalid, ErrLimit.
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
	iss, stampOffset := h.starts(now, local, remote)
	conn := tcp.Open(h.tcpConfig(cfg), p.iface.mss(), iss, now, &h.tcp.hooks)
	conn.SetStampOffset(stampOffset)
	c := h.addConn(id, conn, p.iface, local, remote)
	h.ports.hold(c)
	h.connChanged(now, c)
	return c, nil
}

// tcpConfig returns a configuration that connections may share: cfg, or the host's defaults if cfg is empty. Successive sockets
// with equal options, which are the usual case, get the same one.
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

// TCPDefaults returns the default configuration of new sockets.
func (h *Host) TCPDefaults() tcp.Config { return h.cfg.TCP }

func (h *Host) addConn(id uint64, conn *tcp.Conn, i *Iface, local, remote netip.AddrPort) *TCPConn {
	c := &TCPConn{host: h, id: id, conn: conn, local: local, remote: remote}
	c.ttl, c.mss = conn.Config().TTL, uint16(i.mss())
	c.timer.Value = c
	c.lastNotified = c.status()
	h.sockets.conns[flowOf(local, remote)] = c
	return c
}

// mss returns the largest TCP payload in octets that fits one packet of the interface.
func (i *Iface) mss() int { return i.MTU() - wire.IPv4Len - wire.TCPLen }

func (c *TCPConn) status() connStatus {
	return connStatus{c.conn.State(), c.conn.AtEOF(), int32(c.conn.Readable()), int32(c.Writable())}
}

// Local returns the local address and port.
func (c *TCPConn) Local() netip.AddrPort { return c.local }

// Remote returns the peer's address and port.
func (c *TCPConn) Remote() netip.AddrPort { return c.remote }

// State returns the connection's state.
func (c *TCPConn) State() tcp.State { return c.conn.State() }

// Err returns the error that ended the connection; nil while it lives and after an orderly close.
func (c *TCPConn) Err() error { return c.userError(c.conn.Err()) }

// userError returns the error that the user sees for err. ErrAborted becomes the host's reason if the host itself aborted
// the connection.
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

// Read moves received octets into p. It returns 0 and nil if none are pending, io.EOF after the end of the stream.
func (c *TCPConn) Read(now clock.Instant, p []byte) (int, error) {
	n, err := c.conn.Read(p)
	if n > 0 {
		c.host.connChanged(now, c) // the read may have opened the window
	}
	return n, c.userError(err)
}

// Discard is Read of up to n octets without copying them.
func (c *TCPConn) Discard(now clock.Instant, n int) (int, error) {
	n, err := c.conn.Discard(n)
	if n > 0 {
		c.host.connChanged(now, c)
	}
	return n, c.userError(err)
}

// Write queues octets and returns how many it queued: 0 and nil if the buffer is full.
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

// Readable returns the number of octets that Read would return now.
func (c *TCPConn) Readable() int { return c.conn.Readable() }

// AtEOF reports whether Read would return io.EOF or an error, because no more octets will arrive.
func (c *TCPConn) AtEOF() bool { return c.conn.AtEOF() }

// CloseWrite half-closes the connection: it sends FIN after the queued octets. Reading is still possible.
func (c *TCPConn) CloseWrite(now clock.Instant) error {
	err := c.conn.CloseWrite(now)
	c.host.connChanged(now, c)
	return c.userError(err)
}

// Close closes both directions at once: gracefully, or by RST if data is unread.
func (c *TCPConn) Close(now clock.Instant) {
	c.conn.Close(now)
	c.host.connChanged(now, c)
}

// Abort ends the connection by RST.
func (c *TCPConn) Abort(now clock.Instant) {
	c.conn.Abort(now)
	c.host.connChanged(now, c)
}

// Config returns the connection's options.
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

// Info returns a snapshot of the connection under the RFCs' names.
func (c *TCPConn) Info(now clock.Instant) tcp.Info { return c.conn.Info(now) }

// Log appends the connection's log to dst: see tcp.Conn.Log.
func (c *TCPConn) Log(dst []tcp.LogEntry) (entries []tcp.LogEntry, lost uint64) {
	return c.conn.Log(dst)
}

// Check returns an error for the first of the connection's invariants that does not hold: see tcp.Conn.Check.
func (c *TCPConn) Check() error { return c.conn.Check() }

// InitialSequence returns the initial sequence number of one direction of a connection of this host, from src to dst. ok is
// false if the host has no such connection.
func (h *Host) InitialSequence(src, dst netip.AddrPort) (isn wire.Seq, ok bool) {
	if c := h.sockets.conns[flowOf(src, dst)]; c != nil {
		isn, _ = c.conn.InitialSequences()
		return isn, true
	}
	if c := h.sockets.conns[flowOf(dst, src)]; c != nil {
		_, isn = c.conn.InitialSequences()
		return isn, true
	}
	return 0, false
}
