package script

import "testing"

// TestDeepJSON: a JSON text from a peer that nests without end is an error, and does not end the program.
func TestDeepJSON(t *testing.T) {
	want(t, `
print(json.decode('{"a": [1, "[[[\\"["]}')["a"])
print(json.decode("[" * 1000 + "]" * 1000) != None, json.decode("[" * 1001, default=1) if False else 0)
for text in ["[" * 20000000, '{"a":' * 20000000, '["\\"", ' * 20000000]:
    print(catch(json.decode, text).error)
    print(catch(json.decode, x=text, default=None).error)
print(json.decode('[1, "]', default="none"), json.encode([1]))
`, `[1, "[[[\"["]
True 0
json.decode: the text nests deeper than 1000
json.decode: the text nests deeper than 1000
json.decode: the text nests deeper than 1000
json.decode: the text nests deeper than 1000
json.decode: the text nests deeper than 1000
json.decode: the text nests deeper than 1000
none [1]
`)
}
