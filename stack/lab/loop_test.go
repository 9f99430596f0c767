package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// loopHost returns a host whose only interface is its loopback.
func loopHost(t *testing.T) (*scene, *Host) {
	t.Helper()
	w := NewWorld()
	s := &scene{TB: t, w: w, l: New(w, 1), r: NewVirtual(w)}
	h, err := s.l.AddHost(HostConfig{Name: "local", Loop: true, MTU: 9000, Addrs: []netip.Prefix{netip.MustParsePrefix(four.host(1)), netip.MustParsePrefix(six.host(1))}})
	if err != nil {
		t.Fatal(err)
	}
	return s, h
}

func TestVisibleLoop(t *testing.T) {
	s, h := loopHost(t)
	ports := h.Ports()
	if len(ports) != 1 || len(h.Ifaces()) != 1 || ports[0].Iface() != h.Ifaces()[0] {
		t.Fatalf("%d ports, %d interfaces", len(ports), len(h.Ifaces()))
	}
	to, from := s.bindUDP(h, 7), s.bindUDP(h, 8)
	for _, addr := range []string{"127.0.0.1:7", four.at(1, 7), "[::1]:7", six.at(1, 7)} {
		s.sendUDP(from, "hello", addr)
		if got := recvUDP(to); got != "hello" {
			t.Errorf("%s received %q", addr, got)
		}
	}
	i := h.IfaceInfos()[0]
	if i.Name != "lo" || i.MTU != 9000 || len(i.Addrs) != 4 || i.RxPackets != 4 || i.TxPackets != 4 || i.TxBytes != i.RxBytes {
		t.Errorf("the interface is %+v", i)
	}
	ports[0].Faults().Add(&fault.Rule{Dir: fault.RX, Nth: []int{1}})
	s.sendUDP(from, "lost", "127.0.0.1:7")
	s.sendUDP(from, "kept", "127.0.0.1:7")
	if got := recvUDP(to); got != "kept" {
		t.Errorf("behind a rule it received %q", got)
	}
	s.check()
	if _, err := s.l.AddHost(HostConfig{Name: "twice", Loop: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}); err == nil {
		t.Error("127.0.0.1 was given twice")
	}
	hidden := addHost(t, s.l, "hidden")
	if len(hidden.Ports())+len(hidden.Ifaces()) != 0 {
		t.Error("a host's loop is not hidden")
	}
}

// TestLoopIsCapturedOnce: a capture has each packet from a host to itself once, with its verdict, even if a rule drops it on
// transmission.
func TestLoopIsCapturedOnce(t *testing.T) {
	s, h := loopHost(t)
	name := filepath.Join(t.TempDir(), "lo.pcapng")
	stop, err := captureTo(h.lab.world, h.CaptureTo, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	to, from := s.bindUDP(h, 7), s.bindUDP(h, 8)
	s.sendUDP(from, "hello", "127.0.0.1:7")
	h.Ports()[0].Faults().Add(&fault.Rule{Dir: fault.TX, Loss: 1})
	s.sendUDP(from, "lost", "127.0.0.1:7")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := recvUDP(to); got != "hello" {
		t.Errorf("received %q", got)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(strings.NewReader(string(raw)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, _, err := r.ReadPacketData(); err != nil {
			break
		}
	}
	if n != 2 || strings.Count(string(raw), "udp :7") != 1 || strings.Count(string(raw), "dropped: fault") != 1 {
		t.Errorf("%d packets are in the capture, of which %d delivered", n, strings.Count(string(raw), "udp :7"))
	}
}

// refusing is a device that refuses frames while it is down.
type refusing struct {
	*phy.Memory
	down bool
}

func (d *refusing) Send(frames []*phy.Frame) (int, error) {
	if d.down {
		return 0, phy.ErrDown
	}
	return d.Memory.Send(frames)
}

// TestRefusedFramesCountOnce: a frame that the device refuses counts as dropped, and not as sent as well.
func TestRefusedFramesCountOnce(t *testing.T) {
	w := NewWorld()
	s := &scene{TB: t, w: w, l: New(w, 1), r: NewVirtual(w)}
	h := addHost(t, s.l, "a")
	near, far := phy.NewPair("eth0", "far", phy.MemoryConfig{})
	dev := &refusing{Memory: near}
	p, err := h.Attach(dev, netip.MustParsePrefix("10.0.0.1/24"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	h.Observe(func(ev *stack.PacketEvent) {
		if ev.Verdict.Kind == stack.Dropped {
			seen = append(seen, ev.Verdict.String())
		}
	})
	s.r.Do(func(now clock.Instant) {
		if err := p.Iface().AddNeighbor(now, netip.MustParseAddr("10.0.0.2"), [6]byte{2, 0, 0, 0, 0, 9}); err != nil {
			t.Fatal(err)
		}
	})
	u := s.bindUDP(h, 7)
	before := h.IfaceInfos()[0]
	s.sendUDP(u, "taken", "10.0.0.2:7")
	dev.down = true
	s.sendUDP(u, "refused", "10.0.0.2:7")
	p.Faults().Add(&fault.Rule{Dir: fault.TX, Duplicate: 1})
	s.sendUDP(u, "refused twice", "10.0.0.2:7")
	dev.down = false
	s.sendUDP(u, "taken twice", "10.0.0.2:7")
	s.runFor(time.Second)
	i := h.IfaceInfos()[0]
	sent, octets, lost := i.TxPackets-before.TxPackets, i.TxBytes-before.TxBytes, i.TxDropped
	if want := uint64(47 + 2*53); sent != 3 || octets != want || lost != 3 {
		t.Errorf("%d frames of %d octets sent, %d dropped; want 3 of %d, 3", sent, octets, lost, want)
	}
	if far.Pending() != 4 || len(seen) != 3 || seen[0] != "dropped: "+drop.TransmitFailed.String() {
		t.Errorf("%d frames arrived, drops seen: %q", far.Pending(), seen)
	}
}
