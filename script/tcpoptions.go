package script

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"smolsh/stack/tcp"
)

// tcpOption reads one option of a TCP socket into its configuration.
type tcpOption struct {
	kind  kind
	apply func(cfg *tcp.Config, v any) error
}

// orOff is a duration or False.
const orOff kind = "duration or False"

func size(p func(cfg *tcp.Config) *int, lo, hi int) tcpOption {
	return tcpOption{kindInt, func(cfg *tcp.Config, v any) error {
		n := v.(int)
		if n < lo || n > hi {
			return fmt.Errorf("is %d to %d octets, got %d", lo, hi, n)
		}
		*p(cfg) = n
		return nil
	}}
}

func span(k kind, p func(cfg *tcp.Config) *time.Duration, off time.Duration) tcpOption {
	return tcpOption{k, func(cfg *tcp.Config, v any) error {
		switch d := v.(type) {
		case time.Duration:
			*p(cfg) = d
			if d == 0 {
				*p(cfg) = off
			}
		case bool:
			*p(cfg) = off
		}
		return nil
	}}
}

// absent is a feature that can only be switched off, for it is not there yet.
func absent() tcpOption {
	return tcpOption{kindBool, func(_ *tcp.Config, v any) error {
		if v.(bool) {
			return fmt.Errorf("is not there yet, only False can be asked for")
		}
		return nil
	}}
}

var tcpOptions = map[string]tcpOption{
	"sndbuf":       size(func(c *tcp.Config) *int { return &c.SendBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"rcvbuf":       size(func(c *tcp.Config) *int { return &c.RecvBuffer }, tcp.MinBuffer, tcp.MaxBuffer),
	"mss":          size(func(c *tcp.Config) *int { return &c.MSS }, 8, 65495),
	"nodelay":      {kindBool, func(c *tcp.Config, v any) error { c.NoDelay = v.(bool); return nil }},
	"keepalive":    span(orOff, func(c *tcp.Config) *time.Duration { return &c.KeepAlive }, 0),
	"user_timeout": span(orOff, func(c *tcp.Config) *time.Duration { return &c.UserTimeout }, 0),
	"delayed_ack":  span(orOff, func(c *tcp.Config) *time.Duration { return &c.DelayedAck }, -1),
	"time_wait":    span(orOff, func(c *tcp.Config) *time.Duration { return &c.TimeWait }, -1),
	"rto_initial":  span(kindDuration, func(c *tcp.Config) *time.Duration { return &c.RTOInitial }, time.Millisecond),
	"rto_min":      span(kindDuration, func(c *tcp.Config) *time.Duration { return &c.RTOMin }, time.Millisecond),
	"ttl": {kindInt, func(c *tcp.Config, v any) error {
		n := v.(int)
		if n < 1 || n > 255 {
			return fmt.Errorf("is 1 to 255, got %d", n)
		}
		c.TTL = uint8(n)
		return nil
	}},
	"sack":       absent(),
	"timestamps": absent(),
	"congestion": {kindStr, func(_ *tcp.Config, v any) error {
		if s := v.(string); s != "newreno" && s != "reno" {
			return fmt.Errorf(`is "newreno", got %q`, s)
		}
		return nil
	}},
}

// tcpConfig is base with the call's options in it.
func (c *call) tcpConfig(base tcp.Config) (tcp.Config, error) {
	for _, kv := range c.opts {
		name := string(kv[0].(starlark.String))
		o, ok := tcpOptions[name]
		if !ok {
			names := c.b.names()
			for n := range tcpOptions {
				names = append(names, n)
			}
			return base, c.unknown(name, names)
		}
		var v any
		var err error
		if b, isBool := kv[1].(starlark.Bool); o.kind == orOff && isBool && !bool(b) {
			v = false
		} else if o.kind == orOff {
			v, err = kindDuration.convert(kv[1])
		} else {
			v, err = o.kind.convert(kv[1])
		}
		if err != nil {
			want := o.kind.describe()
			if o.kind == orOff {
				want = "a duration or False"
			}
			return base, c.errorf("%s is %s, got %s %v", name, want, kv[1].Type(), kv[1])
		}
		if err := o.apply(&base, v); err != nil {
			return base, c.errorf("%s %v", name, err)
		}
	}
	return base, nil
}
