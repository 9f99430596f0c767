package script

import (
	"fmt"
	"maps"

	starjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxJSONDepth is the deepest nesting of lists and objects in a JSON text. The decoder is recursive, so a peer's text
// with millions of brackets would exhaust the stack and end the program.
const maxJSONDepth = 1000

// jsonModule returns Starlark's json module, except that decode refuses a text that nests too deep.
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

// jsonDepth returns the nesting depth of the brackets in a JSON text, except those in strings.
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
