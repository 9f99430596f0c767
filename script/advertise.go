package script

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/script/topology"
	"smolsh/stack"
	"smolsh/stack/clock"
)

const advertiseArg = "True, or a dict with any of " + topology.AdvertiseWords

func advertiseBuiltins() []*builtin {
	return []*builtin{{
		Name: "iface.advertise", Sig: "what=True", Kinds: "any", Args: "what: " + advertiseArg + ", or False to end it, so that hosts forget the router",
		Doc:     "Advertise the host as a router of IPv6, with the prefixes of the interface's own addresses.",
		Example: `l = lab(); r = l.host("r", "fd00::1/64"); l.link(r, l.host("a")); r.ifaces()[0].advertise(dict(lifetime="30m", preference="high"))`,
		See:     "lab.host", Fn: ifaceAdvertise,
	}}
}

func ifaceAdvertise(c *call) (starlark.Value, error) {
	cfg, err := advertisingOf(arg[starlark.Value](c, "what"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return ifaceDo(func(_ *call, i *stack.Iface, now clock.Instant) error { return i.Advertise(now, cfg) })(c)
}

// advertisingOf converts an argument that says what a router advertises: True or a dict. It returns nil for False and None.
func advertisingOf(v starlark.Value) (*stack.Advertising, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		if !v {
			return nil, nil
		}
		return &stack.Advertising{}, nil
	case *starlark.Dict:
		var keys []string
		for _, k := range v.Keys() {
			key, ok := starlark.AsString(k)
			if !ok {
				return nil, fmt.Errorf("a key of advertise is a string, got %s %v", k.Type(), k)
			}
			keys = append(keys, key)
		}
		return topology.Advertising(keys, func(key string) starlark.Value {
			x, _, _ := v.Get(starlark.String(key))
			return x
		})
	}
	return nil, fmt.Errorf("advertise is True, False or a dict, got %s %v", v.Type(), v)
}
