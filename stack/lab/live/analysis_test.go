//go:build linux

package live

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// deed is a fault that the injector applied to one segment.
type deed struct {
	at        time.Time
	from      netip.Addr
	what      string // name of the rule
	seq, next wire.Seq
	ack       wire.Seq
}

func (d deed) hit(seq, next wire.Seq) bool { return d.seq.Less(next) && seq.Less(d.next) }

// injector is a set of fault rules that records their effects.
type injector struct {
	rng   *rand.Rand
	deeds []deed
}

func (in *injector) rule(what string, chance float64, r fault.Rule) *fault.Rule {
	r.Name = what
	r.MatchWay = func(_ fault.Dir, f []byte, m phy.Medium) bool {
		if !matchTCP(f, m) || in.rng.Float64() >= chance {
			return false
		}
		ip, b, err := wire.ParseIPv4(f[wire.EthernetLen:])
		if err != nil {
			return false
		}
		h, p, err := wire.ParseTCP(b)
		if err != nil {
			return false
		}
		n := len(p)
		if h.Flags&(wire.SYN|wire.FIN) != 0 {
			n++
		}
		in.deeds = append(in.deeds, deed{time.Now(), ip.Src, what, h.Seq, h.Seq.Add(n), h.Ack})
		return true
	}
	return &r
}

// TestAnalysisExplained has tshark analyse the kernel's capture of transfers under faults. tshark finds nothing
// malformed, and a fault that the injector applied to a segment explains every remark of its TCP analysis. Without
// faults tshark remarks only on windows.
func TestAnalysisExplained(t *testing.T) {
	taptest.NeedTools(t, "tshark", "tcpdump")
	for _, c := range []struct {
		name                 string
		loss, dup, reordered float64
	}{{"no faults", 0, 0, 0}, {"loss", 0.01, 0, 0}, {"duplicates", 0, 0.02, 0}, {"reordering", 0, 0, 0.02}, {"all", 0.02, 0.02, 0.02}} {
		t.Run(c.name, func(t *testing.T) { // runs in a goroutine of its own, which stays in a namespace
			in := &injector{rng: rand.New(rand.NewPCG(7, 69))}
			analysed(t, in, fault.Rule{Match: matchTCP, Delay: time.Millisecond}, []*fault.Rule{
				in.rule("loss", c.loss, fault.Rule{}),
				in.rule("duplicate", c.dup, fault.Rule{Duplicate: 1}),
				in.rule("reordering", c.reordered, fault.Rule{Reorder: 1, Hold: 3 * time.Millisecond}),
			})
		})
	}
}

func analysed(t *testing.T, in *injector, delay fault.Rule, rules []*fault.Rule) {
	r, h, port := onTAPWith(t, tap.Options{Plain: true})
	r.Do(func(clock.Instant) {
		for _, rule := range append(rules, &delay) {
			port.Faults().Add(rule)
		}
	})
	file := filepath.Join(t.TempDir(), "tap0.pcap")
	stop := dump(t, "tap0", file)
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{2}).Read(data)
	for _, weSend := range []bool{true, false} {
		for o := weClose; o <= bothClose; o++ {
			if sum, err := exchange(t, r, h, tcp.Config{}, kernelAddr.Addr(), data, weSend, o)(); err != nil || sum != sha256.Sum256(data) {
				t.Fatalf("we send %v, %v: %v, sums equal %v", weSend, o, err, sum == sha256.Sum256(data))
			}
		}
	}
	stop()
	var deeds []deed
	r.Do(func(clock.Instant) { deeds = slices.Clone(in.deeds) })

	if out, err := exec.Command("tshark", "-r", file, "-d", "tcp.port==1-65535,data", "-Y", "_ws.malformed").Output(); err != nil || len(out) > 0 {
		t.Errorf("tshark complains: %v\n%s", err, out)
	}
	remarks, unexplained := 0, []remark(nil)
	for _, rm := range readRemarks(t, file) {
		if rm.window() {
			continue
		}
		remarks++
		if !slices.ContainsFunc(deeds, rm.follows) {
			unexplained = append(unexplained, rm)
		}
	}
	// On a busy machine a timer may expire without a loss. It explains the retransmission and the answer to it.
	if by := timerRepeats(t, r, h); len(unexplained) > 2*by {
		t.Errorf("timers had %d segments sent again, and nothing was done that explains %d remarks: %v", by, len(unexplained), unexplained[:min(10, len(unexplained))])
	}
	if len(deeds) > 0 && remarks == 0 {
		t.Errorf("%d deeds, and tshark remarks on nothing", len(deeds))
	}
	t.Logf("%d deeds, %d remarks, %d without a reason", len(deeds), remarks, len(unexplained))
}

// remark is one frame that tshark's analysis marks.
type remark struct {
	frame     string
	at        time.Time
	from      netip.Addr
	seq, next wire.Seq
	ack       wire.Seq
	marks     []string
}

func (r remark) String() string {
	return fmt.Sprintf("frame %s from %v, %d+%d ack %d: %s", r.frame, r.from, r.seq, r.next.Sub(r.seq), r.ack, strings.Join(r.marks, ", "))
}

var marks = []string{"retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment",
	"duplicate_ack", "ack_lost_segment", "keep_alive", "keep_alive_ack", "zero_window", "zero_window_probe",
	"zero_window_probe_ack", "reused_ports", "window_update", "window_full"}

func readRemarks(t *testing.T, file string) (list []remark) {
	t.Helper()
	args := []string{"-r", file, "-d", "tcp.port==1-65535,data", "-Y", "tcp.analysis.flags", "-T", "fields", "-E", "occurrence=f",
		"-e", "frame.number", "-e", "ip.src", "-e", "tcp.seq_raw", "-e", "tcp.len", "-e", "tcp.ack_raw", "-e", "frame.time_epoch"}
	for _, m := range marks {
		args = append(args, "-e", "tcp.analysis."+m)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		var n [3]int
		for i := range n {
			if n[i], err = strconv.Atoi(f[2+i]); err != nil {
				t.Fatalf("tshark says %q", line)
			}
		}
		sec, err := strconv.ParseFloat(f[5], 64)
		if err != nil {
			t.Fatalf("tshark says %q", line)
		}
		rm := remark{frame: f[0], at: time.UnixMicro(int64(sec * 1e6)), from: netip.MustParseAddr(f[1]), seq: wire.Seq(n[0]), ack: wire.Seq(n[2])}
		rm.next = rm.seq.Add(n[1])
		for i, m := range marks {
			if f[6+i] != "" {
				rm.marks = append(rm.marks, m)
			}
		}
		if len(rm.marks) == 0 {
			t.Errorf("tshark has a remark that is not known here: %q", line)
		}
		list = append(list, rm)
	}
	return list
}

// window reports whether the remark is only about flow control.
func (r remark) window() bool {
	for _, m := range r.marks {
		if m != "window_update" && m != "window_full" {
			return false
		}
	}
	return true
}

// These constants limit the effect of a deed, in octets of the stream and in time: one flight, and a few timeouts. A
// sender in slow start has more than a quarter of a MiB in flight, and the answer to a duplicate acknowledges all of
// it.
const (
	reach = 512 << 10
	later = 3 * time.Second
)

// follows reports whether the deed explains the remark that follows it. A segment is remarked on as retransmitted, late
// or missing if the deed hit the segment itself, an earlier segment, because of which the sender considered this one
// lost, or its acknowledgement. A duplicate acknowledgement asks for the segment that was hit, or answers a segment
// that arrived twice because it was duplicated or retransmitted.
func (r remark) follows(d deed) bool {
	if d.at.After(r.at.Add(time.Millisecond)) || r.at.Sub(d.at) > later {
		return false
	}
	near := func(from, to wire.Seq) bool { return from.LessEq(to) && to.Less(from.Add(reach)) }
	mine := d.from == r.from
	for _, m := range r.marks {
		ok := false
		switch m {
		case "window_update", "window_full":
			ok = true
		case "retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order":
			ok = mine && near(d.seq, r.seq) || !mine && near(r.seq, d.ack) ||
				!mine && d.what != "loss" && d.next == r.ack // a SYN that arrives twice is answered twice
		case "lost_segment":
			ok = mine && d.hit(r.seq.Add(-1), r.seq)
		case "keep_alive": // an empty segment looks like one if our FIN has overtaken it
			ok = mine && d.what != "loss" && d.seq == r.seq
		case "keep_alive_ack": // the answer to a segment that looks like a keep-alive
			ok = !mine && d.what != "loss" && d.seq.Add(1) == r.ack
		case "duplicate_ack":
			ok = !mine && near(d.seq, r.ack) || mine && near(d.ack, r.ack) // the loss of an acknowledgement caused the retransmission
		}
		if !ok {
			return false
		}
	}
	return true
}
