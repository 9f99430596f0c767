package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// inside runs a measurement within one process, on a virtual lab of two hosts. Arguments: do=stream, connect, memory or simulate;
// super=1 for super-segments; n= connections.
func (a *actor) inside() error {
	var result map[string]float64
	var err error
	switch do := a.args["do"]; do {
	case "stream":
		var octets float64
		octets, _, err = a.labStream(a.args.flag("super"), 0)
		result = map[string]float64{"": octets * 8 / 1e9}
	case "simulate":
		runtime.GOMAXPROCS(1)
		result = map[string]float64{}
		_, result["full"], err = a.labStream(false, 0)
		if err == nil {
			_, result["one octet"], err = a.labStream(false, 64)
		}
		for k := range result {
			result[k] /= 1e6
		}
	case "connect":
		var rate float64
		rate, err = a.labConnect()
		result = map[string]float64{"": rate}
	case "memory":
		result, err = a.labMemory(a.args.number("n"))
	default:
		err = fmt.Errorf("inside: nothing called %q", do)
	}
	if err != nil {
		return err
	}
	a.tell(line{Result: result})
	return nil
}

// pair is two hosts of a virtual lab with a link between them.
type pair struct {
	w    *lab.World
	r    lab.Runner
	link *lab.Link
	a, b *lab.Host

	server netip.Addr // b's address
}

func (a *actor) newPair(link lab.LinkConfig) (*pair, error) {
	p := &pair{w: lab.NewWorld()}
	near, far := netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.0.2/24")
	if a.args.flag("ipv6") {
		near, far = netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("fd00::2/64")
	}
	p.server = far.Addr()
	l := lab.New(p.w, 1)
	cfg := stack.Config{Limits: stack.Limits{SYNQueue: 1 << 16}}
	var err error
	if p.a, err = l.AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{near}, Stack: cfg}); err != nil {
		return nil, err
	}
	if p.b, err = l.AddHost(lab.HostConfig{Name: "b", Addrs: []netip.Prefix{far}, Stack: cfg}); err != nil {
		return nil, err
	}
	link.Queue = 1 << 15
	if p.link, err = l.Link(p.a, p.b, link); err != nil {
		return nil, err
	}
	p.r = lab.NewVirtual(p.w)
	return p, nil
}

// frames returns the number of frames that both directions have carried.
func (p *pair) frames() uint64 {
	ab, ba := p.link.Stats()
	return ab.In + ba.In
}

// settle advances the world by d of simulated time.
func (p *pair) settle(d time.Duration) {
	done := false
	p.r.Do(func(now clock.Instant) { p.w.At(now.Add(d), func(clock.Instant) { done = true }) })
	for !done && p.r.Idle(nil) {
	}
}

func (p *pair) serverPort(i int) netip.AddrPort {
	return netip.AddrPortFrom(p.server, uint16(1000+i))
}

// labStream measures one connection that sends without pause, if pingers is 0. Otherwise it measures that many
// connections that each send one octet back and forth. It returns octets and segments per second.
func (a *actor) labStream(super bool, pingers int) (octets, segments float64, err error) {
	// The link has a rate, and the buffers have a fixed size. Otherwise both would grow without end, because simulated
	// time costs nothing.
	p, err := a.newPair(lab.LinkConfig{Delay: 10 * time.Microsecond, RateBps: 10_000_000_000, Offload: super})
	if err != nil {
		return 0, 0, err
	}
	got := int64(0)
	buf := make([]byte, ourChunk)
	echo := func(c *stack.TCPConn, octets []byte) func(clock.Instant) {
		return func(now clock.Instant) {
			for n, _ := c.Read(now, octets); n > 0; n, _ = c.Read(now, octets) {
				_, _ = c.Write(now, octets[:n])
			}
		}
	}
	p.r.Do(func(now clock.Instant) {
		var l *stack.TCPListener
		if l, err = p.b.ListenTCP(p.serverPort(0), 1024, tcp.Config{NoDelay: pingers > 0}); err != nil {
			return
		}
		l.OnEvent = func(now clock.Instant) {
			for c := l.Accept(); c != nil; c = l.Accept() {
				if pingers > 0 {
					c.OnEvent = echo(c, make([]byte, 64))
					c.OnEvent(now)
					continue
				}
				c.OnEvent = func(now clock.Instant) {
					for n, _ := c.Read(now, buf); n > 0; n, _ = c.Read(now, buf) {
						got += int64(n)
					}
				}
				c.OnEvent(now)
			}
		}
		err = p.dialStream(now, pingers, echo)
	})
	if err != nil {
		return 0, 0, err
	}
	octets, segments = a.rate(p, &got)
	if segments == 0 {
		return 0, 0, errors.New("nothing moved")
	}
	return octets, segments, nil
}

// dialStream opens the connection that sends without pause, or the connections that send one octet back and forth.
func (p *pair) dialStream(now clock.Instant, pingers int, echo func(*stack.TCPConn, []byte) func(clock.Instant)) error {
	for range max(1, pingers) {
		c, err := p.a.DialTCP(now, netip.AddrPort{}, p.serverPort(0), tcp.Config{NoDelay: pingers > 0})
		if err != nil {
			return err
		}
		if pingers > 0 {
			c.OnEvent = echo(c, make([]byte, 64))
			if _, err := c.Write(now, []byte{'x'}); err != nil {
				return err
			}
			continue
		}
		data := make([]byte, ourChunk)
		c.OnEvent = func(now clock.Instant) {
			for n, err := c.Write(now, data); n > 0 && err == nil; n, err = c.Write(now, data) {
			}
		}
	}
	return nil
}

// rate runs the pair, and returns octets and segments per second of wall-clock time.
func (a *actor) rate(p *pair, octets *int64) (perSecond, segments float64) {
	run := func(d time.Duration) time.Duration {
		start := time.Now()
		for {
			for range 1000 {
				if !p.r.Idle(nil) {
					return time.Since(start)
				}
			}
			if took := time.Since(start); took >= d {
				return took
			}
		}
	}
	run(a.warm)
	before, frames := *octets, p.frames()
	took := run(a.span).Seconds()
	return float64(*octets-before) / took, float64(p.frames()-frames) / took
}

const (
	connectPorts = 32 // many ports, so that 4-tuples in TIME-WAIT do not run out
	connecting   = 16 // connections open at a time
)

// labConnect opens connections that carry an octet from the client. Client and server take turns in closing first; the first to
// close keeps TIME-WAIT. It returns the number of connections closed per second.
func (a *actor) labConnect() (float64, error) {
	p, err := a.newPair(lab.LinkConfig{})
	if err != nil {
		return 0, err
	}
	made, done := 0, 0
	var failed error
	buf := make([]byte, 64)
	p.r.Do(func(clock.Instant) {
		for i := range connectPorts {
			l, err2 := p.b.ListenTCP(p.serverPort(i), 1024, tcp.Config{NoDelay: true})
			if err2 != nil {
				failed = err2
				return
			}
			serverFirst := i%2 == 1
			l.OnEvent = func(now clock.Instant) {
				for c := l.Accept(); c != nil; c = l.Accept() {
					c.OnEvent = func(now clock.Instant) {
						n, err := c.Read(now, buf)
						if n > 0 && !serverFirst {
							_, err = c.Read(now, buf) // the FIN may have arrived with the octet
						}
						if err != nil || n > 0 && serverFirst {
							c.OnEvent = nil
							c.Close(now)
						}
					}
					c.OnEvent(now)
				}
			}
		}
	})
	dial := func(now clock.Instant) {
		for made-done < connecting && failed == nil {
			i := made % connectPorts
			made++
			c, err := p.a.DialTCP(now, netip.AddrPort{}, p.serverPort(i), tcp.Config{NoDelay: true})
			if err == nil {
				_, err = c.Write(now, []byte{'x'})
			}
			if err != nil {
				failed = err
				return
			}
			clientFirst := i%2 == 0
			c.OnEvent = func(now clock.Instant) {
				if clientFirst && c.State() == tcp.Established {
					_ = c.CloseWrite(now)
				}
				if _, err := c.Read(now, buf); err != nil {
					c.OnEvent = nil
					c.Close(now)
					done++
				}
			}
		}
	}
	run := func(d time.Duration) (n int, took time.Duration) {
		start, before := time.Now(), done
		for took < d && failed == nil {
			p.r.Do(dial)
			for at := done; done < at+connecting/2 && failed == nil && p.r.Idle(nil); {
			}
			took = time.Since(start)
		}
		return done - before, took
	}
	run(a.warm)
	n, took := run(a.span)
	if failed == nil && n == 0 {
		failed = errors.New("no connection came to its end")
	}
	return float64(n) / took.Seconds(), failed
}

// labMemory establishes n connections, sends an octet in each direction of each, and waits until all are idle. It
// returns the heap that one end uses, and the duration of a full garbage collection.
func (a *actor) labMemory(n int) (map[string]float64, error) {
	p, err := a.newPair(lab.LinkConfig{})
	if err != nil {
		return nil, err
	}
	const perPort = 10000
	accepted, buf := make([]*stack.TCPConn, 0, n), make([]byte, 64)
	dialed := make([]*stack.TCPConn, 0, n)
	before := heap()
	p.r.Do(func(clock.Instant) {
		for i := range (n + perPort - 1) / perPort {
			l, err2 := p.b.ListenTCP(p.serverPort(i), 1024, tcp.Config{})
			if err2 != nil {
				err = err2
				return
			}
			l.OnEvent = func(now clock.Instant) {
				for c := l.Accept(); c != nil; c = l.Accept() {
					accepted = append(accepted, c)
				}
			}
		}
	})
	for i := 0; i < n && err == nil; i++ {
		p.r.Do(func(now clock.Instant) {
			var c *stack.TCPConn
			if c, err = p.a.DialTCP(now, netip.AddrPort{}, p.serverPort(i/perPort), tcp.Config{}); err == nil {
				_, err = c.Write(now, []byte{'x'})
				dialed = append(dialed, c)
			}
		})
		for len(accepted) <= i && err == nil && p.r.Idle(nil) {
		}
	}
	if err != nil {
		return nil, err
	}
	for _, c := range accepted {
		p.r.Do(func(now clock.Instant) {
			_, _ = c.Read(now, buf)
			_, _ = c.Write(now, []byte{'y'})
		})
	}
	p.settle(time.Second)
	for _, c := range dialed {
		p.r.Do(func(now clock.Instant) { _, _ = c.Read(now, buf) })
	}
	p.settle(10 * time.Second)
	result := perConnection(before, 2*n)
	for i, c := range dialed {
		if c.State() != tcp.Established || accepted[i].State() != tcp.Established {
			return nil, fmt.Errorf("connection %d is %v and %v", i, c.State(), accepted[i].State())
		}
	}
	return result, nil
}

// heap returns the heap in use after a full collection.
func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// perConnection returns the octets of heap that each of n connections has added. The statistics before are from before
// the connections.
func perConnection(before runtime.MemStats, n int) map[string]float64 {
	after := heap()
	start := time.Now()
	runtime.GC()
	took := time.Since(start)
	return map[string]float64{
		"size":    (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n),
		"objects": (float64(after.HeapObjects) - float64(before.HeapObjects)) / float64(n),
		"full GC": float64(took.Microseconds()) / 1e3,
	}
}
