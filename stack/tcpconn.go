package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TCPConn is a TCP socket. It returns errors of package tcp and of this package. No call blocks: a call that can't
// proceed returns 0, and the caller waits on Signal and calls again. Received octets stay readable after the host has
// removed the connection.
type TCPConn struct {
	Signal  Signal                  // fired when the state, readability or writability has changed
	OnEvent func(now clock.Instant) // called with Signal, for a consumer on the owner's goroutine; may be nil

	host          *Host
	id            uint64
	conn          *tcp.Conn
	local, remote netip.AddrPort
	ttl           uint8
	mss           uint16 // the interface's MSS when the connection was made
	half          bool   // true while a passive connection counts against the SYN queue, until ESTABLISHED
	queued        bool   // true while on the interface's ready list
	gone          bool   // true after the host has removed the connection
	notifying     bool   // true while OnEvent runs
	passive       bool   // true if the peer opened the connection; valid only while there are listeners of events
	addrRemoved   bool   // true if the connection ended because its local address was removed
	evicted       bool   // true if the connection ended because other connections needed its memory
	doubtful      bool   // true if the last segment was sent to a neighbour that may be unreachable; tcpShared.doubts has the details
	epoch         uint32 // epoch of the host's routes when hop was looked up

	listener *TCPListener // listener whose SYN queue or backlog holds the connection; nil after Accept
	parked   *neighbor    // neighbour for whose answer the connection waits; nil if none
	hop      hop          // next hop to remote, as of epoch
	timer    clock.Timer[*TCPConn]
	nextUp   *TCPConn // the next connection on the ready list

	lastNotified connStatus // status at the last notification
	label        uint32     // flow label of IPv6
	memoryUse    *memoryUse // part of the host's memory pools; nil if the connection holds none
	dest         *destPorts // set that contains the local port; nil if the peer opened the connection
}

// connStatus is the part of a connection's state whose changes the user is notified of.
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

// DialTCP opens a connection to remote (active OPEN). A zero local address is chosen by the route, and a zero port is
// replaced by an ephemeral one. The zero cfg means the host's defaults. State and Err show the progress of the
// handshake. Errors: ErrNoRoute, ErrNotOurs, ErrZone, ErrPortInUse, ErrNoPorts, ErrInvalid, ErrLimit.
func (h *Host) DialTCP(now clock.Instant, local, remote netip.AddrPort, cfg tcp.Config) (*TCPConn, error) {
	c, err := h.dialTCP(now, local, remote, cfg)
	for try := 1; h.anotherPort(local, err, try); try++ {
		c, err = h.dialTCP(now, local, remote, cfg)
	}
	return c, err
}

func (h *Host) dialTCP(now clock.Instant, local, remote netip.AddrPort, cfg tcp.Config) (*TCPConn, error) {
	local, remote, err := h.ends(local, remote)
	if err != nil {
		return nil, err
	}
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
	if local, err = h.localFor(local, remote.Addr()); err != nil {
		return nil, err
	}
	if local.Port() == 0 {
		port, err := h.ephemeralTo(local, remote)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	} else if h.claim(wire.ProtocolTCP, local.Port()) != nil || h.sockets.conns[h.net.flowOf(local, remote)] != nil {
		return nil, ErrPortInUse
	}
	if err := h.holdPort(portsTCP, local); err != nil {
		return nil, err
	}
	id, err := h.registerConn()
	if err != nil {
		h.releasePort(portsTCP, local)
		return nil, err
	}
	iss, stampOffset := h.starts(now, local, remote)
	version := familyOf(remote.Addr())
	conn := tcp.Open(h.tcpConfig(cfg), p.iface.mss(version), iss, now, &h.tcp.hooks)
	if version == ipv6 {
		conn.OverIPv6()
	}
	conn.SetStampOffset(stampOffset)
	c := h.addConn(id, conn, p.iface, local, remote)
	h.ports.hold(c)
	h.connChanged(now, c)
	return c, nil
}

// tcpConfig returns a configuration that connections may share: cfg, or the host's defaults if cfg is empty. Successive
// sockets usually have equal options, and then share one configuration.
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
	version := familyOf(remote.Addr())
	c.ttl, c.mss, c.label = conn.Config().TTL, uint16(i.mss(version)), h.connLabel(local, remote)
	c.timer.Value = c
	c.lastNotified = c.status()
	h.sockets.addConn(h.net.flowOf(local, remote), c)
	return c
}

// mss returns the largest TCP payload in octets that fits one packet of the interface.
func (i *Iface) mss(f family) int { return i.mtuOf(f) - f.headerLen() - wire.TCPLen }

// headers returns the length of the headers of IP and TCP without options, in octets.
func (c *TCPConn) headers() int { return familyOf(c.remote.Addr()).headerLen() + wire.TCPLen }

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

// userError returns the error that the user sees for err. If the host itself aborted the connection, ErrAborted becomes
// the host's reason.
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
		c.host.connChanged(now, c) // reading may have opened the receive window
	}
	return n, c.userError(err)
}

// Discard removes up to n received octets without copying them, and otherwise behaves like Read.
func (c *TCPConn) Discard(now clock.Instant, n int) (int, error) {
	n, err := c.conn.Discard(n)
	if n > 0 {
		c.host.connChanged(now, c)
	}
	return n, c.userError(err)
}

// Write queues octets and returns the number queued: 0 and nil if the buffer is full.
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

// SoftErr returns the last ICMP error or failed neighbour resolution, nil if there was none.
func (c *TCPConn) SoftErr() error { return c.conn.SoftErr() }

// CloseRead shuts the receiving half: see tcp.Conn.CloseRead.
func (c *TCPConn) CloseRead() { c.conn.CloseRead() }

// Close closes both directions: in an orderly way, or by RST if received data is unread.
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

// SetConfig changes the options of a living connection. ErrInvalid: a buffer size is outside tcp.MinBuffer to
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
	if c := h.sockets.conns[h.net.flowOf(src, dst)]; c != nil {
		isn, _ = c.conn.InitialSequences()
		return isn, true
	}
	if c := h.sockets.conns[h.net.flowOf(dst, src)]; c != nil {
		_, isn = c.conn.InitialSequences()
		return isn, true
	}
	return 0, false
}
