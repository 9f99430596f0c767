package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/kernel"
	"smolsh/script/registry"
	"smolsh/stack/tcp"
)

// tcpOption describes one option of a TCP socket and how it is set in a configuration.
type tcpOption struct {
	kind   registry.Kind
	doc    string
	apply  func(cfg *tcp.Config, v any) error
	on     bool     // true if True is allowed, which stands for the default duration
	values []string // the strings that the option may be, for completion
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
	"sndbuf": size("largest number of octets queued to be sent", func(c *tcp.Config) *int { return &c.SendBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"rcvbuf": size("largest number of octets kept for the reader", func(c *tcp.Config) *int { return &c.RecvBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"mss":    size("octets of the longest segment", func(c *tcp.Config) *int { return &c.MSS }, 8, 65495),
	"log":    size("number of entries kept in the connection's log, see conn.log; 0: no log; True with a server prints who came", func(c *tcp.Config) *int { return &c.Log }, 0, tcp.MaxLog),
	"ttl": {kind: "int:1..255", doc: "time to live or hop limit of packets, 1 to 255", apply: func(c *tcp.Config, v any) error {
		c.TTL = uint8(v.(int))
		return nil
	}},
	"nodelay": {kind: registry.KindBool, doc: "True switches Nagle's algorithm off", apply: func(c *tcp.Config, v any) error { c.NoDelay = v.(bool); return nil }},
	"keepalive": span(orOff, "idle time before a keep-alive, or False",
		func(c *tcp.Config) *time.Duration { return &c.KeepAlive }, 0),
	"user_timeout": span(orOff, "longest time that data may stay unacknowledged, or False",
		func(c *tcp.Config) *time.Duration { return &c.UserTimeout }, 0),
	"delayed_ack": span(orOff, "longest delay of an ACK, or False",
		func(c *tcp.Config) *time.Duration { return &c.DelayedAck }, -1),
	"time_wait": span(orOff, "duration of TIME-WAIT, or False",
		func(c *tcp.Config) *time.Duration { return &c.TimeWait }, -1),
	"rto_initial": span(registry.KindDuration, "retransmission timeout before the first round trip is measured",
		func(c *tcp.Config) *time.Duration { return &c.RTOInitial }, time.Millisecond),
	"rto_min": span(registry.KindDuration, "least time by which the retransmission timeout exceeds the round trip",
		func(c *tcp.Config) *time.Duration { return &c.RTOMin }, time.Millisecond),
	"timestamps": {kind: registry.KindBool, doc: "False neither offers nor accepts timestamps (RFC 7323)", apply: func(c *tcp.Config, v any) error {
		c.NoTimestamps = !v.(bool)
		return nil
	}},
	"sack": {kind: registry.KindBool, doc: "False neither offers nor accepts selective acknowledgements (RFC 2018)", apply: func(c *tcp.Config, v any) error {
		c.NoSACK = !v.(bool)
		return nil
	}},
	"ecn": {kind: registry.KindBool, doc: "True requests explicit congestion notification (RFC 3168), False refuses it if the peer requests it", apply: func(c *tcp.Config, v any) error {
		c.ECN = tcp.ECNRefuse
		if v.(bool) {
			c.ECN = tcp.ECNRequest
		}
		return nil
	}},
	"pacing": {kind: registry.KindBool, doc: "False sends all data that the window allows at once, instead of spreading it over the round trip", apply: func(c *tcp.Config, v any) error {
		c.NoPacing = !v.(bool)
		return nil
	}},
	"mtu_probing": {kind: registry.KindBool, doc: "False disables the search for the path MTU after a black hole (RFC 4821)", apply: func(c *tcp.Config, v any) error {
		c.NoMTUProbing = !v.(bool)
		return nil
	}},
	"congestion": {kind: registry.KindStr, values: []string{"cubic", "newreno", "reno"}, doc: `"cubic" or "newreno"; "reno" is the kernel's name for it`, apply: func(c *tcp.Config, v any) error {
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

// kernelOptions are those of tcpOptions that the operating system has for a socket.
var kernelOptions = func() map[string]tcpOption {
	options := map[string]tcpOption{}
	for _, name := range kernel.OptionNames() {
		o := tcpOptions[name]
		if name == "congestion" {
			o.values = []string{"cubic", "reno"} // every Linux has these
			o.doc = "one of the system's, of net.ipv4.tcp_allowed_congestion_control"
		}
		options[name] = o
	}
	return options
}()

// isKernels reports whether a builtin's sockets are the operating system's.
func isKernels(b *builtin) bool {
	return strings.HasPrefix(b.Name, "kernel.tcp.") || b.Name == "kernel.serve" || b.Name == "kernel.measure.serve" || b.Name == "kernel_conn.set"
}

// optionsOf returns the options of TCP sockets that a builtin takes as **options; nil if it takes none.
func optionsOf(b *builtin) map[string]tcpOption {
	switch {
	case !b.TakesOptions:
		return nil
	case isKernels(b):
		return kernelOptions
	case strings.HasPrefix(b.Name, "tcp.") || b.Name == "serve" || b.Name == "http.serve" || b.Name == "measure" || b.Name == "measure.serve" || b.Name == "conn.set":
		return tcpOptions
	}
	return nil
}

// usualOptions returns the defaults of our own sockets' options, as help shows them.
func usualOptions() map[string]string {
	d := tcp.Default()
	return map[string]string{
		"sndbuf": "as the congestion window needs", "rcvbuf": "as the reader needs", "mss": "what the MTU allows", "log": "0", "ttl": fmt.Sprint(d.TTL),
		"nodelay": "False", "keepalive": "False", "user_timeout": fmt.Sprintf("False, which allows %d retransmissions", d.MaxRetries),
		"delayed_ack": d.DelayedAck.String(), "time_wait": d.TimeWait.String() + " (RFC 9293: 4m, Linux: 60s)", "rto_initial": d.RTOInitial.String(),
		"rto_min": d.RTOMin.String(), "timestamps": "True", "sack": "True", "ecn": "only if the peer requests it", "pacing": "True", "mtu_probing": "True",
		"congestion": fmt.Sprintf("%q", d.Congestion),
	}
}

// optionWords returns the names and descriptions of options, sorted, with their defaults if usual has them.
func optionWords(options map[string]tcpOption, usual map[string]string) [][2]string {
	var list [][2]string
	for _, n := range slices.Sorted(maps.Keys(options)) {
		text := options[n].doc
		if usual[n] != "" {
			text += "; by default " + usual[n]
		}
		list = append(list, [2]string{n + "=", text})
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
