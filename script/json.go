package script

import (
	"fmt"
	"maps"

	starjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxJSONDepth is how deep the lists and objects of a JSON text may nest. The decoder calls itself for each, and a text
// of a peer's with millions of brackets would end the program by exhausting the stack.
const maxJSONDepth = 1000

// jsonModule is Starlark's json, but that decode refuses a text that nests too deep.
func jsonModule() *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: starjson.Module.Name, Members: maps.Clone(starjson.Module.Members)}
	decode := m.Members["decode"]
	m.Members["decode"] = starlark.NewBuiltin("json.decode", func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		for _, v := range args {
			if text, ok := starlark.AsString(v); ok && jsonDepth(text) > maxJSONDepth {
				return nil, fmt.Errorf("%s: the text nests deeper than %d", b.Name(), maxJSONDepth)
			}
		}
		for _, kv := range kwargs {
			if text, ok := starlark.AsString(kv[1]); ok && jsonDepth(text) > maxJSONDepth {
				return nil, fmt.Errorf("%s: the text nests deeper than %d", b.Name(), maxJSONDepth)
			}
		}
		return starlark.Call(thread, decode, args, kwargs)
	})
	return m
}

// jsonDepth returns how deep the brackets of a JSON text nest, those in its strings aside.
func jsonDepth(text string) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}
