// Package stack is one host: interfaces, neighbours, routes, sockets, counters. (Skeleton of the public
// surface: the owner of this package splits it into one file per noun.)
package stack

import (
	"net/netip"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// Config of a host.
type Config struct {
	Name     string
	Seed     uint64       // source of all the host's randomness (one PCG)
	Neighbor neigh.Config // lifetimes, rates, bounds
	TCP      tcp.Config   // defaults for new sockets; zero value means tcp.Default()
	// limits: sockets, SYN queue, datagram queues, reply queue, ICMP rate … with documented defaults
}

type Host struct{ _ int }

func New(cfg Config) *Host   { panic("skeleton") }
func (h *Host) Name() string { panic("skeleton") }

// ---- interfaces

type IfaceConfig struct {
	Name   string
	Caps   phy.Capabilities // the device's, at the moment; SetCapabilities when they change
	MAC    wire.HardwareAddr
	Addrs  []netip.Prefix // host address with prefix length
	Hidden bool           // not in the tables: the loop to the host's own addresses
}

type Iface struct{ _ int }

func (h *Host) AddIface(now clock.Instant, cfg IfaceConfig) *Iface   { panic("skeleton") } // announces its addresses (gratuitous ARP)
func (h *Host) Ifaces() []*Iface                                     { panic("skeleton") } // without hidden ones
func (i *Iface) Host() *Host                                         { panic("skeleton") }
func (i *Iface) Name() string                                        { panic("skeleton") }
func (i *Iface) SetCapabilities(c phy.Capabilities)                  { panic("skeleton") }
func (i *Iface) AddAddr(now clock.Instant, p netip.Prefix) error     { panic("skeleton") }
func (i *Iface) DelAddr(now clock.Instant, p netip.Prefix) error     { panic("skeleton") } // connections of the address are reset locally
func (i *Iface) SetMTU(mtu int) error                                { panic("skeleton") }
func (i *Iface) SetMAC(now clock.Instant, a wire.HardwareAddr) error { panic("skeleton") }
func (i *Iface) SetUp(now clock.Instant, up bool)                    { panic("skeleton") }

// ---- the data path: called by the lab

// Receive takes one frame in; the frame stays the caller's, who recycles it afterwards. Observers are
// called with the verdict before it returns.
func (h *Host) Receive(now clock.Instant, i *Iface, f *phy.Frame) Verdict { panic("skeleton") }

// Transmit fills f (empty, with full headroom) with the next frame for interface i and reports whether
// there was one. When the interface's capabilities offer it, f may be a super-segment: f's tail says how
// long it may be.
func (h *Host) Transmit(now clock.Instant, i *Iface, f *phy.Frame) bool { panic("skeleton") }

// Sent reports what became of a frame that Transmit gave: counted as sent, or as dropped with a reason
// (a fault rule, the device). Observers are called.
func (h *Host) Sent(now clock.Instant, i *Iface, f *phy.Frame, r drop.Reason) { panic("skeleton") }

// Lost counts an arriving frame that a fault rule dropped before the stack saw it. Observers are called.
func (h *Host) Lost(now clock.Instant, i *Iface, f *phy.Frame, r drop.Reason) Verdict {
	panic("skeleton")
}

// Pending reports whether Transmit may have something for i at now.
func (h *Host) Pending(now clock.Instant, i *Iface) bool { panic("skeleton") }

// Deadline is when Tick should be called though nothing happened; clock.Never if not.
func (h *Host) Deadline() clock.Instant { panic("skeleton") }

// Tick runs what is due at now: connection timers (they become ready to Transmit), neighbour timers.
func (h *Host) Tick(now clock.Instant) { panic("skeleton") }

// ---- verdicts and observers

type VerdictKind uint8

const (
	Delivered VerdictKind = iota // to a socket, or consumed by the stack (an ARP reply)
	Answered                     // answered by the stack itself: echo reply, ARP reply, RST, port unreachable
	Forwarded
	Dropped
	Transmitted // an observer's word for a frame that goes out
)

// Verdict says what became of a frame. It is a value; String is what traces and packet comments say:
// "ESTABLISHED", "listener :7, SYN-RECEIVED", "echo reply", "udp :6969", "dropped: fault loss".
type Verdict struct {
	Kind     VerdictKind
	Reason   drop.Reason
	Proto    wire.Protocol // of the socket it went to; 0 none
	Port     uint16        // that socket's local port, or ICMP identifier
	State    tcp.State     // the connection's state after the segment
	Listener bool          // it reached a listener
}

func (v Verdict) String() string { panic("skeleton") }

type Dir uint8

const (
	RX Dir = iota
	TX
)

// PacketEvent is what observers get. Frame must not be kept nor changed.
type PacketEvent struct {
	Now     clock.Instant
	Host    *Host
	Iface   *Iface
	Dir     Dir
	Frame   *phy.Frame
	Verdict Verdict
}

// Observe calls fn with every frame and its verdict from now on, until cancel is called.
func (h *Host) Observe(fn func(ev *PacketEvent)) (cancel func()) { panic("skeleton") }

// ---- waiting

// Signal is where tasks wait for a socket. Fire wakes every waiter once, in the order of waiting; who is
// woken tries again.
type Signal struct{ _ int }

// Waiter is one wait; Wake is called at most once per Wait, on the owner's goroutine.
type Waiter struct {
	Wake func()
	// intrusive links
}

func (s *Signal) Wait(w *Waiter)   { panic("skeleton") }
func (s *Signal) Cancel(w *Waiter) { panic("skeleton") } // also when it does not wait any more
func (s *Signal) Fire()            { panic("skeleton") }

// ---- sockets. Nothing blocks: who must wait gets nothing, waits on Signal, tries again.

// TCPConn is a TCP socket. Connection errors are tcp.Err…
type TCPConn struct {
	Signal  Signal                  // state, readability or writability changed
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner (echo in Go); may be nil
}

func (h *Host) DialTCP(now clock.Instant, local, remote netip.AddrPort, cfg tcp.Config) (*TCPConn, error) {
	panic("skeleton")
}                                                                    // zero local: chosen
func (c *TCPConn) Local() netip.AddrPort                             { panic("skeleton") }
func (c *TCPConn) Remote() netip.AddrPort                            { panic("skeleton") }
func (c *TCPConn) State() tcp.State                                  { panic("skeleton") }
func (c *TCPConn) Err() error                                        { panic("skeleton") }
func (c *TCPConn) Read(now clock.Instant, p []byte) (int, error)     { panic("skeleton") } // 0,nil: wait; io.EOF; error
func (c *TCPConn) Write(now clock.Instant, p []byte) (int, error)    { panic("skeleton") } // 0,nil: wait
func (c *TCPConn) Readable() int                                     { panic("skeleton") }
func (c *TCPConn) Writable() int                                     { panic("skeleton") }
func (c *TCPConn) CloseWrite(now clock.Instant) error                { panic("skeleton") }
func (c *TCPConn) Close(now clock.Instant)                           { panic("skeleton") }
func (c *TCPConn) Abort(now clock.Instant)                           { panic("skeleton") }
func (c *TCPConn) Config() tcp.Config                                { panic("skeleton") }
func (c *TCPConn) SetConfig(now clock.Instant, cfg tcp.Config) error { panic("skeleton") }
func (c *TCPConn) Info(now clock.Instant) tcp.Info                   { panic("skeleton") }

type TCPListener struct {
	Signal  Signal
	OnEvent func(now clock.Instant)
}

func (h *Host) ListenTCP(local netip.AddrPort, backlog int, cfg tcp.Config) (*TCPListener, error) {
	panic("skeleton")
}                                              // zero Addr: any; port 0: ephemeral
func (l *TCPListener) Accept() *TCPConn        { panic("skeleton") } // nil: wait
func (l *TCPListener) Local() netip.AddrPort   { panic("skeleton") }
func (l *TCPListener) Pending() int            { panic("skeleton") }
func (l *TCPListener) Close(now clock.Instant) { panic("skeleton") } // waiting connections are reset

type UDPConn struct {
	Signal  Signal
	OnEvent func(now clock.Instant)
}

func (h *Host) BindUDP(local netip.AddrPort) (*UDPConn, error)               { panic("skeleton") }
func (h *Host) DialUDP(local, remote netip.AddrPort) (*UDPConn, error)       { panic("skeleton") }
func (u *UDPConn) Local() netip.AddrPort                                     { panic("skeleton") }
func (u *UDPConn) Remote() netip.AddrPort                                    { panic("skeleton") } // zero when not connected
func (u *UDPConn) SetTTL(ttl uint8)                                          { panic("skeleton") }
func (u *UDPConn) Send(now clock.Instant, p []byte, to netip.AddrPort) error { panic("skeleton") } // zero to: the remote
func (u *UDPConn) Recv(p []byte) (n int, from netip.AddrPort, err error)     { panic("skeleton") } // n -1, nil: wait; pending ICMP errors are returned once
func (u *UDPConn) NextLen() int                                              { panic("skeleton") } // length of the waiting datagram, -1 none
func (u *UDPConn) Close()                                                    { panic("skeleton") }

// ICMPConn receives echo replies with its identifier (bind), or errors that quote a UDP port or identifier of ours.
type ICMPConn struct {
	Signal  Signal
	OnEvent func(now clock.Instant)
}

func (h *Host) BindICMP(id uint16) (*ICMPConn, error)        { panic("skeleton") } // id 0: a free one
func (h *Host) ListenICMP(udpPort uint16) (*ICMPConn, error) { panic("skeleton") } // errors about that UDP port
func (c *ICMPConn) ID() uint16                               { panic("skeleton") }

// Send sends a whole ICMP message (type, code, …); the checksum is filled in.
func (c *ICMPConn) Send(now clock.Instant, msg []byte, to netip.Addr, ttl uint8) error {
	panic("skeleton")
}

// Recv gives a whole ICMP message without the IP header; n -1: wait. err: what became of a datagram we sent (host unreachable: neighbour failed).
func (c *ICMPConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) { panic("skeleton") }
func (c *ICMPConn) Close()                                                       { panic("skeleton") }

// API errors: tcp.Err… for connections, and
//   ErrPortInUse "address in use", ErrNoRoute "network unreachable", ErrHostUnreachable (= tcp.ErrHostUnreach),
//   ErrTooBig "message too big", ErrNoPorts, ErrNotOurs "address not available", ErrClosed "closed", ErrLimit …

// ---- routes, neighbours

type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // zero: on link
	Iface   *Iface
}

func (h *Host) AddRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error { panic("skeleton") } // i nil: by gateway
func (h *Host) DelRoute(dst netip.Prefix) error                          { panic("skeleton") }
func (i *Iface) AddNeighbor(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) error {
	panic("skeleton")
}                                                                  // PERMANENT
func (i *Iface) DelNeighbor(now clock.Instant, a netip.Addr) error { panic("skeleton") }
func (i *Iface) FlushNeighbors(now clock.Instant)                  { panic("skeleton") }

// ---- snapshots: plain values, nothing of the core

type IfaceInfo struct {
	Name, Medium                  string
	Up                            bool
	MTU                           int
	MAC                           wire.HardwareAddr
	Addrs                         []netip.Prefix
	RxPackets, RxBytes, RxDropped uint64
	TxPackets, TxBytes, TxDropped uint64
}

type NeighborInfo struct {
	Addr           netip.Addr
	Dev            string
	HW             wire.HardwareAddr
	State          string        // INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT
	Age, Expires   time.Duration // Expires negative: never
	Probes, Queued int
}

type RouteInfo struct {
	Dst     netip.Prefix
	Gateway netip.Addr
	Dev     string
}

type SocketInfo struct {
	ID            uint64
	NetID         string // tcp, udp, icmp
	State         string // "" but for TCP: LISTEN, SYN-SENT, …; UNCONN/ESTAB for udp as ss does
	RecvQ, SendQ  int
	Local, Remote netip.AddrPort
	TCP           *tcp.Info // connections only
}

type CounterInfo struct {
	Name  string // IpInReceives, TcpRetransSegs, …
	Value uint64
}

type DropInfo struct {
	Reason  drop.Reason
	Count   uint64
	Last    clock.Instant
	Example []byte // head of the last such frame (bounded), with Medium to decode it
	Medium  phy.Medium
}

// Snapshot is everything at one instant; each part can be had alone.
type Snapshot struct {
	Now       clock.Instant
	Name      string
	Ifaces    []IfaceInfo
	Neighbors []NeighborInfo
	Routes    []RouteInfo
	Sockets   []SocketInfo
	Counters  []CounterInfo
	Drops     []DropInfo
}

func (h *Host) Snapshot(now clock.Instant) *Snapshot           { panic("skeleton") }
func (h *Host) IfaceInfos() []IfaceInfo                        { panic("skeleton") }
func (h *Host) NeighborInfos(now clock.Instant) []NeighborInfo { panic("skeleton") }
func (h *Host) RouteInfos() []RouteInfo                        { panic("skeleton") }
func (h *Host) SocketInfos(now clock.Instant) []SocketInfo     { panic("skeleton") }
func (h *Host) CounterInfos() []CounterInfo                    { panic("skeleton") }
func (h *Host) DropInfos() []DropInfo                          { panic("skeleton") }

// Conservation returns frames in, and delivered+answered+forwarded+dropped; they are equal, always.
func (h *Host) Conservation() (in, accounted uint64) { panic("skeleton") }
