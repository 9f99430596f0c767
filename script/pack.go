package script

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

// maxPacked is the largest number of octets that pack makes and unpack reads.
const maxPacked = 16 << 20

// formatWords is the help on the formats of pack and unpack.
const formatWords = `format: > or ! (network order, the default) or <, then x c b B ? h H i I l L q Q f d s, each with a count before it`

func packBuiltins() []*builtin {
	return []*builtin{
		{Name: "pack", Sig: "format, *values", Kinds: "str", Args: formatWords + "; values: ints, floats, bytes or bools, in the format's order",
			Result: "bytes", Pure: true, See: "unpack, hex",
			Doc: "Return values as octets by the letters of Python's struct, without padding.", Example: `pack(">BBH4s", 8, 0, 0xffff, "data")`, Fn: builtinPack},
		{Name: "unpack", Sig: "format, data", Kinds: "str data", Args: formatWords + "; data: octets, as many as the format names",
			Result: "tuple", Pure: true, See: "pack, hex",
			Doc: "Return the values of octets by the letters of Python's struct.", Example: `unpack(">HI", b"\x00\x07\x00\x00\x00\x01")`, Fn: builtinUnpack},
	}
}

// A packField is one letter of a format with its count.
type packField struct {
	letter byte
	count  int // repetitions; for s the number of octets of the one value
}

// packSizes has the octets of each letter's value. Those of x, c and s are for each count.
var packSizes = map[byte]int{'x': 1, 'c': 1, 's': 1, 'b': 1, 'B': 1, '?': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 4, 'L': 4, 'q': 8, 'Q': 8, 'f': 4, 'd': 8}

// parsePack reads a format. size is the number of octets that it describes; little is true for the order "<".
func parsePack(format string) (fields []packField, little bool, size int, err error) {
	s := format
	if s != "" {
		switch s[0] {
		case '>', '!':
			s = s[1:]
		case '<':
			little, s = true, s[1:]
		case '@', '=':
			return nil, false, 0, fmt.Errorf("the order %q depends on the machine: say > or <", s[:1])
		}
	}
	count, counted := 1, false
	for i := range len(s) {
		switch ch := s[i]; {
		case ch == ' ' && !counted:
		case ch >= '0' && ch <= '9':
			if !counted {
				count, counted = 0, true
			}
			if count = count*10 + int(ch-'0'); count > maxPacked {
				return nil, false, 0, fmt.Errorf("more than %d octets", maxPacked)
			}
		case packSizes[ch] == 0:
			return nil, false, 0, fmt.Errorf("no letter %q in %q: there are x c b B ? h H i I l L q Q f d s", ch, format)
		default:
			if size += count * packSizes[ch]; size > maxPacked {
				return nil, false, 0, fmt.Errorf("more than %d octets", maxPacked)
			}
			fields = append(fields, packField{ch, count})
			count, counted = 1, false
		}
	}
	if counted {
		return nil, false, 0, fmt.Errorf("%q ends in a count without a letter", format)
	}
	return fields, little, size, nil
}

// reversed returns octets in the opposite order if little is true.
func reversed(b []byte, little bool) []byte {
	if !little {
		return b
	}
	out := make([]byte, len(b))
	for i := range b {
		out[len(b)-1-i] = b[i]
	}
	return out
}

func builtinPack(c *call) (starlark.Value, error) {
	fields, little, size, err := parsePack(arg[string](c, "format"))
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	out := make([]byte, 0, size)
	used := 0
	for _, f := range fields {
		values := f.count
		switch f.letter {
		case 'x':
			out = append(out, make([]byte, f.count)...)
			continue
		case 's':
			values = 1
		}
		for range values {
			if used == len(c.Rest) {
				return nil, c.errorf("no value for %c: %d were given", f.letter, used)
			}
			b, err := f.octets(c.Rest[used])
			if used++; err != nil {
				return nil, c.errorf("value %d: %w", used, err)
			}
			out = append(out, reversed(b, little && f.letter != 's')...)
		}
	}
	if used < len(c.Rest) {
		return nil, c.errorf("the format uses %d of %d values", used, len(c.Rest))
	}
	return starlark.Bytes(out), nil
}

// octets returns the octets of one value in network order.
func (f packField) octets(x starlark.Value) ([]byte, error) {
	size := packSizes[f.letter]
	switch f.letter {
	case 's', 'c':
		b, ok := registry.Octets(x)
		switch {
		case !ok:
			return nil, fmt.Errorf("%c takes str or bytes, got %s", f.letter, x.Type())
		case f.letter == 'c' && len(b) != 1:
			return nil, fmt.Errorf("c takes one octet, got %d", len(b))
		case f.letter == 's' && len(b) > f.count:
			return nil, fmt.Errorf("%d octets for %ds", len(b), f.count)
		case f.letter == 's':
			return append(b, make([]byte, f.count-len(b))...), nil
		}
		return b, nil
	case '?':
		if x.Truth() {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case 'f', 'd':
		v, ok := starlark.AsFloat(x)
		if !ok {
			return nil, fmt.Errorf("%c takes a number, got %s", f.letter, x.Type())
		}
		bits := math.Float64bits(v)
		if f.letter == 'f' {
			bits = uint64(math.Float32bits(float32(v)))
		}
		return new(big.Int).SetUint64(bits).FillBytes(make([]byte, size)), nil
	}
	n, ok := x.(starlark.Int)
	if !ok {
		return nil, fmt.Errorf("%c takes an int, got %s", f.letter, x.Type())
	}
	least, most := f.bounds()
	v := n.BigInt()
	if v.Cmp(least) < 0 || v.Cmp(most) > 0 {
		return nil, fmt.Errorf("%c takes an int from %v to %v, got %v", f.letter, least, most, v)
	}
	if v.Sign() < 0 {
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return v.FillBytes(make([]byte, size)), nil
}

// signed reports whether a letter of an integer is lower-case, which stands for a sign.
func (f packField) signed() bool { return strings.IndexByte("bhilq", f.letter) >= 0 }

// bounds returns the least and the largest value of an integer's letter.
func (f packField) bounds() (least, most *big.Int) {
	bits, one := uint(8*packSizes[f.letter]), big.NewInt(1)
	if !f.signed() {
		most = new(big.Int).Lsh(one, bits)
		return new(big.Int), most.Sub(most, one)
	}
	most = new(big.Int).Lsh(one, bits-1)
	return new(big.Int).Neg(most), most.Sub(most, one)
}

func builtinUnpack(c *call) (starlark.Value, error) {
	fields, little, size, err := parsePack(arg[string](c, "format"))
	data := arg[[]byte](c, "data")
	if err == nil && size != len(data) {
		err = fmt.Errorf("the format describes %d octets, and data has %d", size, len(data))
	}
	var out starlark.Tuple
	for _, f := range fields {
		if err != nil {
			break
		}
		if f.letter == 'x' {
			data = data[f.count:]
			continue
		}
		if f.letter == 's' {
			out = append(out, starlark.Bytes(data[:f.count]))
			data = data[f.count:]
			continue
		}
		if len(out)+f.count > maxValues {
			err = errors.New("more than 1048576 values")
			break
		}
		for range f.count {
			n := packSizes[f.letter]
			out = append(out, f.value(reversed(data[:n], little)))
			data = data[n:]
		}
	}
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return out, nil
}

// maxValues is the largest number of values that unpack returns.
const maxValues = 1 << 20

// value returns the value of octets in network order.
func (f packField) value(b []byte) starlark.Value {
	n := new(big.Int).SetBytes(b)
	switch f.letter {
	case 'c':
		return starlark.Bytes(b)
	case '?':
		return starlark.Bool(n.Sign() != 0)
	case 'f':
		return starlark.Float(math.Float32frombits(uint32(n.Uint64())))
	case 'd':
		return starlark.Float(math.Float64frombits(n.Uint64()))
	}
	if f.signed() && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return starlark.MakeBigInt(n)
}
