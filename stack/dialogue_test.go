package stack

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var (
	rewrite  = flag.Bool("rewrite", false, "write what the host does into testdata")
	framesTo = flag.String("frames", "", "write the frames of all dialogues into this capture file")
)

// A dialogue is one host against a link that the file plays. Every line is a time in seconds and a word. The file gives
// the configuration, the calls of dialogueCalls, and the frames that arrive:
//
//	0.000 config forwarding=yes …       before anything else the limits icmpburst, icmprate, fragments
//	0.000 iface eth0 10.0.0.2/24        an interface, which has announced its address
//	0.010 < [eth0] FRAME                a frame to the host; the interface is named where the host has several
//	0.010 wait                          nothing: time passes until then
//
// The host answers, and the test compares the answers or, with -rewrite, writes them:
//
//	0.010 ! WORDS                       the verdict on the frame
//	0.010 > [eth0] FRAME                a frame from the host
//	0.010 * WORDS                       an event: an address conflict, or a packet that is dropped without being the last frame
//	0.010 = WORDS                       a call's result
//
// A FRAME is written as package packet's Summary describes it, which is much as tcpdump does. Behind a bar follows all
// that the summary leaves out and that is not as usual; showFrame lists it. A station's hardware address is
// 02:00:00:00 and the last two octets of its IP address. A subnet's first address is its gateway, which sends and receives
// the packets of hosts beyond the link. The data of datagrams and echoes is a pattern, which is compared in what the host
// sends.
type dialogue struct {
	t     *testing.T
	n     *network
	h     *Host
	cfg   Config
	ports map[uint16]*UDPConn
	pings map[uint16]*ICMPConn
	probe *AddrProbe
	conn  *TCPConn // the accepted connection

	frames   [][]byte      // all frames, of both directions
	received [][]byte      // the IP packets so far, which errors may quote
	drops    []drop.Reason // reasons of the packets dropped since a frame arrived or time passed
	out      bytes.Buffer
}

func (d *dialogue) say(format string, args ...any) {
	s := strings.TrimRight(fmt.Sprintf("%d.%09d", d.n.now/1e9, d.n.now%1e9), "0")
	for len(s)-strings.IndexByte(s, '.') < 4 {
		s += "0"
	}
	fmt.Fprintf(&d.out, "%s %s\n", s, fmt.Sprintf(format, args...))
}

// host makes the host and its loopback interface.
func (d *dialogue) host() *Host {
	if d.h == nil {
		d.cfg.Seed = 1
		d.h = d.n.bare(d.cfg)
		d.h.Events(d.event)
	}
	return d.h
}

func (d *dialogue) event(ev Event) {
	switch ev.Kind {
	case EventConflict:
		d.say("* conflict about %v with %v, %s", ev.Addr, ev.HW, ev.New)
	case EventDrop:
		d.drops = append(d.drops, ev.Reason)
	}
}

// iface returns the interface with the given name.
func (d *dialogue) iface(name string) *Iface {
	for _, i := range d.host().Ifaces() {
		if i.Name() == name {
			return i
		}
	}
	d.t.Fatalf("no interface %s", name)
	return nil
}

// label names an interface in front of a frame, if there are several.
func (d *dialogue) label(i *Iface) string {
	if len(d.h.Ifaces()) > 1 {
		return i.Name() + " "
	}
	return ""
}

// emit records the packets that were dropped, and the frames that the host has to send now.
func (d *dialogue) emit() {
	for _, r := range d.drops {
		d.say("* dropped: %v", r)
	}
	d.drops = nil
	if d.h == nil {
		return
	}
	for busy := true; busy; {
		busy = false
		for _, i := range d.h.net.ifaces {
			for _, f := range drain(d.h, d.n.now, i) {
				busy = true
				if i.loop {
					d.h.Receive(d.n.now, i, f)
					continue
				}
				d.frames = append(d.frames, bytes.Clone(f.Bytes()))
				d.checkQuote(f.Bytes())
				d.say("> %s%s", d.label(i), showFrame(i, f, true))
			}
		}
	}
}

// checkQuote checks that an ICMP error quotes a packet that has arrived, or a datagram whose first fragment has
// arrived. A router may have changed its TTL (RFC 1812 §4.3.2.3).
func (d *dialogue) checkQuote(b []byte) {
	if _, p, err := wire.ParseEthernet(b); err == nil && versionOf(p) == ipv6 {
		d.checkQuote6(p)
		return
	}
	quote, ok := quoteOf(b)
	if !ok {
		return
	}
	for _, p := range d.received {
		n := len(quote)
		if p[6]&0x20 != 0 {
			n = min(n, 28)
		}
		if n <= len(p) && bytes.Equal(p[4:6], quote[4:6]) && bytes.Equal(p[12:n], quote[12:n]) {
			return
		}
	}
	d.t.Errorf("%v: an error quotes what has not arrived: % x", d.n.now, quote)
}

// receive passes a frame to the host, and records the frame, its verdict and the drops of other packets.
func (d *dialogue) receive(words string) {
	i := d.host().Ifaces()[0]
	if len(d.h.Ifaces()) > 1 {
		name, rest, _ := strings.Cut(words, " ")
		i, words = d.iface(name), rest
	}
	f := readFrame(d.t, i, words)
	line := showFrame(i, f, false)
	if again := readFrame(d.t, i, line); !bytes.Equal(again.Bytes(), f.Bytes()) {
		d.t.Errorf("%v: the line of a frame makes another one: %s", d.n.now, line)
	}
	d.say("< %s%s", d.label(i), line)
	d.frames = append(d.frames, bytes.Clone(f.Bytes()))
	if b := f.Bytes(); len(b) > wire.EthernetLen {
		d.received = append(d.received, bytes.Clone(b[wire.EthernetLen:]))
	}
	v := d.h.Receive(d.n.now, i, f)
	if k := slices.Index(d.drops, v.Reason); v.Reason != drop.None && k >= 0 {
		d.drops = slices.Delete(d.drops, k, k+1)
	}
	d.say("! %v", v)
}

// pass advances time, and records what the host does meanwhile.
func (d *dialogue) pass(to clock.Instant) {
	next := func() clock.Instant { return min(d.h.Deadline(), d.h.Upkeep()) }
	for n := 0; d.h != nil && next() <= to; n++ {
		if n > 10_000 {
			d.t.Fatalf("%v: the host wakes and does nothing", d.n.now)
		}
		d.n.now = max(d.n.now, next())
		d.h.Tick(d.n.now)
		d.emit()
	}
	d.n.now = to
}

func (d *dialogue) number(s string) int {
	n, err := strconv.Atoi(s)
	must(d.t, err)
	return n
}

func (d *dialogue) config(words []string) {
	for _, kv := range words {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "forwarding":
			d.host().SetForwarding(0, v == "yes")
		case "icmpburst":
			d.cfg.Limits.ICMPBurst = d.number(v)
		case "icmprate":
			d.cfg.Limits.ICMPRate = d.number(v)
		case "fragments":
			d.cfg.Limits.Fragments = d.number(v)
		default:
			d.t.Fatalf("no option %q", k)
		}
	}
}

// play runs a file and returns it with the host's present answers.
func (d *dialogue) play(text string) string {
	d.n, d.ports, d.pings = newNetwork(d.t), map[uint16]*UDPConn{}, map[uint16]*ICMPConn{}
	comment := ""
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' { // a comment belongs to the line that follows it
			comment += line
			continue
		}
		if len(f) < 2 {
			d.t.Fatalf("not a line: %s", line)
		}
		if slices.Contains([]string{">", "!", "*", "="}, f[1]) {
			continue
		}
		after, err := time.ParseDuration(f[0] + "s")
		must(d.t, err)
		at := clock.Instant(after)
		if at < d.n.now {
			d.t.Fatalf("time goes back: %s", line)
		}
		d.pass(at)
		d.out.WriteString(comment)
		comment = ""
		if f[1] == "<" {
			d.receive(strings.Join(f[2:], " "))
		} else {
			d.out.WriteString(line)
			d.call(f[1], f[2:])
		}
		d.emit()
	}
	if d.h != nil {
		d.n.conserve()
	}
	return d.out.String()
}

// TestDialogues compares the answers of the host with each dialogue in testdata.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d dialogues, %v", len(files), err)
	}
	var frames [][]byte
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			must(t, err)
			if head, _, _ := strings.Cut(string(text), "\n0.000 "); !strings.HasPrefix(head, "# ") || !strings.Contains(head, "RFC ") {
				t.Error("the comment at its top names no RFC")
			}
			d := &dialogue{t: t}
			got := d.play(string(text))
			frames = append(frames, d.frames...)
			if got == string(text) {
				return
			}
			if *rewrite {
				must(t, os.WriteFile(name, []byte(got), 0o644))
				return
			}
			t.Error(firstDifference(string(text), got))
		})
	}
	if *framesTo != "" {
		must(t, os.WriteFile(*framesTo, pcap(frames), 0o644))
	}
}

// pcap returns a capture file of Ethernet frames, all at the time 0.
func pcap(frames [][]byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint16(le.AppendUint16(le.AppendUint32(nil, 0xa1b2c3d4), 2), 4), 0)
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, 0), 1<<16), 1)
	for _, f := range frames {
		b = le.AppendUint32(append(b, make([]byte, 8)...), uint32(len(f)))
		b = append(le.AppendUint32(b, uint32(len(f))), f...)
	}
	return b
}

// firstDifference returns the first lines in which two texts differ.
func firstDifference(want, got string) string {
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("from line %d on\nwant %sgot  %s", i+1,
				strings.Join(w[i:min(len(w), i+4)], "     "), strings.Join(g[min(i, len(g)):min(len(g), i+4)], "     "))
		}
	}
	return "there is more: " + strings.Join(g[len(w)-1:], "")
}

// stationAt returns the hardware address of the station with an address.
func stationAt(a netip.Addr) wire.HardwareAddr {
	b := a.AsSlice()
	return wire.HardwareAddr{2, 0, 0, 0, b[len(b)-2], b[len(b)-1]}
}

// stationOf returns the hardware address that packets of a host have on an interface's link: the gateway's if the host is not
// on the link.
func stationOf(i *Iface, a netip.Addr) wire.HardwareAddr {
	if _, ok := i.first(ipv4); !ok {
		return stationAt(ipA)
	}
	if i.onLink(a) {
		return stationAt(a)
	}
	return stationAt(i.addresses.list[0].Masked().Addr().Next())
}

// groupOf returns the hardware address to which an interface's link sends packets for a broadcast address or a group,
// and false for another address.
func groupOf(i *Iface, dst netip.Addr) (wire.HardwareAddr, bool) {
	switch {
	case dst.IsMulticast():
		return wire.GroupMAC(dst), true
	case dst == limitedBroadcast || i.isBroadcast(dst):
		return wire.Broadcast, true
	}
	return wire.HardwareAddr{}, false
}
