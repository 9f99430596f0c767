package packet

import (
	"strings"
	"testing"
	"time"

	"smolsh/phy"
)

// dnsFrame returns a frame of a DNS message over UDP with the octets after the header, and counts of questions and answers.
func dnsFrame(t testing.TB, qd, an uint64, records string) *Packet {
	t.Helper()
	p := draftBuilt(t, ether, over4, composed{UDP, values{"sport": uint64(5353), "dport": uint64(5353)}},
		composed{DNS, values{"qr": uint64(1), "qdcount": qd, "ancount": an, "records": []byte(records)}})
	return OfMedium(p.Octets, phy.MediumEthernet)
}

// TestNamesOfAnyOctets: a label may have any octets (RFC 2181 §11). Its text is printable, tells all of them, and is written as the same octets.
func TestNamesOfAnyOctets(t *testing.T) {
	for _, c := range []struct{ label, text string }{
		{"example", "example"}, {"a.b", `a\.b`}, {"Printer v1.0 (2)", `Printer v1\.0 (2)`}, {"\x1b[31m", `\027[31m`}, {"?[31m", "?[31m"}, {"\x00z", `\000z`},
		{"\xff\xc3\xa9", `\255é`}, {`a\b`, `a\\b`}, {"\u202e", `\226\128\174`}, {"\ufffd", `\239\191\189`}, {".", `\.`}, {strings.Repeat(".", 63), strings.Repeat(`\.`, 63)},
	} {
		p := dnsFrame(t, 1, 1, string(rune(len(c.label)))+c.label+"\x03com\x00\x00\x01\x00\x01"+"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c")
		l, _ := p.Layer(DNS)
		name := c.text + ".com"
		if got := l.Value(DNS.Field("qd")).([]any)[0].(Record).Parts[0].Value; got != name {
			t.Errorf("%q: qname %q", c.label, got)
		}
		if got := l.Value(DNS.Field("questions")).([]any)[0].(Record).Parts[0].Value; got != name {
			t.Errorf("%q: question %q", c.label, got)
		}
		if got := l.Value(DNS.Field("an")).([]any)[0].(Record).Parts[5].Value; got != name {
			t.Errorf("%q: rdata %q", c.label, got)
		}
		if damage := p.Damage(); damage != nil {
			t.Errorf("%q: %+v", c.label, damage)
		}
		if got := (*Sequences)(nil).Describe(p); !strings.Contains(got, " PTR "+name+". (") {
			t.Errorf("%q: %s", c.label, got)
		}
		if l := p.Draft().Layers[3]; l.of("records") != nil || l.of("qd") == nil {
			t.Errorf("%q is not written again", c.label)
		}
	}
}

// TestTextsOfAnyOctets: the texts of a TXT record have all their octets in the line and in the fields.
func TestTextsOfAnyOctets(t *testing.T) {
	p := dnsFrame(t, 0, 1, "\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x0e\x05\x1b[31m\x03\xc3\xa9\xff\x03\"\\?")
	l, _ := p.Layer(DNS)
	const want = `"\027[31m" "é\255" "\"\\?"`
	answer := l.Value(DNS.Field("answers")).([]any)[0].(Record)
	if rdata := l.Value(DNS.Field("an")).([]any)[0].(Record).Parts[5].Value; rdata != want || answer.Parts[3].Value != want {
		t.Errorf("rdata %s, answer %s, want %s", rdata, answer.Parts[3].Value, want)
	}
	if got := (*Sequences)(nil).Describe(p); !strings.Contains(got, " TXT "+want+" (") {
		t.Error(got)
	}
}

// TestDamagedNames: octets that are no name are damage: loops and chains of pointers, labels without octets, names that are too long.
func TestDamagedNames(t *testing.T) {
	for name, records := range map[string]string{
		"a pointer to itself":      "\xc0\x0c",
		"two pointers in a loop":   "\xc0\x0e\xc0\x0c",
		"a label in a loop":        "\x01a\xc0\x0c",
		"a pointer beyond the end": "\xff\xff",
		"half a pointer":           "\xc0",
		"a label beyond the end":   "\x20ab",
		"a label of another kind":  "\x41" + strings.Repeat("x", 65) + "\x00",
		"no end":                   "\x01a",
		"256 octets":               strings.Repeat("\x01x", 127) + "\x01x\x00",
		"200 pointers":             chain(200),
	} {
		p := dnsFrame(t, 1, 0, records+"\x00\x01\x00\x01")
		if damage := p.Damage(); len(damage) != 1 || damage[0].Text != "qd[0] cannot be read" {
			t.Errorf("%s: %+v", name, damage)
		}
	}
	if p := dnsFrame(t, 1, 0, strings.Repeat("\x01x", 127)+"\x00\x00\x01\x00\x01"); p.Damage() != nil {
		t.Errorf("255 octets: %+v", p.Damage())
	}
}

// chain returns a name of n pointers, each to the next one.
func chain(n int) string {
	var b []byte
	for i := range n {
		to := dnsHeaderLen + 2*(i+1)
		b = append(b, 0xc0|byte(to>>8), byte(to))
	}
	return string(b) + "\x00"
}

// TestManyLongNames: a message whose questions all point to one long name is read in little time.
func TestManyLongNames(t *testing.T) {
	records := strings.Repeat("\x3f"+strings.Repeat("\x1b", 63), 3) + "\x00\x00\x01\x00\x01" + strings.Repeat("\xc0\x0c\x00\x01\x00\x01", 10000)
	p := dnsFrame(t, 10001, 0, records)
	began := time.Now()
	if damage := p.Damage(); damage != nil {
		t.Error(damage)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzName: a name that is read is written as a name with the same text, and its text is printable.
func FuzzName(f *testing.F) {
	for _, s := range []string{"\x03a.b\x00", "\x01\\\x02\xc3\xa9\x00", "\x00", "\x01a\xc0\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, next, ok := readName(b, 0)
		if !ok {
			return
		}
		labels, err := parseName(name)
		if err != nil || next > len(b) || Printable([]byte(name)) != name {
			t.Fatalf("%q, next %d: %v", name, next, err)
		}
		wire := appendName(nil, labels, nil)
		if again, _, ok := readName(wire, 0); !ok || again != name || len(wire) > maxNameOctets {
			t.Fatalf("%q is written as % x", name, wire)
		}
	})
}
