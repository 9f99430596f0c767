package packet

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

// maxNamed is the largest number whose name Parse looks up.
const maxNamed = 1<<16 - 1

// Parse returns the value of a field that a text stands for: a number, the name of a number ("echo-request", "echo request"),
// letters of a field of kind Letters, an address, or text. A field of kind Other takes an address or a hardware address if its
// octets can be one. The error says what the field takes.
func (f *Field) Parse(text string) (any, error) {
	switch f.Kind {
	case Letters:
		if n, err := strconv.ParseUint(text, 0, 64); err == nil {
			return n, f.checkNumber(f.Name, n)
		}
		return f.ParseLetters(text)
	case Uint, Bool:
		return f.parseNumber(text)
	case MAC:
		a, err := wire.ParseHardwareAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s is a hardware address such as 02:00:00:00:00:01, got %q", f.Name, Printable([]byte(text)))
		}
		return a, nil
	case Addr:
		a, err := asAddress(text, f.Bits/8)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		return a, nil
	case Text:
		return text, nil
	case Octets:
		return []byte(text), nil
	}
	return f.parseOther(text)
}

// parseOther returns the address that a text stands for, if the field can have it.
func (f *Field) parseOther(text string) (any, error) {
	var values []any
	if a, err := wire.ParseHardwareAddr(text); err == nil {
		values = append(values, a)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		values = append(values, a)
	}
	if n, err := f.parseNumber(text); err == nil {
		values = append(values, n)
	}
	for _, v := range values {
		if _, err := f.encode(v); err == nil {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s can't be %q", f.Name, Printable([]byte(text)))
}

// parseNumber returns the number that a text is, or that has the text as its name.
func (f *Field) parseNumber(text string) (any, error) {
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		if f.Bits == 0 {
			return n, nil
		}
		return n, f.checkNumber(f.Name, n)
	}
	if f.Kind == Bool && (text == "true" || text == "false") {
		return uint64(len("false") - len(text)), nil
	}
	wanted := plainName(text)
	for n := range f.named() {
		if wanted != "" && plainName(f.Names(n)) == wanted {
			return n, nil
		}
	}
	if names := f.ValueNames(); len(names) > 0 {
		return nil, fmt.Errorf("%q is no %s: it is a number or one of %s", Printable([]byte(text)), f.Name, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%s is a number, got %q", f.Name, Printable([]byte(text)))
}

// plainName drops the differences between names that mean the same: case, dashes and underscores.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return ' '
		}
		return r
	}, strings.ToLower(s))
}

// named yields the numbers that may have a name.
func (f *Field) named() func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		if f.Names == nil {
			return
		}
		most := uint64(maxNamed)
		if f.Bits > 0 && f.Bits < 16 {
			most = 1<<f.Bits - 1
		}
		for n := range most + 1 {
			if f.Names(n) != "" && !yield(n) {
				return
			}
		}
	}
}

// ValueNames returns the names of a field's values, for completion and messages. Several numbers may have one name.
func (f *Field) ValueNames() (names []string) {
	for n := range f.named() {
		name := f.Names(n)
		if strings.HasPrefix(name, "proto ") { // the name of a protocol that has none
			continue
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
