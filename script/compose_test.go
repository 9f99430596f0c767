package script

import (
	"slices"
	"strings"
	"testing"

	"smolsh/stack/packet"
)

// TestPacketsAtThePrompt: the prompt shows a composed packet as its code, a pattern as it is written, and a frame as its line.
func TestPacketsAtThePrompt(t *testing.T) {
	for line, want := range map[string]string{
		`IP(dst="10.0.0.2") / TCP(dport=80, flags="S") / "x"`: `IP(dst="10.0.0.2")/TCP(dport=80, flags="S")/"x"`,
		`~TCP(dport=[80, range(5)])`:                          `~TCP(dport=[80, range(5)])`,
		`NOT(ANY)`:                                            `NOT(ANY)`,
		`(IP(src="10.0.0.1", dst="10.0.0.2")/UDP(sport=1, dport=2)).fill()`: `10.0.0.1.1 > 10.0.0.2.2: UDP, length 0`,
		`TCP`: `TCP`,
	} {
		if got := strings.TrimSpace(shown(t, line)); got != want {
			t.Errorf("%s shows %s, want %s", line, got, want)
		}
	}
}

// TestComposingIsCompleted: the fields of a protocol, the names of their values, and the layers of a composed packet.
func TestComposingIsCompleted(t *testing.T) {
	s := newSim(t, 1)
	if err := s.Typed("p = IP() / TCP() / \"x\"\n"); err != nil {
		t.Fatal(s.err.String())
	}
	for text, want := range map[string]string{
		"TCP(dp":                        "dport=",
		"TCP(dport=80, fl":              "flags=",
		"IP() / UDP(sp":                 "sport=",
		"TCP(dport=80, dp":              "",
		"TCP(ms":                        "",
		`ARP(op="is`:                    "is-at",
		`ICMP(type="echo-req`:           "echo-request",
		"p.tc":                          "tcp",
		"p.ud":                          "",
		"p.tcp.dpo":                     "dport",
		"p.repl":                        "replace",
		"(IP() / TCP()).with":           "without",
		`TCP(dport=80).summ`:            "summary",
		`p.matches("por`:                "port portrange",
		`sniff("por`:                    "port portrange",
		`fault("eth0", match="icmp6tyP`: "",
		"p.without(TC":                  "TCP",
	} {
		_, items, _ := s.complete(text)
		if got := strings.Join(items, " "); got != want {
			t.Errorf("%q is completed to %q, want %q", text, got, want)
		}
	}
	_, items, _ := s.complete("p.")
	if !slices.Contains(items, "ip") || !slices.Contains(items, "tcp") || slices.Contains(items, "udp") {
		t.Errorf("the attributes of p are %q", items)
	}
}

// TestEveryFieldHasHelp: help on a protocol and the reference have a line for each field, with what it takes and what is filled in. Help fits
// the terminal.
func TestEveryFieldHasHelp(t *testing.T) {
	reference := Reference()
	for _, p := range packet.Protocols() {
		text := helpOnProtocol(p, 80)
		if !narrow(text) {
			t.Errorf("help on %s is wider than 80 columns:\n%s", p.Name, text)
		}
		whole := helpOnProtocol(p, 0)
		for i := range p.Fields {
			f := &p.Fields[i]
			if !strings.Contains(whole, "\n  "+f.Name+" ") || !strings.Contains(reference, "- `"+f.Name+"`: "+f.Doc+"; ") {
				t.Errorf("no help on %s.%s", p.Name, f.Name)
			}
			if !f.Derived() && !strings.Contains(fieldText(p, f), "unset: ") {
				t.Errorf("help on %s.%s does not say what is filled in", p.Name, f.Name)
			}
		}
	}
}

// TestPatternErrors: an error of a pattern's function is said once, with the place, and the function is not asked again. A function that computes
// for ever is ended.
func TestPatternErrors(t *testing.T) {
	for _, c := range []struct{ code, want, what string }{
		{`f = fault("eth0", match=ICMP(seq=lambda n: 1 // 0))`, "division by zero", "fault's match"},
		{`f = fault("eth0", match=lambda p: p.nothing)`, "packet has no .nothing", "fault's match"},
		{`o = on("packet", print, filter=lambda p: [i for i in range(1 << 30)])`, "too many steps", "on's filter"},
		{`trace(lambda p: ping("192.168.69.100"))`, "", "trace's filter"},
		{`capture("x.pcapng", ICMP(id=lambda n: n.x))`, "int has no .x", "capture's filter"},
	} {
		t.Chdir(t.TempDir())
		s := newSim(t, 1)
		if err := s.Typed(c.code + "\nassert.eq(ping(\"192.168.69.100\", count=3, interval=\"1ms\").received, 3)\n"); err != nil {
			t.Errorf("%s: %s", c.code, s.err.String())
		}
		s.Flush()
		out := s.out.String()
		if !strings.Contains(out, c.want) || strings.Count(out, "(the function of "+c.what+" is not asked any more)") != 1 {
			t.Errorf("%s prints:\n%s\nwant %s", c.code, out, c.want)
		}
	}
}
