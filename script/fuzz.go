package script

import (
	"math/rand/v2"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/stack/packet"
)

func fuzzBuiltins() []*builtin {
	return []*builtin{
		{Name: "fuzz", Sig: "packet, seed=None", Kinds: "any int:0..", Result: "packet", Pure: true,
			Args: "packet: a composed packet; seed: equal seeds draw equal values (by default the run's seed, and each call of the run draws other ones)",
			See:  "send, sr, packet.fill", Doc: "The packet with its unset fields drawn at random; lengths, checksums and addresses stay unset.",
			Example: `fuzz(IP(dst="192.168.69.100")/TCP(dport=7)).show()`, Fn: builtinFuzz},
	}
}

// The streams of random numbers of fuzz().
const (
	fuzzOfRun  = 1 // a packet of each call
	fuzzOfSeed = 2 // a packet of each seed
	idsOfSeed  = 3 // identifiers of a host's questions to DNS servers
)

func builtinFuzz(c *call) (starlark.Value, error) {
	p, ok := arg[starlark.Value](c, "packet").(*packetvalue.Value)
	if !ok {
		return nil, c.errorf("argument 1 (packet) is a packet, such as IP()/TCP(), got %s", arg[starlark.Value](c, "packet").Type())
	}
	d := p.Draft()
	if l, f, ok := d.Pattern(); ok {
		return nil, c.errorf("%s.%s is %v, which only a pattern may have", l.Protocol.Name, f.Name, l.Value(f))
	}
	c.s.faulted.fuzzed++
	stream, own := uint64(fuzzOfRun), c.s.faulted.fuzzed
	if c.Given("seed") {
		stream, own = fuzzOfSeed, uint64(arg[int](c, "seed"))
	}
	keep, record := c.planFuzz(d)
	out, drawn := packet.Fuzz(d, rand.New(rand.NewPCG(mixSeed(c.s.cfg.Seed, own), stream)).Uint64, keep)
	record(out, drawn)
	return packetvalue.Compose(environment{c.s}, out), nil
}
