package topology

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"smolsh/stack"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

const bothFamilies = `
hosts:
  a: {addresses: [10.0.0.1/24, fd00::1/64], gateway: r}
  b: {gateway: "fe80::1", ipv6: true}
  c: {addresses: 10.0.0.3/24, gateway: [10.0.0.254], ipv6: false}
  d: {addresses: [fd00::4/64, 10.0.0.4/24], gateway: [10.0.0.254, "fe80::1%eth0"]}
  r:
    addresses: [10.0.0.254/24, fd00::254/64]
    advertise: {max_interval: 1m, lifetime: 0, preference: high, valid: 2h, preferred: 0, mtu: 1400, hop_limit: 32, managed: true, other: true, dns: [fd00::53, fd00::54]}
  q: {addresses: fd01::1/64, advertise: true}
  p: {addresses: [fd01::2/64, fd02::2/64]}
  o: {addresses: [fd01::3/64], advertise: false}
`

// TestParseBothFamilies reads hosts of both families, their gateways, and routers of IPv6.
func TestParseBothFamilies(t *testing.T) {
	got, err := Parse([]byte(bothFamilies))
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	for i, want := range []lab.HostConfig{
		{Name: "a", Gateway: addr("10.0.0.254"), Gateway6: addr("fd00::254")},
		{Name: "b", Gateway6: addr("fe80::1"), IPv6: lab.IPv6On},
		{Name: "c", Gateway: addr("10.0.0.254"), IPv6: lab.IPv6Off},
		{Name: "d", Gateway: addr("10.0.0.254"), Gateway6: addr("fe80::1%eth0")},
		{Name: "r", Forward: true, Advertise: &stack.Advertising{MaxInterval: time.Minute, NoDefault: true, Preference: 1, Valid: 2 * time.Hour,
			Preferred: stack.NoLifetime, MTU: 1400, HopLimit: 32, Managed: true, Other: true, DNS: []netip.Addr{addr("fd00::53"), addr("fd00::54")}}},
		{Name: "q", Forward: true, Advertise: &stack.Advertising{}},
		{Name: "p", Forward: true},
		{Name: "o"},
	} {
		h := got.Hosts[i].HostConfig
		if h.Addrs = nil; !reflect.DeepEqual(h, want) {
			t.Errorf("%+v\nwant %+v", h, want)
		}
	}
}

const whole = `
links:
  - [a, r]
  - {name: up, ends: [s, r], delay: 20ms, jitter: 0.001, rate: 10mbit, queue: 7, loss: 5%, mtu: 1300, offload: true, duplicates: true}
hosts:
  a: {addresses: 10.0.0.1/24, gateway: r, mac: "02:00:00:00:00:aa", mtu: 1400}
  r: [10.0.0.254/24, 10.0.1.254/24]
  7: {addresses: [10.0.2.1/24, 10.0.3.1/24], forward: false, gateway: 10.0.3.9}
switches:
  s: {flood: 100}
  t:
timetable:
  - {at: 4s, heal: true}
  - {at: 2s, link: a-r, set: {loss: 0.5, rate: 0}}
  - {at: 2, link: up, down: true}
  - {at: 3s, partition: [a, r]}
`

// TestParse reads a file of all sections, in which links come before the hosts and switches that they name.
func TestParse(t *testing.T) {
	got, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	prefix := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	hosts := []lab.HostConfig{
		{Name: "a", Addrs: prefix("10.0.0.1/24"), Gateway: netip.MustParseAddr("10.0.0.254"), MAC: wire.HardwareAddr{2, 0, 0, 0, 0, 0xaa}, MTU: 1400},
		{Name: "r", Addrs: prefix("10.0.0.254/24", "10.0.1.254/24"), Forward: true},
		{Name: "7", Addrs: prefix("10.0.2.1/24", "10.0.3.1/24"), Gateway: netip.MustParseAddr("10.0.3.9")},
	}
	for i, h := range got.Hosts {
		if !reflect.DeepEqual(h.HostConfig, hosts[i]) || h.Line != 6+i {
			t.Errorf("line %d: %+v, want %+v", h.Line, h.HostConfig, hosts[i])
		}
	}
	if want := []Switch{{"s", 100, 10}, {"t", 0, 11}}; !reflect.DeepEqual(got.Switches, want) {
		t.Errorf("%+v, want %+v", got.Switches, want)
	}
	links := []Link{
		{Name: "a-r", A: "a", B: "r", Line: 3},
		{Name: "up", A: "r", B: "s", Line: 4, LinkConfig: lab.LinkConfig{Delay: 20 * time.Millisecond, Jitter: time.Millisecond, RateBps: 10e6,
			Queue: 7, Loss: 0.05, MTU: 1300, Offload: true, Duplicates: true}},
	}
	if !reflect.DeepEqual(got.Links, links) {
		t.Errorf("%+v, want %+v", got.Links, links)
	}
	var order []string
	for _, c := range got.Changes {
		order = append(order, c.At.String()+" "+c.Action+" "+c.Link+c.A)
	}
	if want := "2s set a-r, 2s down up, 3s partition a, 4s heal "; strings.Join(order, ", ") != want {
		t.Errorf("%q, want %q", order, want)
	}
	cfg := lab.LinkConfig{Delay: 1, RateBps: 2}
	if got.Changes[0].Set(&cfg); cfg != (lab.LinkConfig{Delay: 1, Loss: 0.5}) {
		t.Errorf("set to %+v", cfg)
	}
}

// TestParseErrors: an error names the line, and the expected value or the name that was probably meant.
func TestParseErrors(t *testing.T) {
	const two = "hosts: {a: 10.0.0.1/24, b: 10.0.0.2/24}\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the file is empty"},
		{"# nothing\n", "line 1: the file is empty"},
		{"host: {}", "line 1: the file has no key host (did you mean hosts?)"},
		{"hosts: {}\nhosts: {}", "line 2: the file has the key hosts twice"},
		{"- a", "line 1: the file is a mapping, got a list"},
		{"hosts: {}\n---\nhosts: {}", "a file has one document"},
		{"hosts: [", "line 1: "},
		{"hosts: {a: \t}\n  x", "line "},
		{"hosts:\n  a: {adresses: 10.0.0.1/24}", "line 2: host a has no key adresses (did you mean addresses?)"},
		{"hosts:\n  a: 10.0.0.1", `line 2: an address of a is an address with prefix length such as "192.168.69.1/24", got "10.0.0.1"`},
		{"hosts:\n  a: {addresses: fd00::1/64, gateway: 10.0.0.1}", "line 2: the gateway 10.0.0.1 is on no network of host a"},
		{"hosts:\n  a: {addresses: 10.0.0.1/24, gateway: fe80::1}", "line 2: the gateway fe80::1 is on no network of host a"},
		{"hosts:\n  a: {addresses: fd00::1/64, gateway: [fd00::2, 'fd00::3']}", "line 2: the gateways fd00::2 and fd00::3 are of one family"},
		{"hosts:\n  a: {addresses: fd00::1/64, gateway: [fd00::2, [b]]}", "line 2: the gateway is an address or a host, got a list"},
		{"hosts:\n  a: {ipv6: maybe}", `line 2: ipv6 is True or False, got "maybe"`},
		{"hosts:\n  a: {advertise: 1}", `line 2: advertise, which may be a mapping, is True or False, got "1"`},
		{"hosts:\n  a: {advertise: true, forward: false}", "line 2: host a: a host that advertises itself as a router forwards"},
		{"hosts:\n  a: {advertise: true, ipv6: false}", "line 2: host a: a host that advertises itself as a router speaks IPv6"},
		{"hosts:\n  a:\n    advertise: {lifetme: 1s}", "line 3: advertise has no key lifetme (did you mean lifetime?)"},
		{"hosts:\n  a:\n    advertise: {colour: 1s}", "line 3: advertise has no key colour: it has max_interval, lifetime, preference,"},
		{"hosts:\n  a:\n    advertise: {mtu: 1279}", "line 3: advertise: mtu is an int from 1280 to 65535, got 1279"},
		{"hosts:\n  a:\n    advertise: {hop_limit: 0}", "line 3: advertise: hop_limit is an int from 1 to 255, got 0"},
		{"hosts:\n  a:\n    advertise: {preference: best}", `line 3: advertise: preference is "low", "medium" or "high", got "best"`},
		{"hosts:\n  a:\n    advertise: {max_interval: 3s}", `line 3: advertise: max_interval is a duration from 4s to 65535s, got "3s"`},
		{"hosts:\n  a:\n    advertise: {lifetime: 20h}", `line 3: advertise: lifetime is a duration up to 65535s, got "20h"`},
		{"hosts:\n  a:\n    advertise: {lifetime: 5m}", "line 3: advertise: lifetime 5m0s is less than the max_interval 10m0s"},
		{"hosts:\n  a:\n    advertise: {valid: 1h, preferred: 2h}", "line 3: advertise: preferred 2h0m0s is more than valid 1h0m0s"},
		{"hosts:\n  a:\n    advertise: {dns: 10.0.0.1}", `line 3: advertise: dns is an address of IPv6 such as "fd00::53", or a list, got "10.0.0.1"`},
		{"hosts:\n  a:\n    advertise: {dns: [fd00::1, fd00::2, fd00::3, fd00::4, fd00::5]}", "line 3: advertise: dns is at most four servers"},
		{"hosts:\n  a:", `line 2: an address of a is an address with prefix length such as "192.168.69.1/24", got nothing`},
		{"hosts:\n  a b: 10.0.0.1/24", `line 2: "a b" can't be a name: `},
		{"hosts:\n  a: 10.0.0.1/24\nswitches: [a]", "line 3: a host is named a already"},
		{"hosts:\n  a: {addresses: 10.0.0.1/24, gateway: 10.1.0.1}", "line 2: the gateway 10.1.0.1 is on no network of host a"},
		{"hosts:\n  aaa: {addresses: 10.0.0.1/24, gateway: aab}", `line 2: the gateway is an address or a host, got "aab" (did you mean aaa?)`},
		{"hosts:\n  a: {addresses: 10.0.0.1/24, gateway: b}\n  b: 10.1.0.1/24", "line 2: the gateway b has no address on a network of host a"},
		{"hosts:\n  a: {mtu: 20}", "line 2: mtu is an int from 68 to 65535, got \"20\""},
		{"hosts:\n  a: &x 10.0.0.1/24\n  b: *x", "line 3: an address of b is an address with prefix length such as \"192.168.69.1/24\", got the alias *x"},
		{"hosts:\n  a: &x {mtu: 1400}\n  b:\n    <<: *x", "line 4: a key of host b is a word"},
		{"hosts:\n  a: {forward: 1}", `line 2: forward is True or False, got "1"`},
		{"switches:\n  s: {floot: 1}", "line 2: switch s has no key floot (did you mean flood?)"},
		{two + "links: {a: b}", "line 2: links is a list, got a mapping"},
		{two + "links:\n  - [a, c]", "line 3: no host or switch is named c"},
		{two + "links:\n  - [a, a]", "line 3: ends are two"},
		{two + "links:\n  - [a]", "line 3: ends is a list of two names, such as [a, b], got a list"},
		{two + "links:\n  - {delay: 1s}", "line 3: a link has ends"},
		{two + "links:\n  - {ends: [a, b], dealy: 1s}", "line 3: a link has no key dealy (did you mean delay?)"},
		{two + "links:\n  - {ends: [a, b], delay: fast}", `line 3: delay is a duration, got "fast"`},
		{two + "links:\n  - {ends: [a, b], loss: 101%}", `line 3: loss, which may be "5%", is a probability from 0 to 1, got "101%"`},
		{two + "links:\n  - {ends: [a, b], queue: 0}", "line 3: queue is an int from 1 to 65536"},
		{two + "links:\n  - [a, b]\n  - [a, b]", "line 4: there is a link a-b already"},
		{two + "switches: [s, t]\nlinks:\n  - [s, t]", "line 4: a link joins two hosts, or a host and a switch"},
		{"hosts: {a: {addresses: 10.0.0.1/24, mtu: 1400}, b: 10.0.0.2/24}\nlinks:\n  - {ends: [a, b], mtu: 1500}", "line 3: mtu 1500 is more than the mtu 1400 of host a"},
		{"hosts: {a: {addresses: 10.0.0.1/24, mtu: 1400}, b: 10.0.0.2/24}\nlinks:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, set: {mtu: 9000}}", "line 5: mtu 9000 is more than the mtu 1400 of host a"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-c, down: true}", "line 5: no link is named a-c (did you mean a-b?)"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {link: a-b, down: true}", "line 5: a change has an instant"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: -1s, link: a-b, down: true}", `line 5: at is a duration, got "-1s"`},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, down: false}", `line 5: down is true, got "false"`},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, down: true, up: true}", "line 5: a change does one thing, and this one has down already"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, set: {dely: 1}}", "line 5: set has no key dely (did you mean delay?)"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, set: {}}", "line 5: set changes one or more of"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b}", "line 5: a change has one of"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, down: true}", "line 5: down is about a link"},
		{two + "links:\n  - [a, b]\ntimetable:\n  - {at: 1s, link: a-b, heal: true}", "line 5: heal is about no link"},
		{two + "timetable:\n  - {at: 1s, partition: [a, c]}", "line 3: no host is named c"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\nsaid %v, want %q", c.text, err, c.want)
		}
		var at *Error
		if err != nil && !errors.As(err, &at) {
			t.Errorf("%s\nsaid %v, without a line", c.text, err)
		}
	}
}

// FuzzParse: no file causes a panic, and an accepted topology names only hosts, switches and links that it defines.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	if b, err := os.ReadFile("../../examples/topology.yaml"); err == nil {
		f.Add(b)
	}
	f.Add([]byte("hosts: &x [*x]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		top, err := Parse(b)
		if err != nil {
			return
		}
		links := map[string]bool{}
		for _, k := range top.Links {
			links[k.Name] = true
		}
		for _, c := range top.Changes {
			if c.At < 0 || c.Link != "" && !links[c.Link] {
				t.Errorf("%+v", c)
			}
		}
	})
}
