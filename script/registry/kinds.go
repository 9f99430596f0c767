package registry

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/stack/wire"
)

// A Kind determines which values an argument may have, and the Go type that Convert returns. Bounds may follow a colon.
type Kind string

const (
	KindAny      Kind = "any"      // starlark.Value
	KindStr      Kind = "str"      // string
	KindInt      Kind = "int"      // int
	KindBool     Kind = "bool"     // bool
	KindFloat    Kind = "float"    // float64
	KindData     Kind = "data"     // []byte
	KindDuration Kind = "duration" // time.Duration
	KindIP       Kind = "ip"       // netip.Addr
	KindEndpoint Kind = "endpoint" // []netip.AddrPort, not empty, in the order in which to try them; the port is required
	KindCIDR     Kind = "cidr"     // netip.Prefix: an address with its prefix length
	KindPort     Kind = "port"     // int
	KindMAC      Kind = "mac"      // wire.HardwareAddr
	KindRate     Kind = "rate"     // uint64, bits per second
	KindChance   Kind = "chance"   // float64, 0 to 1
	KindFn       Kind = "fn"       // starlark.Callable
	KindPattern  Kind = "pattern"  // starlark.Value: a filter's expression, a function, or a value whose Type is "packet", "protocol" or "pattern"
	KindHost     Kind = "host"     // a value whose Type is "host"
	KindDict     Kind = "dict"     // *starlark.Dict
	KindInts     Kind = "ints"     // []int
	KindTask     Kind = "task"     // a value whose Type is "task"
	KindInFile   Kind = "infile"   // string: a file that is read
	KindOutFile  Kind = "outfile"  // string: a file that is written
	KindCommand  Kind = "command"  // Command
	KindOwnFile  Kind = "ownfile"  // string: a file that is read as load() does, from the folder of the script that names it
)

// errKind is Convert's error for a value of another type. Other errors contain more than Describe returns.
var errKind = errors.New("wrong type")

var kindWords = map[Kind]string{
	KindAny:      "any value",
	KindStr:      "a string",
	KindInt:      "an int",
	KindBool:     "True or False",
	KindFloat:    "a number",
	KindData:     "str or bytes",
	KindDuration: "a duration",
	KindIP:       `an address such as "192.168.69.1", or a host or its name`,
	KindEndpoint: `an address with port such as "192.168.69.1:80", or a host's name with port`,
	KindCIDR:     `an address with prefix length such as "192.168.69.1/24"`,
	KindPort:     "a port from 0 to 65535",
	KindMAC:      `a hardware address such as "02:00:00:00:00:01"`,
	KindRate:     `a rate in bits per second such as "10mbit"`,
	KindChance:   "a probability from 0 to 1",
	KindFn:       "a function",
	KindPattern:  "a filter string, a pattern such as TCP(dport=80), or a function of a packet",
	KindHost:     "a host or its name",
	KindDict:     "a dict",
	KindInts:     "an int or a list of ints",
	KindTask:     "a task",
	KindInFile:   "a file's name",
	KindOutFile:  "a file's name",
	KindCommand:  "a string or a list of strings",
	KindOwnFile:  "a file's name",
}

// Describe returns the kind and its bounds as text, such as "an int from 0 to 65507".
func (k Kind) Describe() string {
	base, b := k.Bounds()
	if b == "" {
		return kindWords[k]
	}
	return kindWords[base] + " " + bounded(b)
}

// Bounds splits a kind such as "int:0..65507" or "int:1.." at its colon into the kind and its bounds.
func (k Kind) Bounds() (base Kind, bounds string) {
	a, b, _ := strings.Cut(string(k), ":")
	return Kind(a), b
}

// bounded returns the text of bounds, such as "from 0 to 65507".
func bounded(bounds string) string {
	lo, hi, _ := strings.Cut(bounds, "..")
	if hi == "" {
		return "of at least " + lo
	}
	return "from " + lo + " to " + hi
}

// Reason returns what an error of Convert explains beyond Describe, with a colon in front; "" if that is nothing.
func Reason(err error) string {
	if err == nil || err == errKind {
		return ""
	}
	return ": " + err.Error()
}

// within converts an int, and returns errKind if it is out of bounds.
func within(bounds string, v starlark.Value) (any, error) {
	n, err := KindInt.Convert(v)
	if err != nil {
		return nil, err
	}
	lo, hi, _ := strings.Cut(bounds, "..")
	least, _ := strconv.Atoi(lo)
	most, err := strconv.Atoi(hi)
	if err != nil {
		most = math.MaxInt
	}
	if n := n.(int); n < least || n > most {
		return nil, errKind
	}
	return n, nil
}

// Convert returns the Go value of an argument, errKind, or an error that explains more.
func (k Kind) Convert(v starlark.Value) (any, error) {
	if base, b := k.Bounds(); base == KindInt && b != "" {
		return within(b, v)
	}
	switch k {
	case KindAny:
		return v, nil
	case KindBool:
		if b, ok := v.(starlark.Bool); ok {
			return bool(b), nil
		}
	case KindInt:
		return whole(v)
	case KindPort:
		return within("0..65535", v)
	case KindFloat:
		if f, ok := starlark.AsFloat(v); ok {
			return f, nil
		}
		return nil, numeral(v)
	case KindChance:
		return chance(v)
	case KindData:
		if b, ok := Octets(v); ok {
			return b, nil
		}
	case KindDuration:
		return duration(v)
	case KindFn:
		if f, ok := v.(starlark.Callable); ok {
			return f, nil
		}
	case KindPattern:
		switch v.Type() {
		case "string", "packet", "protocol", "pattern":
			return v, nil
		}
		if f, ok := v.(starlark.Callable); ok {
			return f, nil
		}
	case KindHost:
		if v.Type() == "host" {
			return v, nil
		}
	case KindTask:
		if v.Type() == "task" {
			return v, nil
		}
	case KindDict:
		if d, ok := v.(*starlark.Dict); ok {
			return d, nil
		}
	case KindInts:
		return ints(v)
	case KindCommand:
		return command(v)
	case KindRate:
		return rate(v)
	default:
		return k.convertString(v)
	}
	return nil, errKind
}

// convertString converts an argument of a kind whose values are written as strings.
func (k Kind) convertString(v starlark.Value) (any, error) {
	s, ok := starlark.AsString(v)
	if !ok {
		return nil, errKind
	}
	switch k {
	case KindStr, KindInFile, KindOutFile, KindOwnFile:
		return s, nil
	case KindIP:
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, wrongAddr(s)
		}
		return a.Unmap(), nil
	case KindEndpoint:
		ap, err := parseEndpoint(s)
		if err != nil {
			return nil, err
		}
		return []netip.AddrPort{ap}, nil
	case KindCIDR:
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil && strings.Contains(s, "%"):
			return nil, errors.New("a prefix has no zone")
		case err != nil:
			return nil, wrongPrefix(s)
		}
		return p, nil
	case KindMAC:
		a, err := wire.ParseHardwareAddr(s)
		if err != nil {
			return nil, errors.New("six octets of two hexadecimal digits each, with colons between them")
		}
		return a, nil
	}
	return nil, errKind
}

// Octets returns the octets of a str or bytes; ok is false for another type.
func Octets(v starlark.Value) (b []byte, ok bool) {
	switch v := v.(type) {
	case starlark.String:
		return []byte(v), true
	case starlark.Bytes:
		return []byte(v), true
	}
	return nil, false
}

// ints converts an int or an iterable of ints.
func ints(v starlark.Value) (any, error) {
	if n, err := KindInt.Convert(v); err == nil {
		return []int{n.(int)}, nil
	}
	it, ok := v.(starlark.Iterable)
	if !ok {
		return nil, errKind
	}
	var out []int
	iter := it.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		n, err := KindInt.Convert(x)
		if err != nil {
			return nil, errKind
		}
		out = append(out, n.(int))
	}
	return out, nil
}

// A Command is a program of the operating system with its arguments.
type Command struct {
	Line string   // command line for the system's shell; used if Args is nil
	Args []string // the program's name and its arguments
}

// String returns the command in one line, cut after 60 characters.
func (c Command) String() string {
	line := c.Line
	if c.Args != nil {
		line = strings.Join(c.Args, " ")
	}
	line, _, more := strings.Cut(strings.TrimSpace(line), "\n")
	if r := []rune(line); len(r) > 60 {
		line, more = string(r[:59]), true
	}
	if more {
		line += "…"
	}
	return line
}

// command converts a line for the system's shell, or an iterable of a program's name and its arguments.
func command(v starlark.Value) (any, error) {
	var c Command
	if s, ok := starlark.AsString(v); ok {
		c.Line = s
		return c, noNUL(s)
	}
	it, ok := v.(starlark.Iterable)
	if !ok {
		return nil, errKind
	}
	c.Args = []string{}
	iter := it.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		s, ok := starlark.AsString(x)
		if !ok {
			return nil, errKind
		}
		if err := noNUL(s); err != nil {
			return nil, err
		}
		c.Args = append(c.Args, s)
	}
	if len(c.Args) == 0 || c.Args[0] == "" {
		return nil, errors.New("it names no program")
	}
	return c, nil
}

// noNUL refuses a string that contains an octet 0, because that ends a string of the operating system.
func noNUL(s string) error {
	if strings.Contains(s, "\x00") {
		return errors.New("it has an octet 0")
	}
	return nil
}

// Seconds converts a duration to a script's value.
func Seconds(d time.Duration) starlark.Value { return starlark.Float(d.Seconds()) }

// Address converts an address to a script's value, None for the zero address.
func Address(a netip.Addr) starlark.Value {
	if !a.IsValid() {
		return starlark.None
	}
	return starlark.String(a.String())
}

// Brief returns the text of a value, cut off after 200 octets.
func Brief(v starlark.Value) string {
	s := v.String()
	if len(s) > 200 {
		return fmt.Sprintf("%s… (%d characters)", s[:200], len(s))
	}
	return s
}
