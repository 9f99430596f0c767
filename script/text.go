package script

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func textBuiltins() []*builtin {
	return []*builtin{
		{Name: "catch", Sig: "fn, *args, **kwargs", Kinds: "fn", Args: "fn: the function to call; args: its arguments", Result: "struct", Fields: "value error (None without an error)",
			Doc: "Call fn and return its value, or its error as a string.", Example: `catch(tcp.connect, "192.168.69.100:81").error`, Fn: builtinCatch},
		{Name: "help", Sig: "x=None", Kinds: "any", Args: "x: a builtin, a group of them, any value, or a name", Pure: true,
			Doc: "Describe x, a value, a name, or a topic such as \"keys\"; without x, list every builtin and topic.", Example: `help(ping)`, Fn: builtinHelp},
	}
}

// uncaught returns err if catch must not catch it: a cancellation, an interrupt, a deadlock, exit() or skip().
func (c *call) uncaught(err error) error {
	var exit *exitError
	var skip *skipError
	if err != nil && (c.t.Err() != nil || c.s.tasks.InterruptPending() || errors.As(err, &exit) || errors.As(err, &skip)) {
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
		c.t.unwound()
		d["error"] = starlark.String(c.s.unbound(err.Error()))
	} else {
		d["value"] = v
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, d), nil
}
