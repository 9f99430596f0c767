package script

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack/packet"
)

func endExpectNone(c *call) (starlark.Value, error) {
	e := c.recv.(*endValue)
	e.v.follow(e)
	err := e.v.each(c, e.v.forNone(c), func(p *packetvalue.Value, take func()) (bool, error) {
		built, err := p.Built()
		if err != nil || !e.tcp.Belongs(built) || !e.first(built) {
			return false, nil
		}
		take()
		return true, c.errorf("a segment has arrived: %s", e.line(p))
	})
	switch err {
	case task.ErrTimedOut:
		return starlark.None, nil
	case errStationClosed, errUnread:
		return nil, c.errorf("%v", err)
	}
	return starlark.None, err
}

func endExpect(c *call) (starlark.Value, error) {
	e := c.recv.(*endValue)
	flags, patterns, err := c.expected()
	if err != nil {
		return nil, err
	}
	got, err := e.next(c, arg[time.Duration](c, "within"))
	if err != nil {
		return nil, err
	}
	wrong := e.differences(c, flags)
	for _, pt := range patterns {
		wrong = append(wrong, packetvalue.Differences(pt, got)...)
	}
	if len(wrong) > 0 {
		return nil, c.errorf("%s\nis another segment: %s", e.line(got), strings.Join(wrong, "; "))
	}
	return got, nil
}

// expected returns the sets of flags that a segment may have, nil for any, and the patterns that it must fit. A pattern may stand in the place of
// the flags.
func (c *call) expected() (flags []uint64, patterns []*packetvalue.Pattern, err error) {
	names := []string{"match"}
	switch arg[starlark.Value](c, "flags").(type) {
	case *packetvalue.Value, *packetvalue.Negated, packetvalue.Protocol:
		names = append(names, "flags")
	default:
		flags, err = c.alternatives()
	}
	for _, name := range names {
		pt, wrong := c.optionalPattern(name)
		if err = cmp.Or(err, wrong); pt != nil {
			patterns = append(patterns, pt)
		}
	}
	return flags, patterns, err
}

// alternatives returns the sets of flags that the argument flags allows, nil for any.
func (c *call) alternatives() (sets []uint64, err error) {
	given := arg[starlark.Value](c, "flags")
	list := []starlark.Value{given}
	switch v := given.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case *starlark.List, starlark.Tuple:
		list = list[:0]
		for x := range starlark.Elements(v.(starlark.Iterable)) {
			list = append(list, x)
		}
	}
	for _, x := range list {
		text, ok := starlark.AsString(x)
		if !ok {
			return nil, c.errorf(`flags are letters such as "SA", a list of those, or a pattern, got %s`, x.Type())
		}
		n, err := c.letters(text)
		if err != nil {
			return nil, err
		}
		sets = append(sets, n)
	}
	return sets, nil
}

// differences describes how the segment read last differs from the one that the call expects.
func (e *endValue) differences(c *call, flags []uint64) (wrong []string) {
	r := e.last
	differ := func(name string, want, got any) {
		wrong = append(wrong, fmt.Sprintf("%s: want %v, got %v", name, want, got))
	}
	if len(flags) > 0 {
		var names []string
		found := false
		for _, n := range flags {
			found = found || n == r.Flags
			names = append(names, lettersOf(n))
		}
		if !found {
			differ("flags", strings.Join(names, " or "), lettersOf(r.Flags))
		}
	}
	if c.Given("data") && string(r.Data) != string(arg[[]byte](c, "data")) {
		differ("data", starlark.Bytes(arg[[]byte](c, "data")), starlark.Bytes(r.Data))
	}
	if c.Given("seq") && r.Seq != int64(arg[int](c, "seq")) {
		differ("seq", arg[int](c, "seq"), r.Seq)
	}
	if c.Given("ack") && (!r.HasAck || r.Ack != int64(arg[int](c, "ack"))) {
		differ("ack", arg[int](c, "ack"), r.Ack)
	}
	if c.Given("window") && r.Window != arg[int](c, "window") {
		differ("window", arg[int](c, "window"), r.Window)
	}
	return wrong
}

// lettersOf returns the letters of a segment's flags, as a packet's tcp.flags has them.
func lettersOf(n uint64) string {
	text := ""
	for i, s := range packet.TCP.Field("flags").Letters {
		if n&(1<<i) != 0 {
			text += s
		}
	}
	return text
}
