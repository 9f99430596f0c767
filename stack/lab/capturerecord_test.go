package lab

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/filter"
)

// captureTo captures to a new file with the method CaptureTo of a host, a lab or a world.
func captureTo(w *World, start func(cw phy.CaptureWriter, only Chooser) (func() error, error), path string, only Chooser) (stop func() error, err error) {
	cw, err := capture.Create(path, w.Epoch)
	if err != nil {
		return nil, err
	}
	return start(cw, only)
}

// captured returns the records of a capture: interface, direction and comment.
func captured(t *testing.T, path string) (list []string) {
	t.Helper()
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last time.Time
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Time.Before(last) {
			t.Errorf("record %d is earlier than the one before", rec.Number)
		}
		last = rec.Time
		dir := " < "
		if rec.Outgoing {
			dir = " > "
		}
		list = append(list, rec.Iface+dir+strings.Join(rec.Comments, "|"))
	}
}

func compile(t *testing.T, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOneRecordForEachFrame: a lab's capture holds a record of the sender for each frame, in the order of sending. The
// record states the outcome of every copy.
func TestOneRecordForEachFrame(t *testing.T) { bothFamilies(t, testOneRecordForEachFrame) }

func testOneRecordForEachFrame(t *testing.T, v *addressing) {
	s := v.scene(t, 1, LinkConfig{Delay: time.Millisecond})
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	s.sendUDP(ua, "warm", v.at(2, 2000))
	s.await(ub)
	path := filepath.Join(t.TempDir(), "x.pcapng")
	stop, err := captureTo(s.l.world, s.l.CaptureTo, path, compile(t, "udp"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(rules ...*fault.Rule) {
		for _, r := range rules {
			s.k.Faults().Add(r)
		}
		s.sendUDP(ua, "x", v.at(2, 2000))
		s.runFor(100 * time.Millisecond)
		for _, r := range rules {
			s.k.Faults().Remove(r)
		}
		recvUDP(ub)
	}
	send()
	send(&fault.Rule{Loss: 1})
	send(&fault.Rule{Duplicate: 1})
	send(&fault.Rule{Delay: 5 * time.Millisecond})
	rule := &fault.Rule{Dir: fault.TX, Loss: 1}
	s.a.Ports()[0].Faults().Add(rule)
	send()
	s.a.Ports()[0].Faults().Remove(rule)
	rule = &fault.Rule{Dir: fault.RX, Loss: 1}
	s.b.Ports()[0].Faults().Add(rule)
	send()
	s.b.Ports()[0].Faults().Remove(rule)
	s.sendUDP(ua, "x", v.at(2, 2000)) // the hosts are cut off while it is in transit
	s.runFor(time.Microsecond)
	s.l.Partition(s.a, s.b)
	s.runFor(time.Second)
	s.l.Heal()
	s.sendUDP(ub, "y", v.at(1, 1000))
	s.runFor(time.Microsecond) // still in transit when the capture ends
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/eth0 > b: udp :2000",
		"a/eth0 > lost on the link: fault loss",
		"a/eth0 > b: udp :2000; a copy; b: udp :2000",
		"a/eth0 > b: udp :2000; held 5ms",
		"a/eth0 > dropped: fault loss",
		"a/eth0 > b: dropped: fault loss",
		"a/eth0 > lost on the link: partition",
		"b/eth0 > in flight",
	}
	if got := captured(t, path); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.runFor(time.Second)
	if len(s.w.records.trails) != 0 || s.w.records.following != 0 {
		t.Errorf("%d trails are left, %d captures follow frames", len(s.w.records.trails), s.w.records.following)
	}
}

// TestRecordsNeedNoOrderOfArrival: a frame that is overtaken keeps its place, and the later ones wait for it.
func TestRecordsNeedNoOrderOfArrival(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	s.sendUDP(ua, "warm", "10.0.0.2:2000")
	s.await(ub)
	path := filepath.Join(t.TempDir(), "x.pcapng")
	stop, err := captureTo(s.l.world, s.l.CaptureTo, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.k.Faults().Add(&fault.Rule{Nth: []int{1}, Delay: time.Second})
	for range 3 {
		s.sendUDP(ua, "x", "10.0.0.2:2000")
		s.runFor(time.Millisecond)
	}
	s.runFor(2 * time.Second)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := []string{"a/eth0 > b: udp :2000; held 1s", "a/eth0 > b: udp :2000", "a/eth0 > b: udp :2000"}
	if got := captured(t, path); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordsOfASwitch: a capture writes one record of a frame that a switch floods, and the record states the outcome
// at each host. For a frame from a device it writes the record of the first receiver.
func TestRecordsOfASwitch(t *testing.T) {
	w := NewWorld()
	l, r := New(w, 1), NewVirtual(w)
	sw := l.Switch("s")
	for _, n := range []string{"a", "b", "c"} {
		h := addHost(t, l, n, "10.0.0."+string(n[0]-'a'+'1')+"/24")
		if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	far, near := phy.NewPair("far", "near", phy.MemoryConfig{Medium: phy.MediumEthernet, MTU: 1500})
	if _, err := sw.AttachDevice(near); err != nil {
		t.Fatal(err)
	}
	w.Advance(clock.Instant(time.Second))
	for f := phy.NewFrame(2048); ; f.Reset() { // the hosts' announcements
		if n, _ := far.Recv([]*phy.Frame{f}); n == 0 {
			break
		}
	}
	path := filepath.Join(t.TempDir(), "x.pcapng")
	stop, err := captureTo(l.world, l.CaptureTo, path, compile(t, "arp or icmp"))
	if err != nil {
		t.Fatal(err)
	}
	l.Links()[2].Faults().Add(&fault.Rule{Dir: fault.RX, Loss: 1})
	l.Hosts()[0].Ports()[0].Iface().AddAddr(w.Now(), netip.MustParsePrefix("10.0.0.9/24"))
	r.Do(func(clock.Instant) {})
	w.Advance(clock.Instant(2 * time.Second))
	f := phy.NewFrame(64)
	f.Set(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 9, 9, 8, 6},
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 9, 9, 10, 0, 0, 77, 0, 0, 0, 0, 0, 0, 10, 0, 0, 78))
	if n, err := far.Send([]*phy.Frame{f}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r.Do(func(clock.Instant) {})
	w.Advance(clock.Instant(3 * time.Second))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/eth0 > c: lost on the link: fault loss; b: arp not for us",
		"a/eth0 < c: lost on the link: fault loss; a: arp not for us; b: arp not for us",
	}
	if got := captured(t, path); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPendingRecordsAreBounded: a frame that is delayed for long does not make the capture keep all later frames in
// memory.
func TestPendingRecordsAreBounded(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	stop, err := captureTo(s.l.world, s.l.CaptureTo, filepath.Join(t.TempDir(), "x.pcapng"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.k.Faults().Add(&fault.Rule{Nth: []int{1}, Delay: time.Hour, Dir: fault.TX})
	ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
	data := strings.Repeat("x", 1400)
	most := 0
	for range 30000 {
		s.sendUDP(ua, data, "10.0.0.2:2000")
		s.runFor(time.Millisecond)
		recvUDP(ub)
		most = max(most, s.w.records.captures[0].octets)
	}
	if most > maxPendingOctets || most < maxPendingOctets/2 {
		t.Errorf("%d octets were pending", most)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestTsharkSeesNoRepeats: tshark finds neither a retransmission nor a duplicate acknowledgement in a lab's capture of a
// transfer without loss, over a link and over a switch.
func TestTsharkSeesNoRepeats(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed: apt-get install tshark")
		}
		t.Skip("tshark is not installed: apt-get install tshark")
	}
	for k := range 4 {
		switched, v := k%2 == 1, families[k/2]
		s := v.scene(t, 1, LinkConfig{Delay: time.Millisecond})
		from, to := s.a, s.b
		if switched {
			sw := s.l.Switch("s")
			from, to = addHost(t, s.l, "c", v.host(1)), addHost(t, s.l, "d", v.host(2))
			for _, h := range []*Host{from, to} {
				if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond}); err != nil {
					t.Fatal(err)
				}
			}
		}
		path := filepath.Join(t.TempDir(), "x.pcapng")
		stop, err := captureTo(s.l.world, s.l.CaptureTo, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.finish(s.newStream(from, to, v.at(2, 80), 100000))
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("tshark", "-r", path, "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info",
			"-Y", "tcp.analysis.retransmission or tcp.analysis.duplicate_ack or tcp.analysis.out_of_order or tcp.analysis.spurious_retransmission").Output()
		if err != nil || len(out) > 0 {
			t.Errorf("%s, switched %v: tshark says %.500s, %v", v.name, switched, out, err)
		}
	}
}

// TestRecordsOfASwitch6: of a solicitation, which a switch floods, a capture writes one record with its outcome at each host, and
// likewise of detection of duplicates, reports of groups and advertisements (RFC 4861 §7.2, RFC 4862 §5.4, RFC 3810 §5.2.14).
func TestRecordsOfASwitch6(t *testing.T) {
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	sw := s.l.Switch("s")
	for n, name := range []string{"a", "b", "c"} {
		h := addHost(t, s.l, name, six.host(n+1))
		if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	s.settle()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	stop, err := captureTo(s.l.world, s.l.CaptureTo, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.l.Links()[2].Faults().Add(&fault.Rule{Dir: fault.RX, Loss: 1})
	u, v := s.bindUDP(s.l.Hosts()[0], 1000), s.bindUDP(s.l.Hosts()[1], 2000)
	s.sendUDP(u, "x", six.at(2, 2000)) // a solicitation to the group of b
	s.await(v)
	s.r.Do(func(now clock.Instant) {
		if _, err := s.l.Hosts()[1].Ifaces()[0].ProbeAddr(now, netip.MustParsePrefix(six.host(9))); err != nil {
			t.Error(err)
		}
	})
	s.runFor(3 * time.Second)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/eth0 > c: lost on the link: fault loss; b: neighbor advertisement",
		"b/eth0 > a: icmp6",
		"a/eth0 > b: udp :2000",
		"b/eth0 > c: lost on the link: fault loss; a: mld not for us",
		"b/eth0 > c: lost on the link: fault loss; a: nd not for us",
		"b/eth0 > c: lost on the link: fault loss; a: mld not for us",
		"b/eth0 > c: lost on the link: fault loss; a: nd not for us", // to all routers, RFC 9131 §3
	}
	if got := captured(t, path); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(s.w.records.trails) != 0 {
		t.Errorf("%d trails are left", len(s.w.records.trails))
	}
	s.check()
}
