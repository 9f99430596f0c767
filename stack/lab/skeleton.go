// Package lab (skeleton): hosts, links, one event queue, one seed.
package lab

import (
	"net/netip"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// World is a clock with its event queue: everything that happens at some instant, ordered by (instant,
// order of scheduling). It owns the labs made in it. A Runner moves it: by jumping (virtual) or by the wall clock.
type World struct{ _ int }

func NewWorld() *World              { panic("skeleton") }
func (w *World) Now() clock.Instant { panic("skeleton") }

// Event is one scheduled call; it can be moved or stopped.
type Event struct{ _ int }

func (w *World) At(at clock.Instant, fn func(now clock.Instant)) *Event { panic("skeleton") }
func (e *Event) Stop()                                                  { panic("skeleton") }

// Next is when the next event is due (clock.Never: none), looking at hosts' deadlines and pending transmissions too.
func (w *World) Next() clock.Instant { panic("skeleton") }

// Advance sets the clock to now and runs everything that is due, pumping hosts' transmissions after each event.
func (w *World) Advance(now clock.Instant) { panic("skeleton") }

// Step runs the one next event, jumping the clock to it; false when there is none.
func (w *World) Step() bool { panic("skeleton") }

// Kick marks that an application call may have made hosts ready to transmit: the next Advance or Step pumps them.
func (w *World) Kick() { panic("skeleton") }

// Lab is a set of hosts and links with one seed. (world may be shared by several labs.)
type Lab struct{ _ int }

func New(w *World, seed uint64) *Lab { panic("skeleton") }
func (l *Lab) World() *World         { panic("skeleton") }
func (l *Lab) Seed() uint64          { panic("skeleton") }

type HostConfig struct {
	Name    string
	MAC     wire.HardwareAddr // zero: 02:00:00:00:00:NN by order in the lab
	Addrs   []netip.Prefix    // given to links in order
	Gateway netip.Addr
	MTU     int          // 0: 1500
	Stack   stack.Config // Name and Seed are set by the lab
}

// Host is a lab's host: a stack and its ports. Every host has a hidden loop interface with 127.0.0.1/8, on which its own addresses are reached.
type Host struct{ *stack.Host }

func (l *Lab) AddHost(cfg HostConfig) (*Host, error) { panic("skeleton") }
func (l *Lab) Hosts() []*Host                        { panic("skeleton") }
func (h *Host) Ports() []*Port                       { panic("skeleton") }

// Port is where a host's interface meets a device or a link's end; fault rules and captures sit here.
type Port struct{ _ int }

func (p *Port) Iface() *stack.Iface { panic("skeleton") }
func (p *Port) Faults() *fault.Set  { panic("skeleton") }

// Attach makes an interface of h on a device; the live Runner drains it (devices in memory are drained in Advance).
// addrs empty: the host's next address.
func (h *Host) Attach(dev phy.Device, addrs ...netip.Prefix) (*Port, error) { panic("skeleton") }

type LinkConfig struct {
	Delay, Jitter time.Duration
	RateBps       uint64  // bits per second, 0: infinitely fast
	Queue         int     // frames, 0: 100
	Loss          float64 // 0 to 1
	MTU           int     // 0: the hosts'
	Offload       bool    // carry super-segments whole
}

type Link struct{ _ int }

func (l *Lab) Link(a, b *Host, cfg LinkConfig) (*Link, error) { panic("skeleton") } // takes each host's next address
func (k *Link) Faults() *fault.Set                            { panic("skeleton") } // "a->b" is TX
func (k *Link) Ports() (a, b *Port)                           { panic("skeleton") }
func (k *Link) SetUp(up bool)                                 { panic("skeleton") }
func (l *Lab) Partition(a, b *Host)                           { panic("skeleton") }
func (l *Lab) Heal()                                          { panic("skeleton") }

// Switch is a learning bridge of links.
type Switch struct{ _ int }

func (l *Lab) Switch(name string) *Switch                       { panic("skeleton") }
func (s *Switch) Attach(h *Host, cfg LinkConfig) (*Link, error) { panic("skeleton") }

// Capture writes every frame of every host's interfaces, with verdicts as comments, until stop.
func (l *Lab) Capture(path string) (stop func() error, err error) { panic("skeleton") }

// CaptureHost does so for one host.
func (h *Host) Capture(path string) (stop func() error, err error) { panic("skeleton") }

// Conservation checks the law for every host.
func (l *Lab) Conservation() error { panic("skeleton") }

// Runner is how the script layer reaches a world.
type Runner interface {
	World() *World
	// Virtual reports which clock it is.
	Virtual() bool
	// Do runs fn on the owner and returns when it has run; hosts' transmissions are pumped afterwards. fn must not block.
	Do(fn func(now clock.Instant))
	// Idle is called when every task waits. Virtual: runs the next event and returns true, or false when none is left.
	// Live: returns true when wake has something or ctx-like cancel is closed.
	Idle(wake <-chan struct{}) bool
	// Now is the world's time.
	Now() clock.Instant
	Close() error
}

// NewVirtual returns the Runner that jumps.
func NewVirtual(w *World) Runner { panic("skeleton") }
