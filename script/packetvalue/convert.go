package packetvalue

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// A converter converts a script's values to those that a field of a draft has.
type converter struct {
	env     Environment
	resolve Resolver         // nil where the environment finds hosts, or no host can be named
	thread  *starlark.Thread // thread of a call in which the environment finds hosts; nil for none
	of      *packet.Protocol
	f       *packet.Field
	depth   int // of the lists around a value
}

// A shape is the form in which scripts write a field's value.
type shape uint8

const (
	shapeNumber  shape = iota
	shapeMAC           // a hardware address, or bytes of any length for some fields
	shapeAddr          // an address of the field's family, or of either family
	shapeOctets        // str or bytes
	shapeText          // str or bytes
	shapePacket        // a packet, or bytes
	shapeOptions       // a list of names and tuples
	shapeDHCP          // a dict of options
	shapeRecords       // a list of dicts
	shapeAddrs         // a list of addresses
	shapeNames         // a list of domain names
	shapeEntries       // a list of the entries of a user's own protocol
	shapeEncoded       // bytes
)

// shapes are the forms of the fields of kind Other by their names. DHCP and DNS have other ones for some names.
var shapes = map[string]shape{
	"options": shapeOptions, "hwsrc": shapeMAC, "hwdst": shapeMAC, "chaddr": shapeMAC, "lladdr": shapeMAC, "src": shapeMAC,
	"psrc": shapeAddr, "pdst": shapeAddr, "prefix": shapeAddr, "quoted": shapePacket, "type": shapeNumber,
	"qd": shapeRecords, "an": shapeRecords, "ns": shapeRecords, "ar": shapeRecords, "records": shapeRecords,
	"sources": shapeAddrs, "srcaddrs": shapeAddrs, "addresses": shapeAddrs, "dns": shapeAddrs, "searchlist": shapeNames,
}

// shapeOf returns the form of a field's value.
func shapeOf(p *packet.Protocol, f *packet.Field) shape {
	switch f.Kind {
	case packet.Uint, packet.Bool, packet.Letters:
		return shapeNumber
	case packet.MAC:
		return shapeMAC
	case packet.Addr:
		return shapeAddr
	case packet.Octets:
		return shapeOctets
	case packet.Text:
		return shapeText
	}
	switch {
	case f.Entries() != nil:
		return shapeEntries
	case p == packet.DHCP && f.Name == "options":
		return shapeDHCP
	case p == packet.DNS && f.Name == "records":
		return shapeEncoded
	}
	if s, ok := shapes[f.Name]; ok {
		return s
	}
	return shapeEncoded
}

// listed reports whether a list is one value of the field, and not a list of alternatives.
func (s shape) listed() bool {
	return s == shapeOptions || s == shapeDHCP || s == shapeRecords || s == shapeAddrs || s == shapeNames || s == shapeEntries
}

// convert returns the field's value for a script's, nil for None, or a packet.Matcher for a set of values.
func (c converter) convert(v starlark.Value) (any, error) {
	if v == starlark.None {
		return nil, nil
	}
	v, err := Snapshot(v)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", c.of.Name, c.f.Name, err)
	}
	if m, ok, err := c.part(v); ok || err != nil {
		return m, err
	}
	if c.f.Derived() && c.f.Write == nil {
		return nil, fmt.Errorf("%s.%s follows from other fields: a pattern may have %s=[%s], but it can't be set", c.of.Name, c.f.Name, c.f.Name, registry.Brief(v))
	}
	return c.literal(v)
}

// literal converts one value.
func (c converter) literal(v starlark.Value) (any, error) {
	s := shapeOf(c.of, c.f)
	if b, ok := v.(starlark.Bytes); ok && (c.f.Kind > packet.Letters || len(b) == 0 && c.f.Sent != nil) {
		if s == shapeText && len(b) == 0 {
			return "", nil
		}
		return []byte(b), nil
	}
	switch s {
	case shapeNumber:
		return c.number(v)
	case shapeMAC:
		return c.hardware(v)
	case shapeAddr:
		return c.address(v)
	case shapeOctets:
		if s, ok := v.(starlark.String); ok {
			return []byte(s), nil
		}
	case shapeText:
		if s, ok := v.(starlark.String); ok {
			return string(s), nil
		}
	case shapePacket:
		if p, ok := v.(*Value); ok {
			if quotes(p.draft) >= maxNested {
				return nil, c.wrong(v, ": too many packets in each other")
			}
			return quoted(p), nil
		}
	case shapeOptions:
		return c.options(v)
	case shapeDHCP:
		return c.dhcp(v)
	case shapeRecords:
		return c.records(v)
	case shapeAddrs, shapeNames:
		return c.list(v, s)
	case shapeEntries:
		return c.entries(v)
	}
	return nil, c.wrong(v, "")
}

// quotes returns how many packets a draft quotes in each other.
func quotes(d *packet.Draft) (n int) {
	if d == nil {
		return 0
	}
	for _, l := range d.Layers {
		for i := range l.Protocol.Fields {
			n = max(n, quotesIn(l.Value(&l.Protocol.Fields[i])))
		}
	}
	return n
}

// quotesIn returns how many packets a field's value quotes in each other.
func quotesIn(v any) (n int) {
	switch v := v.(type) {
	case *packet.Draft:
		return 1 + quotes(v)
	case *single:
		return quotesIn(v.want)
	case *negation:
		return quotesIn(v.of)
	case *alternative:
		for _, m := range v.of {
			n = max(n, quotesIn(m))
		}
	}
	return n
}

// quoted returns a packet in the form in which a field quotes it. A packet with sets of values is one itself.
func quoted(p *Value) any {
	if p.draft == nil {
		return p.dissected()
	}
	if _, _, ok := p.draft.Pattern(); ok {
		return &single{from{p}, compiled(p.draft)}
	}
	return p.draft
}

// wrong returns the error for a value that the field can't have. more is added to its end.
func (c converter) wrong(v starlark.Value, more string) error {
	return fmt.Errorf("%s.%s is %s, got %s %s%s", c.of.Name, c.f.Name, Takes(c.of, c.f), v.Type(), registry.Brief(v), more)
}

// limits returns the largest number of a field and the step between its numbers; ok is false for a field without a width.
func limits(f *packet.Field) (most, step uint64, ok bool) {
	step = uint64(max(f.Factor, 1))
	if f.Bits == 0 || f.Bits > 64 {
		return 0, step, false
	}
	most = ^uint64(0) >> (64 - f.Bits)
	if hi, lo := bits.Mul64(most, step); hi == 0 {
		most = lo
	}
	return most, step, true
}

// number converts an int, a bool, letters of flags, or the name of a value.
func (c converter) number(v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.Bool:
		if v {
			return uint64(1), nil
		}
		return uint64(0), nil
	case starlark.Int:
		n, ok := v.Uint64()
		most, step, bounded := limits(c.f)
		if !ok || bounded && (n > most || n%step != 0) {
			return nil, c.wrong(v, "")
		}
		return n, nil
	case starlark.String:
		text := string(v)
		if c.f.Kind == packet.Letters {
			n, err := c.f.ParseLetters(text)
			if err != nil {
				return nil, c.wrong(v, ": "+err.Error())
			}
			return n, nil
		}
		names := valuesOf(c.f)
		if n, ok := names[plain(text)]; ok {
			return n, nil
		}
		if _, err := strconv.ParseUint(text, 0, 64); err == nil {
			return nil, c.wrong(v, ": without quotes it is an int")
		}
		var known []string
		for name := range names {
			known = append(known, name)
		}
		if n := suggest.Nearest(plain(text), known); n != "" {
			return nil, c.wrong(v, fmt.Sprintf(" (did you mean %s?)", n))
		}
	}
	return nil, c.wrong(v, "")
}

// plain returns a name in the form in which names are compared: in lower case, with hyphens for spaces.
func plain(name string) string {
	return strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(name))
}

// maxNamed is the largest number whose name valuesOf finds.
const maxNamed = 0xffff

// fieldValues has the result of valuesOf for fields that were asked for. It is a sync.Map, as sessions may run at once.
var fieldValues sync.Map // from *packet.Field to map[string]uint64

// valuesOf returns the numbers of a field that have names, by their names in the form of plain.
func valuesOf(f *packet.Field) map[string]uint64 {
	if f.Names == nil {
		return nil
	}
	if m, ok := fieldValues.Load(f); ok {
		return m.(map[string]uint64)
	}
	m := map[string]uint64{}
	most, _, ok := limits(f)
	if !ok {
		most = maxNamed
	}
	for n := uint64(0); n <= min(most, maxNamed); n++ {
		name := plain(f.Names(n))
		if _, twice := m[name]; name != "" && !twice && !strings.HasPrefix(name, "proto-") { // that is no name, but its number
			m[name] = n
		}
	}
	fieldValues.Store(f, m)
	return m
}

// hardware converts a hardware address.
func (c converter) hardware(v starlark.Value) (any, error) {
	s, ok := v.(starlark.String)
	if !ok {
		return nil, c.wrong(v, "")
	}
	a, err := wire.ParseHardwareAddr(string(s))
	if err != nil {
		return nil, c.wrong(v, "")
	}
	return a, nil
}

// addresses returns the addresses of a host.
func (c converter) addresses(v starlark.Value) ([]netip.Addr, error) {
	if c.resolve == nil {
		return c.env.Addresses(c.thread, v)
	}
	return c.resolve(v)
}

// address converts an address, a host or a host's name. Of a host's addresses it returns the first of the field's family.
func (c converter) address(v starlark.Value) (any, error) {
	return c.addressOf(v, family(c.of, c.f))
}

// addressOf converts an address of a family: 4, 6, or 0 for either.
func (c converter) addressOf(v starlark.Value, want int) (any, error) {
	fits := func(a netip.Addr) bool { return want == 0 || a.Is4() == (want == 4) }
	if s, ok := v.(starlark.String); ok {
		if a, err := netip.ParseAddr(string(s)); err == nil {
			if !fits(a) {
				return nil, c.wrong(v, ": an address of the other family")
			}
			return a.WithZone(""), nil
		}
	}
	if c.resolve == nil && c.thread == nil {
		return nil, c.wrong(v, "")
	}
	list, err := c.addresses(v)
	if err != nil {
		return nil, c.wrong(v, ": "+err.Error())
	}
	for _, a := range list {
		if fits(a) {
			return a.WithZone(""), nil
		}
	}
	if list != nil {
		return nil, c.wrong(v, ": it has no address of that family")
	}
	return nil, c.wrong(v, oneAddress(v))
}

// family returns the version of IP of a field's addresses, 0 for either.
func family(p *packet.Protocol, f *packet.Field) int {
	switch {
	case f.Bits == 32 || f.Name == "psrc" || f.Name == "pdst" || p == packet.IGMP:
		return 4
	case f.Bits == 128 || strings.HasPrefix(p.Name, "IPv6") || p.Is(packet.ICMPv6) || strings.HasPrefix(p.Name, "ICMPv6"):
		return 6
	}
	return 0
}
