package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/stack/tcp"
)

// tcpOption describes one option of a TCP socket and how it is set in a configuration.
type tcpOption struct {
	kind  registry.Kind
	doc   string
	apply func(cfg *tcp.Config, v any) error
	on    bool // true if True is allowed, which stands for the default duration
}

// orOff is the kind of an argument that is a duration or False.
const orOff registry.Kind = "duration or False"

func size(doc string, p func(cfg *tcp.Config) *int, lo, hi int) tcpOption {
	k := registry.Kind(fmt.Sprintf("int:%d..%d", lo, hi))
	return tcpOption{kind: k, doc: fmt.Sprintf("%s, %d to %d", doc, lo, hi), apply: func(cfg *tcp.Config, v any) error {
		*p(cfg) = v.(int)
		return nil
	}}
}

func span(k registry.Kind, doc string, p func(cfg *tcp.Config) *time.Duration, off time.Duration) tcpOption {
	return tcpOption{kind: k, doc: doc, on: off < 0, apply: func(cfg *tcp.Config, v any) error {
		switch d := v.(type) {
		case time.Duration:
			*p(cfg) = d
			if d == 0 {
				*p(cfg) = off
			}
		case bool:
			*p(cfg) = off
		case nil: // True: the default applies
			usual := tcp.Default()
			*p(cfg) = *p(&usual)
		}
		return nil
	}}
}

var tcpOptions = map[string]tcpOption{
	"sndbuf": size("octets queued to be sent", func(c *tcp.Config) *int { return &c.SendBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"rcvbuf": size("octets kept for the reader", func(c *tcp.Config) *int { return &c.RecvBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"mss":    size("octets of the longest segment", func(c *tcp.Config) *int { return &c.MSS }, 8, 65495),
	"log":    size("entries of the connection's log, the last of which are kept: see conn.log; 0 for none", func(c *tcp.Config) *int { return &c.Log }, 0, tcp.MaxLog),
	"ttl": {kind: "int:1..255", doc: "hops the packets may go, 1 to 255", apply: func(c *tcp.Config, v any) error {
		c.TTL = uint8(v.(int))
		return nil
	}},
	"nodelay": {kind: registry.KindBool, doc: "True switches Nagle's algorithm off", apply: func(c *tcp.Config, v any) error { c.NoDelay = v.(bool); return nil }},
	"keepalive": span(orOff, "idle time before a probe, or False",
		func(c *tcp.Config) *time.Duration { return &c.KeepAlive }, 0),
	"user_timeout": span(orOff, "how long data may stay unacknowledged, or False",
		func(c *tcp.Config) *time.Duration { return &c.UserTimeout }, 0),
	"delayed_ack": span(orOff, "longest delay of an ACK, or False",
		func(c *tcp.Config) *time.Duration { return &c.DelayedAck }, -1),
	"time_wait": span(orOff, "how long TIME-WAIT lasts, or False",
		func(c *tcp.Config) *time.Duration { return &c.TimeWait }, -1),
	"rto_initial": span(registry.KindDuration, "retransmission timeout before anything is measured",
		func(c *tcp.Config) *time.Duration { return &c.RTOInitial }, time.Millisecond),
	"rto_min": span(registry.KindDuration, "how much the retransmission timeout exceeds the round trip at least",
		func(c *tcp.Config) *time.Duration { return &c.RTOMin }, time.Millisecond),
	"timestamps": {kind: registry.KindBool, doc: "False neither offers nor takes RFC 7323's timestamps", apply: func(c *tcp.Config, v any) error {
		c.NoTimestamps = !v.(bool)
		return nil
	}},
	"sack": {kind: registry.KindBool, doc: "False neither offers nor takes RFC 2018's selective acknowledgements", apply: func(c *tcp.Config, v any) error {
		c.NoSACK = !v.(bool)
		return nil
	}},
	"ecn": {kind: registry.KindBool, doc: "True asks the peer for RFC 3168's explicit congestion notification, False does not agree to it where the peer asks", apply: func(c *tcp.Config, v any) error {
		c.ECN = tcp.ECNRefuse
		if v.(bool) {
			c.ECN = tcp.ECNRequest
		}
		return nil
	}},
	"pacing": {kind: registry.KindBool, doc: "False sends all that the window lets out at once, in place of spreading it over the round trip", apply: func(c *tcp.Config, v any) error {
		c.NoPacing = !v.(bool)
		return nil
	}},
	"mtu_probing": {kind: registry.KindBool, doc: "False does not look for a path that loses long packets without a word (RFC 4821)", apply: func(c *tcp.Config, v any) error {
		c.NoMTUProbing = !v.(bool)
		return nil
	}},
	"congestion": {kind: registry.KindStr, doc: `"cubic" or "newreno", which is "reno" too, as the kernel calls it`, apply: func(c *tcp.Config, v any) error {
		name := v.(string)
		if name == "reno" { // accepted, so that one option serves both our sockets and the kernel's
			name = tcp.NewReno.String()
		}
		a, ok := tcp.ParseAlgorithm(name)
		if !ok {
			return fmt.Errorf(`is "cubic" or "newreno", got %q`, v)
		}
		c.Congestion = a
		return nil
	}},
}

// optionsOf returns the options of TCP sockets that a builtin takes as **options; nil if it takes none.
func optionsOf(b *builtin) map[string]tcpOption {
	switch {
	case !b.TakesOptions:
		return nil
	case strings.HasPrefix(b.Name, "kernel.tcp.") || b.Name == "kernel.serve" || b.Name == "kernel_conn.set":
		return kernelOptions
	case strings.HasPrefix(b.Name, "tcp.") || b.Name == "serve" || b.Name == "conn.set":
		return tcpOptions
	}
	return nil
}

// optionWords returns the names and descriptions of options, sorted.
func optionWords(options map[string]tcpOption) [][2]string {
	var list [][2]string
	for _, n := range slices.Sorted(maps.Keys(options)) {
		list = append(list, [2]string{n + "=", options[n].doc})
	}
	return list
}

// givenOption is an option of a call, its value converted.
type givenOption struct {
	tcpOption
	name  string
	value any
}

// options returns the TCP options of the call.
func (c *call) options() ([]givenOption, error) {
	known := optionsOf(c.b)
	if known == nil { // serve() of a kind without options
		known = tcpOptions
	}
	var list []givenOption
	for _, kv := range c.Opts {
		name := string(kv[0].(starlark.String))
		o, ok := known[name]
		if !ok {
			if _, ours := tcpOptions[name]; ours {
				return nil, c.errorf("%s: the operating system's sockets have no such option; they have %s",
					name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			return nil, c.b.Unknown(name, slices.Concat(c.b.Names(), slices.Collect(maps.Keys(known))))
		}
		if kv[1] == starlark.None {
			continue // None means that the option is not given
		}
		var v any
		var err error
		if b, isBool := kv[1].(starlark.Bool); o.kind == orOff && isBool && !bool(b) {
			v = false
		} else if o.kind == orOff && o.on && kv[1] == starlark.True {
			v = nil
		} else if o.kind == orOff {
			v, err = registry.KindDuration.Convert(kv[1])
		} else {
			v, err = o.kind.Convert(kv[1])
		}
		if err != nil {
			want := o.kind.Describe()
			if o.kind == orOff {
				want = "a duration or False"
			}
			return nil, c.errorf("%s is %s, got %s %v", name, want, kv[1].Type(), kv[1])
		}
		list = append(list, givenOption{o, name, v})
	}
	return list, nil
}

// tcpConfig returns base, changed by the call's options.
func (c *call) tcpConfig(base tcp.Config) (tcp.Config, error) {
	list, err := c.options()
	for _, o := range list {
		if err := o.apply(&base, o.value); err != nil {
			return base, c.errorf("%s: %v", o.name, err)
		}
	}
	return base, err
}
