package packet

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"smolsh/phy"
)

// frameOf returns a copy of the named frame of lines, which the caller may change.
func frameOf(t testing.TB, name string) []byte {
	t.Helper()
	for _, l := range lines(t) {
		if l.name == name {
			return l.frame
		}
	}
	t.Fatalf("no frame %q", name)
	return nil
}

// TestDamage: Damage reports by name a field that contradicts the protocol or the frame. The other fields keep their
// values.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		change      func(b []byte)
		want        string
	}{
		{"sound", "vlan", func([]byte) {}, ""},
		{"header length of IP", "question", func(b []byte) { b[14] = 0x44 }, "ip.ihl: 4 is below 5"},
		{"header length beyond the frame", "strange", func(b []byte) { b[14+4] = 0xff }, "ip6.plen: 65288, and 8 octets are there"},
		{"version of IP", "question", func(b []byte) { b[14] = 0x65 }, "ip.version: 6 is not 4"},
		{"total length", "question", func(b []byte) { b[17] = 19 }, "ip.len: 19 is below 20"},
		{"length of UDP", "question", func(b []byte) { b[14+20+5] = 7 }, "udp.len: 7 is below 8"},
		{"data offset", "tcp6", func(b []byte) { b[14+40+12] = 0x40 }, "tcp.dataofs: 4 is below 5"},
		{"option of TCP", "tcp6", func(b []byte) { b[14+40+20+3] = 9 }, "tcp.options: option sack has the length 9; tcp.options: option 19 has no length"},
		{"option without length", "tcp6", func(b []byte) { b[14+40+20+3] = 0 }, "tcp.options: option 5 has the length 0, and 10 octets are there"},
		{"record of DNS", "answer", func(b []byte) { b[14+20+8+12+17+22] = 5 }, "dns.records: an[0] cannot be read: its data is no A"},
		{"option of DHCP", "discover", func(b []byte) { b[len(b)-3] = 200 }, "dhcp.option_octets: option 53 has the length 200, and 2 octets are there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := frameOf(t, c.frame)
			c.change(b)
			p := OfMedium(b, phy.MediumEthernet)
			var got []string
			for _, d := range p.Damage() {
				name := p.Layers[d.Layer].Protocol.Attr
				if d.Field != nil {
					name += "." + d.Field.Name
				}
				got = append(got, name+": "+d.Text)
			}
			text := strings.Join(got, "; ")
			if text != c.want && !(c.want != "" && strings.HasPrefix(c.want, text+";")) {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			if c.want != "" && !strings.Contains(p.Show(), "malformed: ") {
				t.Errorf("shown without a mark:\n%s", p.Show())
			}
		})
	}
}

// TestChecksumVerdicts: Show says whether each checksum is correct, and what it should be.
func TestChecksumVerdicts(t *testing.T) {
	for _, name := range []string{"tcp6", "question", "frag needed", "ns", "extended"} {
		b := frameOf(t, name)
		if text := OfMedium(b, phy.MediumEthernet).Show(); strings.Contains(text, "wrong") || !strings.Contains(text, "correct") {
			t.Errorf("%s, encoded by gopacket:\n%s", name, text)
		}
		b[len(b)-1] ^= 1
		if text := OfMedium(b, phy.MediumEthernet).Show(); name != "frag needed" && !strings.Contains(text, "wrong, 0x") {
			t.Errorf("%s with another last octet:\n%s", name, text)
		}
	}
}

// TestNotCaptured: octets beyond the captured length are no damage. The fields before them have values, and the others
// have none.
func TestNotCaptured(t *testing.T) {
	whole := frameOf(t, "question")
	for n := range whole {
		p := Dissect(whole[:n], len(whole), Ether)
		if d := p.Damage(); len(d) > 0 {
			t.Errorf("%d octets of %d: %+v", n, len(whole), d)
		}
	}
}

// A field that has no room in a message is absent: no message has a field of octets without octets. The options of DHCP and
// the sections of DNS, which other fields describe, may be empty.
func TestFieldsWithoutRoomAreAbsent(t *testing.T) {
	layers := 0
	for _, file := range []string{"packets.pcap", "real.pcap"} {
		frames, _ := readPcap(t, "testdata/"+file)
		for i, b := range frames {
			for _, l := range Dissect(b, len(b), Ether).Layers {
				layers++
				for k := range l.Protocol.Fields {
					f := &l.Protocol.Fields[k]
					v, octets := l.Value(f).([]byte)
					if l.Protocol != DHCP && l.Protocol != DNS && octets && len(v) == 0 || l.Has(f) && l.Value(f) == nil {
						t.Errorf("%s, packet %d: %s.%s has the value %#v", file, i+1, l.Protocol.Name, f.Name, l.Value(f))
					}
				}
			}
		}
	}
	if layers < 5000 {
		t.Errorf("only %d layers", layers)
	}
}

// No octets under any first layer make a packet panic or a field reach beyond the frame, and reading twice gives the same.
func FuzzDissect(f *testing.F) {
	for _, l := range lines(f) {
		for i := range 3 {
			f.Add(l.frame, uint8(i), uint16(len(l.frame)))
		}
		f.Add(l.frame[14:], uint8(6), uint16(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, first uint8, length uint16) {
		table := protocols[int(first)%len(protocols)]
		p := Dissect(b, int(length), table)
		checkPacket(t, p, 0)
		if q := Dissect(b, int(length), table); q.Show() != p.Show() || !reflect.DeepEqual(q.Damage(), p.Damage()) {
			t.Fatal("read twice with two results")
		}
		if text := p.Show(); Printable([]byte(strings.ReplaceAll(text, "\n", ""))) != strings.ReplaceAll(text, "\n", "") {
			t.Fatalf("%q", text)
		}
		(&Sequences{}).Describe(p)
	})
}

// checkPacket reads every field of every layer, also of the packets that ICMP errors quote.
func checkPacket(t *testing.T, p *Packet, depth int) {
	for _, l := range p.Layers {
		if l.begin < 0 || l.body < l.begin || l.end < l.body || l.end > p.Length {
			t.Fatalf("layer %s at %d, %d, %d of %d octets", l.Protocol.Name, l.begin, l.body, l.end, p.Length)
		}
		for i := range l.Protocol.Fields {
			f := &l.Protocol.Fields[i]
			from, to := l.Span(f)
			v := l.Value(f)
			if f.Kind <= Addr && !f.derived && v != nil && (from < l.begin || to > len(p.Octets) || to > l.end) {
				t.Fatalf("%s.%s spans %d to %d of %d octets", l.Protocol.Name, f.Name, from, to, len(p.Octets))
			}
			_ = fmt.Sprint(v)
			if q, ok := v.(*Packet); ok && depth < 8 {
				checkPacket(t, q, depth+1)
			}
		}
	}
}
