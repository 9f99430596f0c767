package packet

import (
	"maps"
	"slices"
)

// namedOptions returns the names of the options in the field options of a protocol, nil for a protocol without such a table.
func namedOptions(p *Protocol) map[int]optionKind {
	switch p {
	case TCP:
		return tcpOptions
	case IP:
		return ipOptions
	case HopByHop, DestinationOptions:
		return ip6OptionKinds
	}
	return nil
}

// OptionNumber returns the kind of the option called name in a header of the protocol. ok is false for an unknown name.
func OptionNumber(p *Protocol, name string) (kind int, ok bool) {
	single := map[string]int{"eol": 0, "nop": 1}
	if p == HopByHop || p == DestinationOptions {
		single = map[string]int{"pad1": 0}
	}
	if kind, ok = single[name]; ok {
		return kind, true
	}
	for kind, row := range namedOptions(p) {
		if row.name == name {
			return kind, true
		}
	}
	return 0, false
}

// OptionNames returns the names of the options of a protocol's header, by kind.
func OptionNames(p *Protocol) (names []string) {
	table := namedOptions(p)
	if table == nil {
		return nil
	}
	names = []string{"eol", "nop"}
	if p == HopByHop || p == DestinationOptions {
		names = []string{"pad1"}
	}
	for _, kind := range slices.Sorted(maps.Keys(table)) {
		names = append(names, table[kind].name)
	}
	return names
}

// LetterText returns the text for the bits of a number, which ParseLetters reads. ok is false if a bit has no letter.
func (f *Field) LetterText(n uint64) (text string, ok bool) {
	text = f.letters(n)
	back, err := f.ParseLetters(text)
	return text, err == nil && back == n
}
