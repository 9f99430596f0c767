package dns

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

var (
	first  = netip.MustParseAddrPort("10.0.0.53:53")
	second = netip.MustParseAddrPort("[fd00::53]:53")
)

// reply returns the message that answers an Ask with the given resources; edit may change it first.
func reply(t testing.TB, a Ask, edit func(m *dnsmessage.Message), answers ...dnsmessage.Resource) []byte {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(a.Message); err != nil {
		t.Fatal(err)
	}
	m.Response, m.Additionals, m.Answers = true, nil, answers
	if edit != nil {
		edit(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func record(name string, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60}, Body: body}
}

func address(name string, last byte) dnsmessage.Resource {
	return record(name, &dnsmessage.AResource{A: [4]byte{10, 0, 0, last}})
}

func cname(name, to string) dnsmessage.Resource {
	return record(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)})
}

// begin returns a Lookup of web.example and its first Ask.
func begin(t testing.TB, typ Type, servers ...netip.AddrPort) (*Lookup, Ask) {
	t.Helper()
	l, err := NewLookup("web.example", typ, servers)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := l.Next(7)
	if !ok {
		t.Fatal("a new Lookup is over")
	}
	return l, a
}

func code(c dnsmessage.RCode) func(m *dnsmessage.Message) {
	return func(m *dnsmessage.Message) { m.RCode = c }
}

// outcome returns the records' addresses and names, or the error, as text.
func outcome(l *Lookup) string {
	records, err := l.Result()
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, r := range records {
		if r.Addr.IsValid() {
			list = append(list, r.Addr.String())
			continue
		}
		list = append(list, r.Host+r.Text)
	}
	return strings.Join(list, " ")
}

// TestAnswers (RFC 1034 §3.6.2, RFC 2308 §2): the records of the name and of its aliases, and what an answer without them says.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		what    string
		edit    func(m *dnsmessage.Message)
		answers []dnsmessage.Resource
		want    string
	}{
		{"two addresses, one of another name", nil, []dnsmessage.Resource{address("web.example.", 1), address("bad.example.", 66), address("WEB.example.", 2)}, "10.0.0.1 10.0.0.2"},
		{"aliases, in any order", nil, []dnsmessage.Resource{address("c.example.", 3), cname("b.example.", "c.example."), cname("web.example.", "B.example.")}, "10.0.0.3"},
		{"a loop of aliases", nil, []dnsmessage.Resource{cname("web.example.", "b.example."), cname("b.example.", "WEB.example.")}, "web.example is an alias of itself, by way of b.example"},
		{"an alias of itself", nil, []dnsmessage.Resource{cname("web.example.", "web.example.")}, "web.example is an alias of itself"},
		{"an alias of nothing", code(dnsmessage.RCodeNameError), []dnsmessage.Resource{cname("web.example.", "b.example.")}, "no such name: b.example, of which web.example is an alias (NXDOMAIN from 10.0.0.53)"},
		{"a hostile alias of nothing", code(dnsmessage.RCodeNameError), []dnsmessage.Resource{cname("web.example.", "\x1b[2J.example.")}, `no such name: "\x1b[2J.example", of which web.example is an alias (NXDOMAIN from 10.0.0.53)`},
		{"no data", nil, nil, "web.example has no A record, says 10.0.0.53"},
		{"no such name", code(dnsmessage.RCodeNameError), nil, "no such name: web.example (NXDOMAIN from 10.0.0.53)"},
		{"another class", nil, []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("web.example."), Class: dnsmessage.ClassCHAOS}, Body: &dnsmessage.AResource{}}}, "web.example has no A record, says 10.0.0.53"},
	} {
		l, a := begin(t, A, first, second)
		if !l.Receive(reply(t, a, c.edit, c.answers...)) {
			t.Errorf("%s: not taken for the answer", c.what)
		}
		if _, more := l.Next(8); more {
			t.Errorf("%s: another message is to be sent", c.what)
		}
		if got := outcome(l); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// TestTypes: each type's data.
func TestTypes(t *testing.T) {
	host := dnsmessage.MustNewName("h.example.")
	for _, c := range []struct {
		typ  Type
		body dnsmessage.ResourceBody
		want string
	}{
		{A, &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}}, "{60 10.0.0.1   0 0 0 0 0 0 0 0}"},
		{AAAA, &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("fd00::1").As16()}, "{60 fd00::1   0 0 0 0 0 0 0 0}"},
		{CNAME, &dnsmessage.CNAMEResource{CNAME: host}, "{60 invalid IP h.example  0 0 0 0 0 0 0 0}"},
		{NS, &dnsmessage.NSResource{NS: host}, "{60 invalid IP h.example  0 0 0 0 0 0 0 0}"},
		{PTR, &dnsmessage.PTRResource{PTR: host}, "{60 invalid IP h.example  0 0 0 0 0 0 0 0}"},
		{MX, &dnsmessage.MXResource{Pref: 10, MX: host}, "{60 invalid IP h.example  10 0 0 0 0 0 0 0}"},
		{SRV, &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 3, Target: host}, "{60 invalid IP h.example  1 2 3 0 0 0 0 0}"},
		{TXT, &dnsmessage.TXTResource{TXT: []string{"v=1 ", "\x1b[2J"}}, "{60 invalid IP  v=1 \x1b[2J 0 0 0 0 0 0 0 0}"},
		{SOA, &dnsmessage.SOAResource{NS: host, MBox: host, Serial: 1, Refresh: 2, Retry: 3, Expire: 4, MinTTL: 5}, "{60 invalid IP h.example h.example 0 0 0 1 2 3 4 5}"},
	} {
		l, a := begin(t, c.typ, first)
		if !l.Receive(reply(t, a, nil, record("web.example.", c.body))) {
			t.Errorf("%v: not taken for the answer", c.typ)
			continue
		}
		records, err := l.Result()
		if got := fmt.Sprint(records); err != nil || got != "["+c.want+"]" {
			t.Errorf("%v: %s, %v, want %s", c.typ, got, err, c.want)
		}
		if typ, ok := ParseType(strings.ToLower(c.typ.String())); !ok || typ != c.typ {
			t.Errorf("%v is parsed as %v, %v", c.typ, typ, ok)
		}
	}
	l, a := begin(t, AAAA, first)
	l.Receive(reply(t, a, nil, record("web.example.", &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("::ffff:10.0.0.1").As16()})))
	if _, err := l.Result(); err == nil {
		t.Error("an IPv4-mapped address is taken for one of IPv6")
	}
}

// TestForged (RFC 5452 §4): a message with another id or question, one that is no response and one whose header or question is damaged are
// ignored, however many there are, and counted by kind. The answer counts when it comes.
func TestForged(t *testing.T) {
	l, a := begin(t, A, first)
	good := reply(t, a, nil, address("web.example.", 1))
	stray := [][]byte{
		nil, []byte("x"), good[:13], bytes.Repeat([]byte{0xc0}, 65535),
		reply(t, a, func(m *dnsmessage.Message) { m.Response = false }),
		reply(t, a, func(m *dnsmessage.Message) { m.OpCode = 5 }),
		reply(t, a, func(m *dnsmessage.Message) { m.Questions = nil }),
		reply(t, a, func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.example.") }),
		reply(t, a, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }),
		reply(t, a, func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }),
	}
	for k, b := range stray {
		if l.Receive(b) {
			t.Errorf("message %d is taken for the answer", k)
		}
	}
	for id := range 65536 {
		if id != 7 && l.Receive(reply(t, a, func(m *dnsmessage.Message) { m.ID = uint16(id) }, address("web.example.", 66))) {
			t.Fatalf("the id %d is taken for 7", id)
		}
	}
	if !l.Receive(good) || outcome(l) != "10.0.0.1" {
		t.Errorf("the answer: %s", outcome(l))
	}
	if want := (Strays{WrongID: 1 + 65535, OtherQuestion: 4, NoResponse: 2, Unreadable: 3}); l.strays != want {
		t.Errorf("ignored %v, want %v", l.strays, want)
	}
	for _, c := range []struct {
		messages [][]byte
		want     string
	}{
		{stray[:1], "1 malformed"},
		{stray[4:5], "1 no response"},
		{append(stray, []byte{1}), "1 with a wrong id, 4 about another question, 2 no response, 4 malformed"},
	} {
		l, _ = begin(t, A, first)
		for _, b := range c.messages {
			l.Receive(b)
		}
		l.Fail(errors.New("timed out"))
		if got, want := outcome(l), "no answer from 10.0.0.53 about web.example: timed out (ignored: "+c.want+")"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestMalformed: an answer with the right id and question ends the wait even if its records can't be read, and the next server is asked.
func TestMalformed(t *testing.T) {
	for what, damage := range map[string]func(b []byte) []byte{
		"a record is cut":                  func(b []byte) []byte { return b[:len(b)-2] },
		"the header promises more records": func(b []byte) []byte { b[7] = 50; return b },
		"the address is too short":         func(b []byte) []byte { b[len(b)-5] = 3; return b[:len(b)-1] },
		"the owner's name points to itself": func(b []byte) []byte {
			at := bytes.LastIndexByte(b, 0xc0)
			b[at+1] = byte(at)
			return b
		},
	} {
		l, a := begin(t, A, first, second)
		bad := damage(reply(t, a, nil, address("web.example.", 1)))
		if !l.Receive(bad) {
			t.Errorf("%s: the wait goes on", what)
		}
		if got := outcome(l); !strings.HasPrefix(got, "malformed answer from 10.0.0.53 about web.example: ") {
			t.Errorf("%s: %s", what, got)
		}
		a, ok := l.Next(7)
		if !ok || a.Server != second {
			t.Fatalf("%s: %v is asked next, %v", what, a.Server, ok)
		}
		if !l.Receive(reply(t, a, nil, address("web.example.", 2))) || outcome(l) != "10.0.0.2" {
			t.Errorf("%s: the second server: %s", what, outcome(l))
		}
	}
}

// TestServers: the next message after each outcome: a cut answer is asked for over TCP (RFC 7766 §5), an old server without OPT (RFC 6891
// §6.2.2), then the next server, and each twice.
func TestServers(t *testing.T) {
	l, a := begin(t, A, first, second)
	var sent []string
	for ok := true; ok; a, ok = l.Next(7) {
		var m dnsmessage.Message
		if err := m.Unpack(a.Message); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, fmt.Sprint(a.Server.Addr(), " tcp=", a.TCP, " opt=", len(m.Additionals)))
		switch len(sent) {
		case 1, 2: // a cut answer over TCP is malformed
			if !l.Receive(reply(t, a, func(m *dnsmessage.Message) { m.Truncated = true })) {
				t.Errorf("cut answer %d: the wait goes on", len(sent))
			}
			if a.TCP && outcome(l) != "malformed answer from 10.0.0.53 about web.example: the server cut it short, although TCP carried it" {
				t.Error(outcome(l))
			}
		case 3, 4:
			l.Receive(reply(t, a, code(dnsmessage.RCodeFormatError)))
		case 5:
			l.Fail(errors.New("timed out"))
		case 6:
			l.Receive(reply(t, a, code(dnsmessage.RCodeRefused)))
		default:
			t.Fatalf("sent %q", sent)
		}
	}
	want := []string{"10.0.0.53 tcp=false opt=1", "10.0.0.53 tcp=true opt=1", "fd00::53 tcp=false opt=1", "fd00::53 tcp=false opt=0",
		"10.0.0.53 tcp=false opt=1", "fd00::53 tcp=false opt=1"}
	if fmt.Sprint(sent) != fmt.Sprint(want) {
		t.Errorf("sent\n%q, want\n%q", sent, want)
	}
	if got := outcome(l); got != "the server fd00::53 did not resolve web.example (REFUSED)" {
		t.Error(got)
	}
}

// TestNames: which names are asked for, and the longest one is.
func TestNames(t *testing.T) {
	longest := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61)
	for name, want := range map[string]bool{
		"web": true, "web.example.": true, "_http._tcp.web.example": true, "WEB-1": true, ".": true, longest: true, longest + ".": true,
		longest + "a": false, "": false, "a..b": false, ".a": false, "bücher.example": false, "a b": false, "a\x00": false, "..": false, strings.Repeat("a", 64): false,
	} {
		l, err := NewLookup(name, A, []netip.AddrPort{first})
		if (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
		if err != nil {
			continue
		}
		if a, _ := l.Next(1); !l.Receive(reply(t, a, nil)) {
			t.Errorf("%q: the answer does not fit", name)
		}
	}
	var e *Error
	if _, err := NewLookup("web", A, nil); !errors.As(err, &e) || e.Kind != NoServer {
		t.Errorf("no server: %v", err)
	}
	for a, want := range map[string]string{"192.0.2.1": "1.2.0.192.in-addr.arpa", "::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa",
		"2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"} {
		if got := Reverse(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %s", a, got)
		}
	}
}

// TestStream (RFC 1035 §4.2.2): a message is complete when its length says so, wherever the stream was cut.
func TestStream(t *testing.T) {
	for _, n := range []int{0, 1, 12, 65535} {
		msg := bytes.Repeat([]byte("x"), n)
		stream := append(AppendStream(nil, msg), "next"...)
		for got := 0; ; {
			m, missing, whole := FromStream(stream[:got])
			if whole {
				if !bytes.Equal(m, msg) || got != 2+n {
					t.Errorf("%d octets: %d after %d", n, len(m), got)
				}
				break
			}
			if missing < 1 || got+missing > 2+n {
				t.Fatalf("%d octets: %d missing after %d", n, missing, got)
			}
			got += min(missing, 1+n/7)
		}
	}
}

// FuzzReceive: whatever a server sends, an answer has at most MaxRecords records, of the type that was asked for, each error has a text, and
// a Lookup sends at most mostAsks messages.
func FuzzReceive(f *testing.F) {
	_, a := begin(f, A, first)
	var many []dnsmessage.Resource
	for k := range 100 {
		many = append(many, address("web.example.", byte(k)), cname("web.example.", fmt.Sprintf("n%d.example.", k)))
	}
	good := reply(f, a, nil, many...)
	for _, typ := range Types() {
		f.Add(uint16(typ), good)
	}
	f.Add(uint16(A), good[:40])
	f.Add(uint16(TXT), reply(f, a, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeTXT },
		record("web.example.", &dnsmessage.TXTResource{TXT: []string{"a", "b"}})))
	f.Add(uint16(A), reply(f, a, nil, cname("web.example.", "b.example."), cname("b.example.", "web.example.")))
	f.Fuzz(func(t *testing.T, typ uint16, b []byte) {
		l, a := begin(t, Type(typ), first)
		ends := l.Receive(b)
		for asks, more := 1, true; more; a, more = l.Next(7) {
			if asks++; asks > mostAsks(1) {
				t.Fatalf("%d messages", asks)
			}
			if ends = l.Receive(b) || l.done || l.Receive(aboutName(b, a)); !ends {
				l.Fail(errors.New("timed out"))
			}
		}
		records, err := l.Result()
		if (len(records) > 0) == (err != nil) || len(records) > 0 && !ends || len(records) > MaxRecords {
			t.Fatalf("%d records, %v, ends %v", len(records), err, ends)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		for _, r := range records {
			if (Type(typ) == A && !r.Addr.Is4()) || (Type(typ) == AAAA && (!r.Addr.Is6() || r.Addr.Is4In6())) {
				t.Errorf("address %v", r.Addr)
			}
		}
	})
}
