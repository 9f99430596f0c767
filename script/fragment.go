package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

func fragmentBuiltins() []*builtin {
	return []*builtin{
		{Name: "fragment", Sig: "p, size=None", Kinds: "any int:8..65535",
			Args:   "p: a packet, filled in as send does; size: largest number of octets of data in a fragment, rounded down to a multiple of 8, None for what fits 1500 octets (1480 with IPv4 without options)",
			Result: "list", Host: true, See: "defragment, send",
			Doc:     "Divide a packet into fragments, which may be sent, changed or left out.",
			Example: `send(reversed(fragment(IP(dst="192.168.69.100")/ICMP()/("x" * 3000))))`, Fn: builtinFragment},
		{Name: "defragment", Beside: true, Sig: "packets", Kinds: "any", Args: "packets: a list of packets",
			Result: "list", Pure: true, See: "fragment, sniff, read_capture",
			Doc:     "Put fragments together. Those that overlap or miss others stay as they are, as do other packets.",
			Example: `len(defragment(fragment(IP(dst="192.168.69.100")/UDP(dport=9)/("x" * 3000))))`, Fn: builtinDefragment},
	}
}

// fragmentRoom is the length of the packets into which fragment() divides without a size: the MTU of Ethernet.
const fragmentRoom = 1500

func builtinFragment(c *call) (starlark.Value, error) {
	p, ok := arg[starlark.Value](c, "p").(*packetvalue.Value)
	if !ok {
		return nil, c.errorf("argument 1 (p) is a packet, got %s", arg[starlark.Value](c, "p").Type())
	}
	whole, err := c.filledPacket(p)
	if err != nil {
		return nil, err
	}
	size := wholeUnits(whole)
	if c.Given("size") {
		size = arg[int](c, "size")
	}
	parts, err := whole.Fragments(size)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	list := make([]starlark.Value, len(parts))
	for i, f := range parts {
		list[i] = packetvalue.Parse(environment{c.s}, f.Octets, f.First)
	}
	return starlark.NewList(list), nil
}

// filledPacket returns a packet with all octets, filled in as send does. Without a way to its destination it is filled in without a host,
// if its source address is set, so that fragments for files need no route.
func (c *call) filledPacket(p *packetvalue.Value) (*packet.Packet, error) {
	if !p.Composed() {
		return p.Built()
	}
	s, err := c.newSender("p")
	if err != nil {
		return nil, err
	}
	s.fillOnly = true
	s.filling.unclaimed()
	if err := s.await("the neighbour", func(now clock.Instant) bool {
		s.step(now)
		return s.fail != nil || s.idle()
	}, s.untilDue); err != nil {
		return nil, err
	}
	if s.fail == nil {
		return s.probes[0].out.packet, nil
	}
	name, sourced := outerIP(p.Draft())
	if sourced {
		if whole, err := p.Built(); err == nil {
			return whole, nil
		}
	}
	err, way := s.failure(), (*routeError)(nil)
	if errors.As(s.fail, &way) && !sourced {
		err = fmt.Errorf("%w; with %s(src=…) no route is needed", err, name)
	}
	return nil, err
}

// outerIP returns the name of a draft's outermost IP header, and whether the header has a source address.
func outerIP(d *packet.Draft) (name string, sourced bool) {
	for _, l := range d.Layers {
		if l.Protocol == packet.IP || l.Protocol == packet.IPv6 {
			return l.Protocol.Name, l.Value(l.Protocol.Field("src")) != nil
		}
	}
	return "", false
}

// wholeUnits returns the octets of data with which a fragment of a packet fits fragmentRoom.
func wholeUnits(p *packet.Packet) int {
	header := 0
	for _, l := range p.Layers {
		switch l.Protocol {
		case packet.IP:
			return fragmentRoom - len(l.Header())
		case packet.IPv6:
			header = len(l.Header()) + 8
		case packet.HopByHop, packet.Routing, packet.DestinationOptions:
			if header > 0 {
				header += len(l.Header())
			}
		default:
			if header > 0 {
				return fragmentRoom - header
			}
		}
	}
	return fragmentRoom - max(header, 20)
}

func builtinDefragment(c *call) (starlark.Value, error) {
	given, err := c.packets("packets")
	if err != nil {
		return nil, err
	}
	built := make([]*packet.Packet, len(given))
	for i, p := range given {
		if built[i], err = p.Built(); err != nil {
			return nil, c.errorf("element %d: %w", i, err)
		}
	}
	list := []starlark.Value{}
	for i, p := range packet.DefragmentInPlace(built) {
		switch p {
		case nil:
		case built[i]:
			list = append(list, given[i])
		default:
			v := packetvalue.Parse(environment{c.s}, p.Octets, p.First)
			v.Seen = given[i].Seen
			list = append(list, v)
		}
	}
	return starlark.NewList(list), nil
}
