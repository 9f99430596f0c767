package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// device is a pollable device. The test sets the number of frames that it accepts, and its error.
type device struct {
	*phy.Memory
	takes int // number of frames; negative: unlimited
	err   error
	sent  []*phy.Frame
}

func (d *device) FD() int { return -1 }

func (d *device) Send(frames []*phy.Frame) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n := len(frames)
	if d.takes >= 0 {
		n = min(n, d.takes)
		d.takes -= n
	}
	for _, f := range frames[:n] {
		g := phy.NewFrame(f.Size())
		g.CopyFrom(f)
		d.sent = append(d.sent, g)
	}
	return n, nil
}

// deviceSwitch is bareSwitch with one more port, on a device. The device receives the frames that far sends.
func deviceSwitch(t *testing.T, n int, cfg phy.MemoryConfig) (w *World, s *Switch, ends []*catch, d *device, far *phy.Memory) {
	t.Helper()
	w, s, ends = bareSwitch(t, n)
	near, far := phy.NewPair("dev0", "far", cfg)
	d = &device{Memory: near, takes: -1}
	if _, err := s.AttachDevice(d); err != nil {
		t.Fatal(err)
	}
	return w, s, ends, d, far
}

// enter makes a frame arrive at a port from its link.
func (s *Switch) enter(port int, f *phy.Frame) { s.lab.links[port].ab.accept(s.lab.world.now, f) }

func sendTo(t *testing.T, far *phy.Memory, f *phy.Frame) {
	t.Helper()
	if n, err := far.Send([]*phy.Frame{f}); n != 1 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
}

// TestSwitchForwardsToAndFromDevices: the switch learns from frames of a device as from frames of a link, and forwards
// frames from devices to links and from links to devices.
func TestSwitchForwardsToAndFromDevices(t *testing.T) {
	w, s, ends, d, far := deviceSwitch(t, 2, phy.MemoryConfig{})
	p := s.ports[2]
	sendTo(t, far, w.etherFrame(wire.Broadcast, mac(9)))
	if n := p.Drain(0); n != 1 {
		t.Errorf("drained %d frames, want 1", n)
	}
	if got := counts(w, ends); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("broadcast of the device arrived %v", got)
	}
	s.enter(0, w.etherFrame(mac(9), mac(1)))
	if got := counts(w, ends); !slices.Equal(got, []int{0, 0}) || len(d.sent) != 1 {
		t.Errorf("to the device: %v at the links, %d at the device", got, len(d.sent))
	}
	sendTo(t, far, w.etherFrame(mac(1), mac(9)))
	p.Drain(0)
	if got := counts(w, ends); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("from the device: %v", got)
	}
	s.enter(1, w.etherFrame(wire.Broadcast, mac(2)))
	if got := counts(w, ends); !slices.Equal(got, []int{1, 0}) || len(d.sent) != 2 {
		t.Errorf("broadcast of a link: %v at the links, %d at the device", got, len(d.sent))
	}
	if st := p.Stats(); st.In != 2 || st.Delivered != 2 || st.Octets != 120 || p.Name() != "dev0" || p.Switch() != s {
		t.Errorf("%s: %+v", p.Name(), st)
	}
	if ports, _ := w.Devices(); len(ports) != 1 || ports[0].Device() != d {
		t.Errorf("the Runner's devices are %v", ports)
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

// TestAFullDeviceOfASwitchHoldsUpNobody: frames that a device does not accept wait, in order and bounded, until it has room; other
// ports do not wait.
func TestAFullDeviceOfASwitchHoldsUpNobody(t *testing.T) {
	w, s, ends, d, _ := deviceSwitch(t, 2, phy.MemoryConfig{})
	p := s.ports[2]
	d.takes = 3
	for i := range portFrames + 10 {
		f := w.etherFrame(wire.Broadcast, mac(1))
		f.Bytes()[20], f.Bytes()[21] = byte(i>>8), byte(i)
		s.enter(0, f)
		w.run()
	}
	if ends[1].n != portFrames+10 {
		t.Errorf("%d frames at the other port, want all %d", ends[1].n, portFrames+10)
	}
	st := p.Stats()
	if !p.Full() || len(d.sent) != 3 || st.InFlight != portFrames || st.Drops[drop.QueueFull] != 7 {
		t.Errorf("full %v, %d sent, %d waiting, drops %v", p.Full(), len(d.sent), st.InFlight, st.Drops)
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
	d.takes = -1
	p.Retry()
	w.run()
	if p.Full() || len(d.sent) != portFrames+3 {
		t.Fatalf("full %v, %d sent", p.Full(), len(d.sent))
	}
	for i, f := range d.sent {
		if got := int(f.Bytes()[20])<<8 | int(f.Bytes()[21]); got != i {
			t.Fatalf("frame %d is the %dth", i, got)
		}
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

// TestWhatWaitsForADeviceIsBoundedInOctets: the port bounds the octets of large frames that wait. A small frame in a
// large buffer does not keep that buffer.
func TestWhatWaitsForADeviceIsBoundedInOctets(t *testing.T) {
	w, s, _, d, _ := deviceSwitch(t, 1, phy.MemoryConfig{MTU: 65535})
	d.takes = 0
	p := s.ports[1]
	for range 100 {
		f := w.frames.super.Get()
		f.Extend(60000)
		h := wire.Ethernet{Dst: wire.Broadcast, Src: mac(1), Type: wire.EtherTypeIPv4}
		h.Put(f.Bytes())
		p.transmit(0, f)
	}
	if want := uint64(portOctets / phy.SuperFrameSize); p.tx.InFlight != want || p.tx.Drops[drop.QueueFull] != 100-want {
		t.Errorf("%d wait, want %d; drops %v", p.tx.InFlight, want, p.tx.Drops)
	}
	p.dropQueued(len(p.out), drop.LinkDown)
	f := w.frames.super.Get()
	f.CopyFrom(w.etherFrame(wire.Broadcast, mac(1)))
	p.transmit(0, f)
	if p.octets != phy.FrameSize {
		t.Errorf("a frame of 60 octets takes up %d", p.octets)
	}
}

// TestAFailedDeviceLeavesTheSwitch: the switch removes a device that fails and reports it once. It forgets the
// addresses learnt from the device, and counts the frames that wait for the device. The other ports continue.
func TestAFailedDeviceLeavesTheSwitch(t *testing.T) {
	gone := fmt.Errorf("unplugged: %w", phy.ErrClosed)
	for _, c := range []struct {
		what string
		fail func(s *Switch, p *SwitchPort, d *device)
		told int
		want error
	}{
		{"reading", func(s *Switch, p *SwitchPort, d *device) { d.Memory.Close(); p.Drain(0); p.Fail(gone) }, 1, phy.ErrClosed},
		{"writing", func(s *Switch, p *SwitchPort, d *device) { d.err = gone; p.Retry(); s.lab.world.run() }, 1, gone},
		{"polling", func(s *Switch, p *SwitchPort, d *device) { p.Fail(gone); p.Fail(gone) }, 1, gone},
		{"detached", func(s *Switch, p *SwitchPort, d *device) { p.Detach() }, 0, phy.ErrClosed},
	} {
		w, s, ends, d, far := deviceSwitch(t, 2, phy.MemoryConfig{})
		p := s.ports[2]
		told := 0
		w.OnSwitchError = func(q *SwitchPort, err error) {
			if told++; q != p || !errors.Is(err, c.want) {
				t.Errorf("%s: told of %v: %v", c.what, q.name, err)
			}
		}
		sendTo(t, far, w.etherFrame(wire.Broadcast, mac(9)))
		p.Drain(0)
		counts(w, ends)
		d.takes = 0
		s.enter(0, w.etherFrame(mac(9), mac(1)))
		w.run()
		c.fail(s, p, d)
		if told != c.told || !errors.Is(p.Err(), c.want) {
			t.Errorf("%s: told %d times, error %v", c.what, told, p.Err())
		}
		if ports, _ := w.Devices(); len(ports) != 0 || len(s.Ports()) != 2 {
			t.Errorf("%s: %d devices are polled, %d ports", c.what, len(ports), len(s.Ports()))
		}
		if p.tx.InFlight != 0 || p.tx.Drops[drop.LinkDown] != 1 {
			t.Errorf("%s: %+v", c.what, p.tx)
		}
		s.enter(0, w.etherFrame(mac(9), mac(1)))
		if got := counts(w, ends); !slices.Equal(got, []int{0, 1}) {
			t.Errorf("%s: a frame for who was behind it arrived %v, want it flooded", c.what, got)
		}
		if err := s.lab.Conservation(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatADeviceRefusesIsCounted: a device whose link is down keeps no frames; a device that refuses a frame gets the next.
func TestWhatADeviceRefusesIsCounted(t *testing.T) {
	w, s, _, d, _ := deviceSwitch(t, 1, phy.MemoryConfig{})
	p := s.ports[1]
	d.err = phy.ErrDown
	for range 3 {
		s.enter(0, w.etherFrame(wire.Broadcast, mac(1)))
	}
	w.run()
	d.err = errors.New("no buffer space")
	for range 2 {
		s.enter(0, w.etherFrame(wire.Broadcast, mac(1)))
	}
	w.run()
	long := w.frameOf(2, 1600)
	h := wire.Ethernet{Dst: wire.Broadcast, Src: mac(1), Type: wire.EtherTypeIPv4}
	h.Put(long.Bytes())
	p.transmit(0, long)
	st := p.Stats()
	if st.Drops[drop.LinkDown] != 3 || st.Drops[drop.TransmitFailed] != 2 || st.Drops[drop.TooBig] != 1 || p.Err() != nil {
		t.Errorf("drops %v, error %v", st.Drops, p.Err())
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

// TestHostileOffloadsEndAtThePort: a frame that contradicts its offload is sent to no device. A super-segment of tiny segments is
// not cut into more frames than may wait.
func TestHostileOffloadsEndAtThePort(t *testing.T) {
	w, s, _, d, _ := deviceSwitch(t, 1, phy.MemoryConfig{})
	d.takes = 0
	p := s.ports[1]
	bad := w.etherFrame(wire.Broadcast, mac(1))
	bad.Offload = phy.Offload{GSOSize: 1000, NeedsCsum: true}
	p.transmit(0, bad)
	bad = w.etherFrame(wire.Broadcast, mac(1))
	bad.Offload.NeedsCsum = true
	p.transmit(0, bad)
	if p.tx.Drops[drop.BadLength] != 1 || p.tx.Drops[drop.BadChecksum] != 1 {
		t.Errorf("drops %v", p.tx.Drops)
	}
	p.transmit(0, superOf(w, 60000, 1, false))
	if p.tx.InFlight != portFrames || p.tx.Drops[drop.QueueFull] != 60000-portFrames {
		t.Errorf("%d wait, %d were dropped", p.tx.InFlight, p.tx.Drops[drop.QueueFull])
	}
	if err := s.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

// superOf returns a super-segment of TCP, or of UDP datagrams.
func superOf(w *World, payload int, gso uint16, udp bool) *phy.Frame {
	f := w.frames.super.Get()
	clear(f.Extend(payload))
	proto := wire.ProtocolTCP
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	if udp {
		proto = wire.ProtocolUDP
		f.Prepend(wire.UDPLen)
		(&wire.UDP{SrcPort: 1, DstPort: 2}).Put(f.Bytes(), src, dst)
	} else {
		h := wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.ACK}
		h.Put(f.Prepend(h.HeaderLen()))
		wire.PutTCPPartialChecksum(f.Bytes(), src, dst, f.Len())
	}
	n := wire.IPv4{TTL: 64, Protocol: proto, Src: src, Dst: dst, PayloadLen: f.Len()}
	n.Put(f.Prepend(wire.IPv4Len))
	e := wire.Ethernet{Dst: wire.Broadcast, Src: mac(1), Type: wire.EtherTypeIPv4}
	e.Put(f.Prepend(wire.EthernetLen))
	f.Offload = phy.Offload{GSOSize: gso, UDP: udp, NeedsCsum: true}
	return f
}

// TestADeviceGetsTheSegmentsItTakes: a device gets whole the super-segments that it supports, and others as finished segments.
func TestADeviceGetsTheSegmentsItTakes(t *testing.T) {
	for _, c := range []struct {
		what string
		cfg  phy.MemoryConfig
		udp  bool
		want []int // lengths
		csum bool  // true if checksums are left to the device
	}{
		{"whole", phy.MemoryConfig{MaxGSO: 65535, TxChecksum: true}, false, []int{3054}, true},
		{"too long for it", phy.MemoryConfig{MaxGSO: 3000, TxChecksum: true}, false, []int{1054, 1054, 1054}, false},
		{"plain", phy.MemoryConfig{}, false, []int{1054, 1054, 1054}, false},
		{"without checksums", phy.MemoryConfig{MaxGSO: 65535}, false, []int{1054, 1054, 1054}, false},
		{"datagrams", phy.MemoryConfig{MaxGSO: 65535, TxChecksum: true}, true, []int{1042, 1042, 1042}, false},
	} {
		w, s, _, d, _ := deviceSwitch(t, 1, c.cfg)
		s.ports[1].transmit(0, superOf(w, 3000, 1000, c.udp))
		w.run()
		var got []int
		for _, f := range d.sent {
			got = append(got, f.Len())
			if f.Offload.NeedsCsum != c.csum {
				t.Errorf("%s: %+v", c.what, f.Offload)
			}
			n, payload, err := wire.ParseIPv4(f.Bytes()[wire.EthernetLen:])
			if err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			if sum := wire.PseudoHeader(n.Src, n.Dst, n.Protocol, len(payload)).AddBytes(payload).Checksum(); !c.csum && sum != 0 {
				t.Errorf("%s: the checksum is off by %#x", c.what, sum)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: lengths %v, want %v", c.what, got, c.want)
		}
	}
}

// TestStreamThroughASwitchsDevice: a host on a switch's device and a host on the switch's link exchange a stream,
// whatever offloads each has.
func TestStreamThroughASwitchsDevice(t *testing.T) { bothFamilies(t, testStreamThroughASwitchsDevice) }

func testStreamThroughASwitchsDevice(t *testing.T, v *addressing) {
	for _, c := range []struct {
		offload bool
		cfg     phy.MemoryConfig
		super   bool // true if b receives and sends super-segments
	}{
		{true, phy.MemoryConfig{MaxGSO: 65535, TxChecksum: true}, true},
		{true, phy.MemoryConfig{}, false},
		{false, phy.MemoryConfig{MaxGSO: 65535, TxChecksum: true}, false},
	} {
		w := NewWorld()
		l := New(w, 1)
		s := &scene{TB: t, w: w, l: l, r: NewVirtual(w)}
		a, b := addHost(t, l, "a", v.host(1)), addHost(t, l, "b", v.host(2))
		sw := l.Switch("s")
		if _, err := sw.Attach(a, LinkConfig{Delay: time.Millisecond, Offload: c.offload}); err != nil {
			t.Fatal(err)
		}
		near, far := phy.NewPair("near", "far", c.cfg)
		if _, err := sw.AttachDevice(near); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Attach(far); err != nil {
			t.Fatal(err)
		}
		longest := 0
		b.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir == stack.RX {
				longest = max(longest, ev.Frame.Len())
			}
		})
		for _, st := range []*stream{s.newStream(a, b, v.at(2, 80), 1<<20), s.newStream(b, a, v.at(1, 80), 1<<20)} {
			s.finish(st)
			if !bytes.Equal(st.got, st.data) {
				t.Errorf("%+v: the stream arrived changed", c)
			}
		}
		if (longest > 1514) != c.super {
			t.Errorf("%+v: the longest frame was %d octets", c, longest)
		}
		s.check()
	}
}

func TestASwitchTakesEthernetOnly(t *testing.T) {
	_, s, _ := bareSwitch(t, 1)
	tun, _ := phy.NewPair("tun0", "far", phy.MemoryConfig{Medium: phy.MediumIP})
	if _, err := s.AttachDevice(tun); err == nil || err.Error() != "switch s: tun0 carries no Ethernet" {
		t.Errorf("attached, error %v", err)
	}
	for _, want := range []string{"d", "d.1", "d.2"} {
		d, _ := phy.NewPair("d", "far", phy.MemoryConfig{})
		if p, err := s.AttachDevice(d); err != nil || p.Name() != want {
			t.Errorf("named %q, %v, want %q", p.Name(), err, want)
		}
	}
}

func TestFramesForDevicesDoNotAllocate(t *testing.T) {
	w, s, _ := bareSwitch(t, 1)
	near, far := phy.NewPair("dev0", "far", phy.MemoryConfig{})
	if _, err := s.AttachDevice(near); err != nil {
		t.Fatal(err)
	}
	frames := make([]*phy.Frame, 10)
	for i := range frames {
		frames[i] = phy.NewFrame(phy.FrameSize)
	}
	got := 0
	exchange := func() {
		for range frames {
			s.enter(0, w.etherFrame(wire.Broadcast, mac(1)))
		}
		w.run()
		n, _ := far.Recv(frames)
		for _, f := range frames[:n] {
			f.Reset()
		}
		got += n
		w.Advance(w.now.Add(time.Millisecond))
	}
	for range 200 {
		exchange()
	}
	if n := testing.AllocsPerRun(100, exchange); n != 0 {
		t.Errorf("%v allocations for 10 frames", n)
	}
	if got != 3010 {
		t.Errorf("%d frames came out, want 3010", got)
	}
}

var _ DevicePort = (*SwitchPort)(nil)

// TestHardwareAddressesDiffer: a host without a configured hardware address chooses none that another host was given.
func TestHardwareAddressesDiffer(t *testing.T) {
	l := New(NewWorld(), 1)
	a, err := l.AddHost(HostConfig{Name: "a", MAC: mac(2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Link(a, addHost(t, l, "b"), LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	if got, want := l.hosts[1].ports[0].iface.MAC(), (wire.HardwareAddr{2, 0, 1, 0, 0, 2}); got != want {
		t.Errorf("b has %v beside %v, want %v", got, a.ports[0].iface.MAC(), want)
	}
}
