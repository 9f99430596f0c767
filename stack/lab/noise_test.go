package lab

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// This command runs noise for longer, with one seed after the other:
//
//	go test ./stack/lab -run '^TestNoise$' -noise 10m -timeout 20m
var (
	noiseTime = flag.Duration("noise", 0, "how long TestNoise goes on with further seeds")
	noiseSeed = flag.Uint64("noise.seed", 1, "TestNoise's first seed")
)

// talk is a connection on which both ends send predictable octets all the time.
type talk struct {
	ends [2]*stack.TCPConn
	sent [2]int
	got  [2]int // number of octets received from the other end
}

// said returns the octet that has the offset at in the stream that an end sends.
func said(end, at int) byte { return byte(at*7 + at>>8*13 + end*101) }

// turn makes both ends send a few octets more and read.
func (x *talk) turn(t *testing.T, now clock.Instant, n int) {
	var buf [2000]byte
	for e, c := range x.ends {
		p := buf[:n]
		for k := range p {
			p[k] = said(e, x.sent[e]+k)
		}
		k, err := c.Write(now, p)
		if err != nil {
			t.Fatalf("end %d has ended: %v", e, err)
		}
		x.sent[e] += k
		for {
			k, err := c.Read(now, buf[:])
			if err != nil {
				t.Fatalf("end %d has ended: %v", e, err)
			}
			if k == 0 {
				break
			}
			for _, o := range buf[:k] {
				if o != said(1-e, x.got[e]) {
					t.Fatalf("octet %d that end %d hears is %d, not %d", x.got[e], e, o, said(1-e, x.got[e]))
				}
				x.got[e]++
			}
		}
	}
}

// noise is two hosts, their connections, and an attacker on the link who sends recorded frames.
type noise struct {
	*scene
	v      *addressing
	t      *testing.T
	rng    *rand.Rand
	talks  []*talk
	old    [2][][]byte // frames that each host received of closed connections
	recent [2][][]byte // frames that each host received last
	tally  map[string]int
}

// newNoise runs connections between the hosts and records their frames.
func newNoise(t *testing.T, v *addressing, seed uint64) *noise {
	n := &noise{scene: v.scene(t, seed, LinkConfig{Delay: time.Millisecond, MTU: 1500}), v: v, t: t, rng: rand.New(rand.NewPCG(seed, 0x6e6f697365)), tally: map[string]int{}}
	var overheard []func()
	for k, h := range n.hosts() {
		into := &n.old[k]
		over := h.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir == stack.RX && !ev.Iface.Loop() && ev.Verdict.Kind != stack.Dropped && len(*into) < 2000 {
				*into = append(*into, append([]byte(nil), ev.Frame.Bytes()...))
			}
		})
		overheard = append(overheard, over)
		u := n.bindUDP(h, 7)
		u.OnEvent = func(now clock.Instant) {
			var p [2048]byte
			for k, from, _ := u.Recv(p[:]); k >= 0; k, from, _ = u.Recv(p[:]) {
				_ = u.Send(now, p[:k], from)
			}
		}
	}
	n.open(90).close(n)
	probe := n.bindUDP(n.a, 4000)
	for k := range 20 {
		n.sendUDP(probe, fmt.Sprint("datagram ", k), v.at(2, 7+k%2)) // half of them to a closed port
		n.runFor(100 * time.Millisecond)
	}
	probe.Close()
	icmp, err := n.a.BindICMP(9)
	if err != nil {
		t.Fatal(err)
	}
	echo := []byte{8, 0, 0, 0, 0, 9, 0, 1, 'x'}
	if v == six {
		echo[0] = byte(wire.ICMPv6EchoRequest)
	}
	n.r.Do(func(now clock.Instant) { _ = icmp.Send(now, echo, v.addr(0, 2), 0) })
	n.runFor(2 * time.Minute) // until TIME-WAIT has ended and the neighbours have expired
	icmp.Close()
	for _, over := range overheard {
		over()
	}
	n.r.Do(func(clock.Instant) {
		var l *stack.TCPListener
		if l, err = n.b.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 90), 0, tcp.Config{}); err == nil {
			l.OnEvent = func(now clock.Instant) {
				for c := l.Accept(); c != nil; c = l.Accept() {
					c.Close(now)
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 4 {
		n.talks = append(n.talks, n.open(uint16(80+k)))
	}
	for k, h := range n.hosts() {
		last := &n.recent[k]
		if len(n.old[k]) < 20 {
			t.Fatalf("host %d has received %d frames only", k, len(n.old[k]))
		}
		h.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir != stack.RX || ev.Iface.Loop() || ev.Verdict.Kind == stack.Dropped {
				return
			}
			if b := append([]byte(nil), ev.Frame.Bytes()...); len(*last) < 200 {
				*last = append(*last, b)
			} else {
				(*last)[n.rng.IntN(200)] = b
			}
		})
	}
	return n
}

func (n *noise) hosts() [2]*Host { return [2]*Host{n.a, n.b} }

// open connects A to a port of B.
func (n *noise) open(port uint16) *talk {
	n.t.Helper()
	x := &talk{}
	var l *stack.TCPListener
	var err error
	n.r.Do(func(now clock.Instant) {
		if l, err = n.b.ListenTCP(netip.AddrPortFrom(netip.Addr{}, port), 0, tcp.Config{}); err == nil {
			x.ends[0], err = n.a.DialTCP(now, netip.AddrPort{}, netip.AddrPortFrom(n.v.addr(0, 2), port), tcp.Config{})
		}
	})
	if err != nil {
		n.t.Fatal(err)
	}
	for k := 0; x.ends[1] == nil; k++ {
		if k > 2000 {
			n.t.Fatalf("no connection to port %d within two minutes: %v", port, x.ends[0].State())
		}
		n.runFor(60 * time.Millisecond)
		n.r.Do(func(now clock.Instant) { x.ends[1] = l.Accept() })
	}
	n.r.Do(func(now clock.Instant) { l.Close(now) })
	for range 50 {
		n.r.Do(func(now clock.Instant) { x.turn(n.t, now, 200) })
		n.runFor(10 * time.Millisecond)
	}
	return x
}

// close ends a talk in order.
func (x *talk) close(n *noise) {
	n.t.Helper()
	n.r.Do(func(now clock.Instant) { x.ends[0].Close(now) })
	n.runFor(10 * time.Millisecond)
	n.r.Do(func(now clock.Instant) { x.ends[1].Close(now) })
	n.runFor(10 * time.Second)
	if s := x.ends[1].State(); s != tcp.Closed {
		n.t.Errorf("after an orderly close: %v", s)
	}
}

// frame makes f the next frame that the attacker sends to host k.
func (n *noise) frame(k int, f *phy.Frame) {
	rng := n.rng
	pick := func(from [][]byte) []byte { return append([]byte(nil), from[rng.IntN(len(from))]...) }
	f.Reset()
	switch rng.IntN(8) {
	case 0: // a recent frame, again
		f.Set(pick(n.recent[k]))
	case 1, 2: // a recent frame with one octet changed, which every checksum detects
		b := pick(n.recent[k])
		b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
		f.Set(b)
	case 3: // a recent frame, truncated
		b := pick(n.recent[k])
		f.Set(b[:rng.IntN(len(b)+1)])
	case 4: // only the link header is right
		b := make([]byte, wire.EthernetLen+rng.IntN(200))
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		copy(b, pick(n.old[k])[:wire.EthernetLen])
		f.Set(b)
	default: // a frame of a closed connection, with random changes and a correct checksum
		b := pick(n.old[k])
		for range rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		if rng.IntN(4) == 0 { // the first octets of one frame and the last octets of another
			o := pick(n.old[k])
			at := rng.IntN(min(len(b), len(o)))
			b = append(b[:at], o[at:]...)
		}
		if rng.IntN(5) == 0 {
			b = b[:rng.IntN(len(b)+1)]
		}
		f.Set(b)
		f.Offload.CsumValid = true
		if b = f.Bytes(); len(b) >= wire.EthernetLen+wire.IPv4Len && b[12] == 8 && b[13] == 0 {
			b[24], b[25] = 0, 0
			end := min(wire.EthernetLen+int(b[14]&15)*4, len(b))
			sum := wire.Checksum(b[wire.EthernetLen:end])
			b[24], b[25] = byte(sum>>8), byte(sum)
		}
	}
}

// limits returns the use of a host's limits by name.
func limits(h *Host) map[string]int {
	used := map[string]int{}
	for _, l := range h.LimitInfos() {
		used[l.Name] = l.Used
	}
	return used
}

// run sends the given number of frames while the hosts continue, and then checks the hosts.
func (n *noise) run(frames int) {
	t := n.t
	t.Helper()
	n.runFor(10 * time.Minute)
	before := [2]map[string]int{limits(n.a), limits(n.b)}
	f := phy.NewFrame(phy.FrameSize)
	var dropped [2]uint64
	for k, h := range n.hosts() {
		dropped[k] = drops(h)
	}
	var verdicts [2]uint64
	for j := range frames {
		k := n.rng.IntN(2)
		h := n.hosts()[k]
		n.frame(k, f)
		n.r.Do(func(now clock.Instant) {
			v := h.Receive(now, h.Ports()[0].Iface(), f)
			n.tally[v.String()]++
			if v.Kind == stack.Dropped {
				verdicts[k]++
			}
		})
		if j%8 == 0 {
			n.r.Do(func(now clock.Instant) {
				for _, x := range n.talks {
					x.turn(t, now, n.rng.IntN(300))
				}
			})
			n.runFor(time.Duration(n.rng.IntN(4000)) * time.Microsecond)
			for k, h := range n.hosts() {
				for _, l := range h.LimitInfos() {
					if l.Used > l.Limit || l.Name == "connections" && l.Used > 1024+100 {
						t.Fatalf("host %d, limit %s: %d used of %d", k, l.Name, l.Used, l.Limit)
					}
				}
			}
		}
		if j%(frames/4) == frames/8 { // new connections open too
			n.open(uint16(100 + j%60000)).close(n)
		}
	}
	for k := range n.hosts() {
		if got := drops(n.hosts()[k]) - dropped[k]; got < verdicts[k] {
			t.Errorf("host %d dropped %d frames of ours, and counted %d", k, verdicts[k], got)
		}
	}
	for range 100 { // until the last frames have arrived
		n.r.Do(func(now clock.Instant) {
			for _, x := range n.talks {
				x.turn(t, now, 0)
			}
		})
		n.runFor(100 * time.Millisecond)
	}
	for k, x := range n.talks {
		if x.got[0] != x.sent[1] || x.got[1] != x.sent[0] || x.ends[0].State() != tcp.Established || x.ends[1].State() != tcp.Established {
			t.Errorf("connection %d: %v of %v octets arrived, %v and %v", k, x.got, x.sent, x.ends[0].State(), x.ends[1].State())
		}
	}
	n.runFor(10 * time.Minute)
	for k, after := range [2]map[string]int{limits(n.a), limits(n.b)} {
		for name, used := range after {
			if used > before[k][name] {
				t.Errorf("host %d keeps %d of %s ten minutes later, %d before", k, used, name, before[k][name])
			}
		}
	}
	n.check()
}

// drops returns the number of received frames that a host has dropped, for any reason.
func drops(h *Host) (sum uint64) {
	for _, d := range h.DropInfos() {
		sum += d.Count - d.Sending
	}
	return sum
}

// TestNoise: an attacker on the link repeats, truncates, changes and forges frames of two hosts with four busy
// connections. Both hosts must receive every octet as sent, accept new connections, count every frame by its verdict,
// and exceed no limit. Ten minutes later they must hold nothing of the noise.
func TestNoise(t *testing.T) { bothFamilies(t, testNoise) }

func testNoise(t *testing.T, v *addressing) {
	started := time.Now()
	last := *noiseSeed + 3
	for seed := *noiseSeed; seed < last || time.Since(started) < *noiseTime; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := newNoise(t, v, seed)
			n.run(50_000)
			if t.Failed() {
				t.Logf("again: go test ./stack/lab -run '^TestNoise$/^%s$' -noise.seed %d", v.name, seed)
			}
			if len(n.tally) < 25 {
				t.Errorf("only %d kinds of verdicts: not hostile enough", len(n.tally))
			}
			if testing.Verbose() {
				t.Logf("%v", n.tally)
			}
		})
		if t.Failed() {
			return
		}
	}
}
