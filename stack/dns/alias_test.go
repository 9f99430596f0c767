package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// mostAsks is the largest number of messages of a Lookup at a number of servers: each turn of a server and each alias costs a message, one
// without OPT and one over TCP.
func mostAsks(servers int) int { return 3 * (rounds*servers + maxAliases) }

// aboutName returns the answers of a message as the answers to an Ask; nil if they can't be read.
func aboutName(b []byte, a Ask) []byte {
	var m, q dnsmessage.Message
	if m.Unpack(b) != nil || q.Unpack(a.Message) != nil {
		return nil
	}
	m.ID, m.Response, m.OpCode, m.Questions = q.ID, true, 0, q.Questions
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// A zone maps the names that a server knows to answers. A name that is missing does not exist.
type zone map[string][]dnsmessage.Resource

// TestAliases (RFC 1034 §3.6.2, §4.3.2): an alias whose target is not in the answer is asked for at the same server, then at the next. Each
// question has its own id. Loops and long chains of aliases end the Lookup.
func TestAliases(t *testing.T) {
	refused := []dnsmessage.Resource{}
	endless := zone{}
	for k := range 20 {
		endless[fmt.Sprintf("n%d.example.", k)] = []dnsmessage.Resource{cname(fmt.Sprintf("n%d.example.", k), fmt.Sprintf("n%d.example.", k+1))}
	}
	endless["web.example."] = []dnsmessage.Resource{cname("web.example.", "n0.example.")}
	eight := zone{"web.example.": endless["web.example."], "n7.example.": {address("n7.example.", 8)}}
	for k := range 7 {
		name := fmt.Sprintf("n%d.example.", k)
		eight[name] = endless[name]
	}
	for _, c := range []struct {
		what    string
		servers []zone // nil in place of answers is a name without data, refused is REFUSED
		asked   string
		want    string
	}{
		{"the target is at the same server", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": {address("b.example.", 2)}}},
			"0web 0b", "10.0.0.2"},
		{"two aliases in one answer, one in the next", []zone{{"web.example.": {cname("web.example.", "b.example."), cname("b.example.", "c.example.")},
			"c.example.": {cname("c.example.", "d.example."), address("d.example.", 4)}}}, "0web 0c", "10.0.0.4"},
		{"the target is at the next server", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": refused}, {"b.example.": {address("b.example.", 2)}}},
			"0web 0b 1b", "10.0.0.2"},
		{"no server has the target", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": refused}},
			"0web 0b 0b", "the server 10.0.0.1 did not resolve b.example, of which web.example is an alias (REFUSED)"},
		{"no data", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": nil}},
			"0web 0b", "web.example is an alias of b.example, for which 10.0.0.1 has no A record"},
		{"no such name", []zone{{"web.example.": {cname("web.example.", "b.example.")}}},
			"0web 0b", "no such name: b.example, of which web.example is an alias (NXDOMAIN from 10.0.0.1)"},
		{"a loop", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": {cname("b.example.", "WEB.example.")}}},
			"0web 0b", "web.example is an alias of itself, by way of b.example"},
		{"a loop of four", []zone{{"web.example.": {cname("web.example.", "b.example."), cname("b.example.", "c.example.")},
			"c.example.": {cname("c.example.", "d.example."), cname("d.example.", "web.example.")}}}, "0web 0c", "web.example is an alias of itself, by way of b.example, c.example and d.example"},
		{"a loop without the name", []zone{{"web.example.": {cname("web.example.", "b.example.")}, "b.example.": {cname("b.example.", "c.example.")}, "c.example.": {cname("c.example.", "b.example.")}}},
			"0web 0b 0c", "web.example is an alias of b.example, which is an alias of itself, by way of c.example"},
		{"eight aliases", []zone{eight}, "0web 0n0 0n1 0n2 0n3 0n4 0n5 0n6 0n7", "10.0.0.8"},
		{"more than eight aliases", []zone{endless}, "0web 0n0 0n1 0n2 0n3 0n4 0n5 0n6 0n7", "web.example leads through more than 8 aliases"},
	} {
		var servers []netip.AddrPort
		for k := range c.servers {
			servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + k)}), Port))
		}
		l, a := begin(t, A, servers...)
		var asked []string
		for id, more := uint16(8), true; more; id++ {
			var m dnsmessage.Message
			if err := m.Unpack(a.Message); err != nil {
				t.Fatal(err)
			}
			name, server := strings.ToLower(m.Questions[0].Name.String()), int(a.Server.Addr().As4()[3])-1
			asked = append(asked, fmt.Sprint(server, strings.TrimSuffix(name, ".example.")))
			answers, known := c.servers[server][name]
			how := code(dnsmessage.RCodeSuccess)
			switch {
			case !known:
				how = code(dnsmessage.RCodeNameError)
			case answers != nil && len(answers) == 0:
				how = code(dnsmessage.RCodeRefused)
			}
			if !l.Receive(reply(t, a, how, answers...)) {
				t.Errorf("%s: the answer about %s does not end the wait", c.what, name)
				break
			}
			a, more = l.Next(id)
		}
		if got := strings.Join(asked, " "); got != c.asked {
			t.Errorf("%s: asked %s, want %s", c.what, got, c.asked)
		}
		if got := outcome(l); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// TestAskedOfAlias: the error counts the messages about the target alone, and a stray answer about the first name stays one.
func TestAskedOfAlias(t *testing.T) {
	l, a := begin(t, A, first)
	old := reply(t, a, nil, address("web.example.", 66))
	l.Receive(reply(t, a, nil, cname("web.example.", "b.example.")))
	for range 2 {
		if _, ok := l.Next(7); !ok {
			t.Fatal("the Lookup is over")
		}
		if l.Receive(old) {
			t.Error("an answer about the alias is taken for one about its target")
		}
		l.Fail(errors.New("timed out"))
	}
	var e *Error
	if _, err := l.Result(); !errors.As(err, &e) || e.Asks != 2 || e.Name != "web.example" ||
		e.Error() != "no answer from 10.0.0.53 about b.example, of which web.example is an alias: timed out (ignored: 2 about another question)" {
		t.Errorf("%v, %+v", err, e)
	}
}

// TestBoundedAsks: a server that cuts each answer, refuses OPT, and has another alias each time makes a Lookup send mostAsks messages at most.
func TestBoundedAsks(t *testing.T) {
	l, a := begin(t, A, first, second)
	asks := 0
	for more := true; more; a, more = l.Next(7) {
		var q dnsmessage.Message
		if err := q.Unpack(a.Message); err != nil {
			t.Fatal(err)
		}
		if asks++; asks > mostAsks(2) {
			t.Fatalf("%d messages", asks)
		}
		name := q.Questions[0].Name.String()
		switch {
		case len(q.Additionals) > 0:
			l.Receive(reply(t, a, code(dnsmessage.RCodeFormatError)))
		case !a.TCP:
			l.Receive(reply(t, a, func(m *dnsmessage.Message) { m.Truncated = true }))
		case asks%5 == 0:
			l.Fail(errors.New("reset"))
		default:
			l.Receive(reply(t, a, nil, cname(name, fmt.Sprintf("n%d.example.", asks))))
		}
	}
	if asks < 2*maxAliases {
		t.Errorf("%d messages: %s", asks, outcome(l))
	}
}

// TestLongAlias: a target of the greatest length that a message carries is asked for, or the answer is malformed. Nothing else happens.
func TestLongAlias(t *testing.T) {
	for _, n := range []int{57, 58, 59, 60, 61} {
		target := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", n) + "."
		l, a := begin(t, A, first)
		l.Receive(reply(t, a, nil, cname("web.example.", target)))
		a, ok := l.Next(8)
		var q dnsmessage.Message
		if err := q.Unpack(a.Message); !ok || err != nil || q.Questions[0].Name.String() != target {
			t.Errorf("%d octets: %v, %v", len(target), q.Questions, err)
		}
	}
}
