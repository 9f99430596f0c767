package script

import (
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack/clock"
)

// TestCompleteStation completes what follows a station and a TCP end that is moved by hand: their members, patterns, filters, flags, and
// the endpoints of the lab's hosts.
func TestCompleteStation(t *testing.T) {
	s := newSim(t, 1)
	if err := s.Typed(`
l = lab()
a = l.host("a", "10.0.0.1/24")
srv = a.tcp.listen(80)
st = l.wire(a, "10.0.0.9")
e = st.tcp("10.0.0.1:80")
`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, c := range []struct{ text, want, suffix string }{
		{`wir`, "wire", ""},
		{`l.wi`, "wire", ""},
		{`l.wire("`, "a", `"`},
		{`l.wire(a, "10.0.0.9", answers_`, "answers_arp=", ""},
		{`st.ex`, "expect expect_none", ""},
		{`l.wire(a, "10.0.0.9").ex`, "expect expect_none", ""},
		{`st.expect(wi`, "within=", ""},
		{`st.expect(DH`, "DHCP", ""},
		{`st.expect(TCP(fl`, "flags=", ""},
		{`st.expect("tcp and po`, "tcp and port tcp and portrange", ""},
		{`st.expect(TCP, skip="port htt`, "port http port http-alt port https", ""},
		{`st.expect_none("port 80`, "port 80", ""},
		{`st.recv("src host 10.0.0.`, "src host 10.0.0.1", ""},
		{`st.send(IP(dst="10.`, "", ""},
		{`st.tcp("10`, "10.0.0.1:80", `"`},
		{`st.tcp("10.0.0.1:80", sack`, "sackok=", ""},
		{`st.tcp("10.0.0.1:80").o`, "open", ""},
		{`st.link.do`, "down", ""},
		{`e.rcv_`, "rcv_nxt rcv_wnd", ""},
		{`e.send("x", off`, "offset=", ""},
		{`e.send("x", flags="`, "A FA PA R RA S SA", ""},
		{`e.expect("S`, "S SA", ""},
		{`e.expect(match="ec`, "", ""},
		{`e.expect().sum`, "summary", ""},
	} {
		from, items, suffix := s.complete(c.text)
		if got := strings.Join(items, " "); got != c.want || len(items) == 1 && suffix != c.suffix {
			t.Errorf("%q goes on with %q and %q, want %q and %q", c.text[:from], got, suffix, c.want, c.suffix)
		}
	}
	if got := s.err.String() + s.out.String(); got != "" {
		t.Errorf("completion printed %q", got)
	}
}

// TestStationHelp: help on a station and on a TCP end has each of their members, and the page about stations has both.
func TestStationHelp(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunCommand(`st = wire("192.168.69.9"); help(st); help(st.tcp(80)); help("hand-held")`); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	out := s.out.String()
	for _, typ := range []string{"station", "tcp_end"} {
		for _, m := range s.reg.Members[typ] {
			if !strings.Contains(out, "  ."+m+"(") {
				t.Errorf("help(%s) lacks .%s()", typ, m)
			}
		}
	}
	for _, f := range append(stationFields, endFields...) {
		if !strings.Contains(out, "  ."+f+" ") {
			t.Errorf("help lacks .%s", f)
		}
	}
	if !strings.Contains(out, "stations: ends of a link without a stack, moved by hand") {
		t.Error("no page about stations")
	}
}

// TestStationWaitEnds: a wait ends at its deadline even if packets arrive faster than they are judged.
func TestStationWaitEnds(t *testing.T) {
	s := newSim(t, 1)
	if err := s.Typed(`st, other = wire("192.168.69.9"), wire("192.168.69.8")`); err != nil {
		t.Fatal(s.err.String())
	}
	st, from := s.globals["st"].(*stationValue), s.globals["other"].(*stationValue)
	mac, judged := st.st.MAC(), 0
	frame := append(append(mac[:], 2, 0, 0, 0, 0, 8, 0x12, 0x34), make([]byte, 46)...)
	send := func() {
		from.do(func(now clock.Instant) {
			if err := from.st.Send(now, frame); err != nil {
				t.Error(err)
			}
		})
	}
	s.globals["wait"] = s.spawn("wait", nil, func(tv *taskValue) (starlark.Value, error) {
		send()
		err := st.each(&call{s: s.Session, t: tv}, stationWait{timeout: 10 * time.Millisecond}, func(_ *packetvalue.Value, take func()) (bool, error) {
			judged++
			take()
			send()
			_ = tv.Await(st.w, "the next packet", nil, time.Millisecond, func(clock.Instant) bool { return false })
			return judged == 100, nil
		})
		if err != task.ErrTimedOut {
			t.Errorf("the wait ended with %v", err)
		}
		return starlark.None, nil
	})
	if err := s.Typed(`wait.join()`); err != nil {
		t.Fatal(s.err.String())
	}
	if judged < 9 || judged > 20 { // the hosts send a few as well
		t.Errorf("%d packets were judged in 10 ms, one in each", judged)
	}
}
