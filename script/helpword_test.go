package script

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"smolsh/script/topic"
	"smolsh/stack"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// asked are words that people have typed into help(), beside those that TestWords collects.
const asked = `echo REACHABLE STALE TIME_WAIT TIME-WAIT MSS cwnd rto retransmission ip wireshark octet sim ARP syn socket loss
LISTEN ESTABLISHED win Flags pmtu tentative link-local SLAAC autoconf seed row info verdict sack recovery ssthresh ICMP recv send close delay
rate mtu router gateway forward pcap while def import print str bytes pipe struct window backlog keepalive conn.send tcpdump Split netstat kernel`

// TestWords: help knows the names of the language, of the tables' columns and the connection's variables, the states and the verdicts, in
// capital and small letters, each in some lines of at most 80 columns.
func TestWords(t *testing.T) {
	s := newSim(t, 1)
	names := append(strings.Fields(asked), starlark.Universe.Keys()...)
	for st := tcp.Closed; st <= tcp.TimeWait; st++ {
		names = append(names, st.String())
	}
	for a := stack.ARPReply; a <= stack.RouterAdvertisement; a++ {
		names = append(names, stack.Verdict{Kind: stack.Answered, Answer: a}.String())
	}
	for _, v := range []stack.Verdict{{Kind: stack.Forwarded}, {Kind: stack.Overheard, Proto: wire.ProtocolICMPv6}, {Kind: stack.Overheard},
		{Kind: stack.Overheard, MLD: true}, {Kind: stack.Overheard, Proto: wire.ProtocolIGMP}, {Kind: stack.Transmitted, Probe: tcp.KeepAlive},
		{Held: true}, {Raw: true}, {Raw: true, Proto: wire.ProtocolICMP}, {Listener: true, Port: 80, State: tcp.SynReceived}, {Proto: wire.ProtocolTCP, State: tcp.FinWait2},
		{State: tcp.Established, Probe: tcp.WindowProbe}, {Proto: wire.ProtocolUDP, Port: 53}, {Proto: wire.ProtocolICMP, Port: 7}, {Proto: wire.ProtocolICMPv6, Port: 8}} {
		names = append(names, v.String())
	}
	for _, columns := range []string{ifaceColumns, neighborColumns, routeColumns, socketColumns, dropColumns, limitColumns, taskColumns, addrColumns, routerColumns, linkColumns, logColumns} {
		names = append(names, strings.Fields(columns)...)
	}
	for _, f := range infoFields {
		names = append(names, f.name)
	}
	for _, w := range topic.Words() {
		names = append(append(names, w.Name), w.Also...)
		for _, ref := range w.See {
			if _, err := helpNamed(s.reg, nil, ref, 80); err != nil {
				t.Errorf("%s: see also %s: %v", w.Name, ref, err)
			}
		}
	}
	for _, n := range names {
		for _, form := range []string{n, strings.ToUpper(n), strings.ToLower(n)} {
			text, err := helpNamed(s.reg, nil, form, 80)
			if err != nil {
				t.Error(err)
			} else if !narrow(text) {
				t.Errorf("%s: too wide: %s", form, text)
			}
		}
	}
}

// TestRemedies: the page of each word of drops() says more than the word's explanation.
func TestRemedies(t *testing.T) {
	for r := drop.None + 1; r < drop.NumReasons; r++ {
		if len(topic.Remedy(r.String())) < 30 {
			t.Errorf("%s: %q", r, topic.Remedy(r.String()))
		}
		if !narrow(dropHelp(r, 80)) {
			t.Errorf("%s: too wide: %s", r, dropHelp(r, 80))
		}
	}
}

// TestNoNearWord: help offers no name that is merely similar.
func TestNoNearWord(t *testing.T) {
	s := newSim(t, 1)
	for name, want := range map[string]string{"pign": "did you mean ping?", "RECHABLE": "did you mean REACHABLE?", "nows": "did you mean now?",
		"preint": "did you mean print?", "cow": "", "flogs": "", "sachet": ""} {
		_, err := helpNamed(s.reg, nil, name, 80)
		if err == nil || want != "" && !strings.Contains(err.Error(), want) || want == "" && strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHelpOnValues: help on what builtins return says what its fields are, with units, and the prompt shows a result that is named.
func TestHelpOnValues(t *testing.T) {
	s := newSim(t, 1)
	for _, c := range []struct{ typed, want string }{
		{`r = ping("192.168.69.100", count=1); help(r)`, ".loss      the part of the requests without a reply, 0 to 1"},
		{`r`, "received  1"},
		{`r.loss`, "0.0"},
		{`ping("192.168.69.100", count=1)`, "1 sent, 1 received"},
		{`_`, "received  1"},
		{`c = tcp.connect("192.168.69.100:7"); help(c.info)`, "cwnd            congestion window: octets"},
		{`help(c.info())`, ".rto             retransmission timeout in seconds"},
		{`help(echo)`, "RFC 862"},
		{`help(c.recv)`, "as bytes"},
		{`help(tcp.connect)`, "by default 10s (RFC 9293: 4m, Linux: 60s)"},
		{`help("kernel")`, ".tcp.connect("},
	} {
		before := len(s.out.String())
		typed(t, s, c.typed)
		if got := s.out.String()[before:]; !strings.Contains(got, c.want) {
			t.Errorf("%s: no %q in\n%s", c.typed, c.want, got)
		}
	}
}
