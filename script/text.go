package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func textBuiltins() []*builtin {
	return []*builtin{
		{name: "fmt", sig: "x, decimals=3", kinds: "float int:0..100", args: "x: a number; decimals: how many", result: "str", pure: true,
			doc: "A number with that many decimals.", example: `fmt(0.0204, 3)`, fn: builtinFmt},
		{name: "catch", sig: "fn, *args, **kwargs", kinds: "fn", args: "fn: what to call; args: its arguments", result: "struct", fields: "value error (None where there was none)",
			doc: "Call fn and give its error as a string instead of failing.", example: `catch(tcp.connect, "192.168.69.100:81").error`, fn: builtinCatch},
		{name: "help", sig: "x=None", kinds: "any", args: "x: a builtin, a group of them, any value, or a name", pure: true,
			doc: "What there is, or what x does.", example: `help(ping)`, fn: builtinHelp},
	}
}

func builtinFmt(c *call) (starlark.Value, error) {
	return starlark.String(fmt.Sprintf("%.*f", arg[int](c, "decimals"), arg[float64](c, "x"))), nil
}

// uncaught is err when it must not be caught: cancellation, interrupt, deadlock, exit.
func (c *call) uncaught(err error) error {
	var exit *exitError
	if err != nil && (c.t.fail != nil || c.s.interrupted.Load() || errors.As(err, &exit)) {
		return err
	}
	return nil
}

func builtinCatch(c *call) (starlark.Value, error) {
	v, err := starlark.Call(c.t.thread, arg[starlark.Callable](c, "fn"), c.Rest, c.Opts)
	if err := c.uncaught(err); err != nil {
		return nil, err
	}
	d := starlark.StringDict{"value": starlark.None, "error": starlark.None}
	if err != nil {
		d["error"] = starlark.String(c.s.unbound(err.Error()))
	} else {
		d["value"] = v
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, d), nil
}
