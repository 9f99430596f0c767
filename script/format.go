package script

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

const (
	// maxField is the largest width and the largest precision of a conversion, in characters.
	maxField = 1000
	// maxDecimals is the largest number of decimals of fmt(x, decimals).
	maxDecimals = 100
)

func formatBuiltins() []*builtin {
	return []*builtin{
		{Name: "fmt", Sig: "x, *args, decimals=3", Kinds: "any int:0..100",
			Args:   "x: a format with printf's conversions, or a number; args: the values for the format, or the number of decimals; decimals: number of decimals of a number",
			Result: "str", Pure: true, See: "hex, pack",
			Doc: "Return text by printf's format (%d %5.2f %-10s %#x), or a number with a fixed number of decimals.", Example: `fmt("%-8s %6.2f %#06x", "rtt", 0.0204, 255), fmt(0.0204, 3)`, Fn: builtinFmt},
		{Name: "hex", Sig: "x, width=0", Kinds: "any int:0..1000", Args: "x: an int, str or bytes; width: the least number of digits of an int",
			Result: "str", Pure: true, See: "fmt, unpack",
			Doc: `Return an int in hexadecimal ("0x1f"), or octets as two digits each ("c0a8").`, Example: `hex(31), hex(31, 4), hex(b"\xc0\xa8")`, Fn: builtinHex},
	}
}

func builtinFmt(c *call) (starlark.Value, error) {
	x := arg[starlark.Value](c, "x")
	if format, ok := starlark.AsString(x); ok {
		text, err := sprintf(format, c.Rest)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		return starlark.String(text), nil
	}
	f, ok := starlark.AsFloat(x)
	if !ok {
		return nil, c.errorf("argument 1 (x) is a format or a number, got %s %v", x.Type(), x)
	}
	decimals := arg[int](c, "decimals")
	if len(c.Rest) > 0 {
		n, err := registry.Kind("int:0..100").Convert(c.Rest[0])
		if err != nil || len(c.Rest) > 1 {
			return nil, c.errorf("after a number comes its number of decimals, an int from 0 to %d, got %v", maxDecimals, c.Rest)
		}
		decimals = n.(int)
	}
	return starlark.String(fmt.Sprintf("%.*f", decimals, f)), nil
}

// A conversion is one conversion of a printf format, such as %-8.3f.
type conversion struct {
	flags            string
	width, precision int // -1 if the format has none
	verb             rune
}

// text returns the conversion as the format has it.
func (v *conversion) text() string { return v.spec(v.verb) }

// spec returns the conversion as package fmt writes it with a verb.
func (v *conversion) spec(verb rune) string {
	s := "%" + v.flags
	if v.width >= 0 {
		s += fmt.Sprint(v.width)
	}
	if v.precision >= 0 {
		s += fmt.Sprintf(".%d", v.precision)
	}
	return s + string(verb)
}

// sprintf returns the text of a format of C's printf with values of scripts. %s and %r accept any value. A width or a precision of *
// takes an int from the values.
func sprintf(format string, args []starlark.Value) (string, error) {
	var out strings.Builder
	used := 0
	next := func(of string) (starlark.Value, error) {
		if used == len(args) {
			return nil, fmt.Errorf("the format has no value for %s: it was given %d", of, len(args))
		}
		used++
		return args[used-1], nil
	}
	for format != "" {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			out.WriteString(format)
			break
		}
		out.WriteString(format[:at])
		v, rest, err := parseConversion(format[at+1:], next)
		if err != nil {
			return "", err
		}
		if format = rest; v.verb == '%' {
			out.WriteByte('%')
			continue
		}
		x, err := next(v.text())
		if err != nil {
			return "", err
		}
		text, err := v.apply(x)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	if used < len(args) {
		return "", fmt.Errorf("the format uses %d of %d values", used, len(args))
	}
	return out.String(), nil
}

// parseConversion reads the conversion at the start of a format, after its "%", and returns the rest of the format. next returns the
// value for a width or a precision of *.
func parseConversion(s string, next func(of string) (starlark.Value, error)) (v conversion, rest string, err error) {
	v.width, v.precision = -1, -1
	n := 0
	for n < len(s) && strings.IndexByte("-+ #0", s[n]) >= 0 {
		n++
	}
	v.flags, s = s[:n], s[n:]
	if v.width, s, err = parseNumber(s, next); err != nil {
		return v, s, err
	}
	if more, ok := strings.CutPrefix(s, "."); ok {
		if v.precision, s, err = parseNumber(more, next); err != nil {
			return v, s, err
		}
		v.precision = max(v.precision, 0)
	}
	s = strings.TrimLeft(s, "hlL") // sizes of C's types, which say nothing here
	verb, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return v, s, errors.New("the format ends inside a conversion; %% is a percent sign")
	}
	v.verb = verb
	if !strings.ContainsRune("%diuxXobcsreEfFgG", verb) {
		return v, s, fmt.Errorf("no conversion %s: there are %%d %%x %%X %%o %%b %%c %%s %%r %%e %%f %%g and %%%%", v.text())
	}
	return v, s[size:], nil
}

// parseNumber reads a width or a precision, -1 if there is none.
func parseNumber(s string, next func(of string) (starlark.Value, error)) (n int, rest string, err error) {
	if more, ok := strings.CutPrefix(s, "*"); ok {
		x, err := next("*")
		if err != nil {
			return 0, s, err
		}
		n, err := registry.Kind("int:0..1000").Convert(x)
		if err != nil {
			return 0, s, fmt.Errorf("* takes an int from 0 to %d, got %v", maxField, x)
		}
		return n.(int), more, nil
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		if n = n*10 + int(s[digits]-'0'); n > maxField {
			return 0, s, fmt.Errorf("a width or precision of more than %d", maxField)
		}
		digits++
	}
	if digits == 0 {
		n = -1
	}
	return n, s[digits:], nil
}

// apply returns the text of one value.
func (v *conversion) apply(x starlark.Value) (string, error) {
	switch v.verb {
	case 's', 'r':
		text := x.String()
		if b, ok := registry.Octets(x); ok && v.verb == 's' {
			text = string(b)
		}
		return fmt.Sprintf(v.spec('s'), text), nil
	case 'c':
		return v.character(x)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f, ok := starlark.AsFloat(x)
		if !ok {
			return "", v.wants("a number", x)
		}
		return fmt.Sprintf(v.spec(v.verb), f), nil
	}
	if b, ok := registry.Octets(x); ok && (v.verb == 'x' || v.verb == 'X') {
		return fmt.Sprintf(v.spec(v.verb), b), nil
	}
	n, err := v.integer(x)
	if err != nil {
		return "", err
	}
	verb := v.verb
	if verb == 'i' || verb == 'u' {
		verb = 'd'
	}
	return fmt.Sprintf(v.spec(verb), n), nil
}

// integer returns the int of a value. %d drops the decimals of a float.
func (v *conversion) integer(x starlark.Value) (*big.Int, error) {
	switch x := x.(type) {
	case starlark.Int:
		return x.BigInt(), nil
	case starlark.Bool:
		if x {
			return big.NewInt(1), nil
		}
		return new(big.Int), nil
	case starlark.Float:
		if f := float64(x); strings.ContainsRune("diu", v.verb) && !math.IsNaN(f) && !math.IsInf(f, 0) {
			n, _ := big.NewFloat(f).Int(nil)
			return n, nil
		}
	}
	return nil, v.wants("an int", x)
}

// character returns the character of a value: a code point, or a str of one character.
func (v *conversion) character(x starlark.Value) (string, error) {
	if s, ok := starlark.AsString(x); ok && utf8.RuneCountInString(s) == 1 {
		return fmt.Sprintf(v.spec('s'), s), nil
	}
	if n, err := registry.Kind("int:0..1114111").Convert(x); err == nil {
		return fmt.Sprintf(v.spec('c'), n), nil
	}
	return "", v.wants("a character or its number", x)
}

// wants returns the error for a value of the wrong type.
func (v *conversion) wants(what string, x starlark.Value) error {
	return fmt.Errorf("%s takes %s, got %s %v", v.text(), what, x.Type(), x)
}

func builtinHex(c *call) (starlark.Value, error) {
	x, width := arg[starlark.Value](c, "x"), arg[int](c, "width")
	if n, ok := x.(starlark.Int); ok {
		b := n.BigInt()
		sign := ""
		if b.Sign() < 0 {
			sign = "-"
		}
		digits := new(big.Int).Abs(b).Text(16)
		return starlark.String(sign + "0x" + strings.Repeat("0", max(0, width-len(digits))) + digits), nil
	}
	b, ok := registry.Octets(x)
	switch {
	case !ok:
		return nil, c.errorf("argument 1 (x) is an int, str or bytes, got %s", x.Type())
	case width > 0:
		return nil, c.errorf("width is for an int, and octets have two digits each")
	}
	return starlark.String(fmt.Sprintf("%x", b)), nil
}
