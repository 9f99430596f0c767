package packet

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestParse: a text stands for the value of a field.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		table       *Protocol
		field, text string
		want        any
	}{
		{TCP, "dport", "80", uint64(80)}, {TCP, "dport", "0x50", uint64(80)}, {TCP, "dport", "http", uint64(80)},
		{TCP, "flags", "SA", uint64(0x12)}, {TCP, "flags", "AS", uint64(0x12)}, {TCP, "flags", "2", uint64(2)},
		{IP, "flags", "DF+MF", uint64(3)}, {IP, "proto", "tcp", uint64(6)}, {IP, "proto", "UDP", uint64(17)},
		{ARP, "op", "is-at", uint64(2)}, {ARP, "op", "who has", uint64(1)}, {ARP, "hwsrc", mac1.String(), mac1}, {ARP, "psrc", "10.0.0.1", ip4a},
		{ICMP, "type", "echo-request", uint64(8)}, {ICMP, "type", "echo request", uint64(8)}, {ICMP, "type", "Echo_Reply", uint64(0)},
		{Ether, "type", "ipv6", uint64(0x86dd)}, {Ether, "dst", mac2.String(), mac2}, {IP, "dst", "10.0.0.2", ip4b}, {IPv6, "dst", "fd00::2", ip6b},
		{DNS, "qr", "true", uint64(1)}, {DNS, "qr", "false", uint64(0)}, {DNS, "opcode", "update", uint64(5)}, {DHCP, "sname", "x", "x"}, {Raw, "load", "x", []byte("x")},
		{Null, "type", "2", uint64(2)},
	} {
		f := c.table.Field(c.field)
		got, err := f.Parse(c.text)
		if err != nil || !Equal(got, c.want) {
			t.Errorf("%s.%s %q: got %v, %v", c.table.Name, c.field, c.text, got, err)
		}
		if _, err := (DraftLayer{Protocol: c.table}).With(f, got); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		table             *Protocol
		field, text, want string
	}{
		{TCP, "dport", "htp", `"htp" is no dport: it is a number or one of echo, discard,`}, {TCP, "dport", "70000", "dport is 0 to 65535, got 70000"},
		{TCP, "window", "big", `window is a number, got "big"`}, {TCP, "flags", "X", `"X" is none of`}, {TCP, "flags", "512", "flags is 0 to 511, got 512"},
		{ARP, "op", "", `"" is no op: it is a number or one of who-has, is-at, RARP request, RARP reply`}, {ARP, "op", "-1", `"-1" is no op`},
		{IP, "dst", "fd00::1", "dst: fd00::1 is no IPv4 address"}, {IP, "dst", "host\x1b", "dst: host? is no IPv4 address"}, {Ether, "dst", "x", "dst is a hardware address such as"},
		{TCP, "options", "mss", `options can't be "mss"`}, {IPv6, "dst", "fe80::1%eth0", "dst: fe80::1%eth0 is no IPv6 address"},
	} {
		if got, err := c.table.Field(c.field).Parse(c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s.%s %q: got %v, %v", c.table.Name, c.field, c.text, got, err)
		}
	}
}

// TestNamesAreParsed: each name of a value is parsed to a number with that name.
func TestNamesAreParsed(t *testing.T) {
	for _, p := range Protocols() {
		for i := range p.Fields {
			f := &p.Fields[i]
			if f.derived || f.Kind > Letters {
				continue
			}
			for _, name := range f.ValueNames() {
				n, err := f.Parse(name)
				if v, ok := n.(uint64); err != nil || !ok || plainName(f.Names(v)) != plainName(name) {
					t.Fatalf("%s.%s: %q is %v, %v", p.Name, f.Name, name, n, err)
				}
				if f.Bits >= 16 {
					break
				}
			}
		}
	}
}

// TestFuzz: drafts with drawn fields are built, keep their layers and the fields that were set, and have right checksums. The same numbers draw the same
// packet.
func TestFuzz(t *testing.T) {
	for name, layers := range compositions(t) {
		for i := range layers {
			layers[i].values = values{"dst": layers[i].values["dst"], "src": layers[i].values["src"], "quoted": layers[i].values["quoted"], "type": layers[i].values["type"]}
			for field, v := range layers[i].values {
				if v == nil || layers[i].table.Field(field) == nil {
					delete(layers[i].values, field)
				}
			}
		}
		d := draftOf(t, layers...)
		different := map[string]bool{}
		for seed := range uint64(20) {
			draw := func() (*Draft, *Packet) {
				f, _ := Fuzz(d, rand.New(rand.NewPCG(seed, 1)).Uint64, nil)
				p, err := f.Build()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return f, p
			}
			f, p := draw()
			if _, again := draw(); string(again.Octets) != string(p.Octets) {
				t.Fatalf("%s: two packets of one seed", name)
			}
			different[string(p.Octets)] = true
			for i, l := range d.Layers {
				for j := range l.Protocol.Fields {
					field := &l.Protocol.Fields[j]
					if v := l.Value(field); v != nil && !Equal(f.Layers[i].Value(field), v) {
						t.Errorf("%s: %s.%s was set", name, l.Protocol.Name, field.Name)
					}
					if c := field.Compute; l.Value(field) == nil && f.Layers[i].Value(field) != nil && (c != Given && c != Host || field.Kind == Addr || field.Kind == MAC) {
						t.Errorf("%s: %s.%s was drawn", name, l.Protocol.Name, field.Name)
					}
				}
			}
			checkRoundTrip(t, p.Octets, p.First)
		}
		if len(different) < 15 && name != "ip6 alone" && name != "router solicitation" && len(layers) > 2 {
			t.Errorf("%s: %d packets of 20 seeds", name, len(different))
		}
	}
}

// FuzzDraft: any composed packet with any drawn fields is built, and read back as the packet that was drawn.
func FuzzDraft(f *testing.F) {
	all := compositions(f)
	names := slices.Sorted(maps.Keys(all))
	for i := range names {
		f.Add(uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, i uint8, seed uint64) {
		name := names[int(i)%len(names)]
		d, _ := Fuzz(draftOf(t, all[name]...), rand.New(rand.NewPCG(seed, 1)).Uint64, nil)
		p, err := d.Build()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkRoundTrip(t, p.Octets, p.First)
		if text := (*Sequences)(nil).Describe(p); Printable([]byte(text)) != text {
			t.Fatalf("%q", text)
		}
	})
}
