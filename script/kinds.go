package script

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"smolsh/stack/wire"
)

// kind is what an argument may be.
type kind string

const (
	kindAny      kind = "any"
	kindStr      kind = "str"
	kindInt      kind = "int"
	kindBool     kind = "bool"
	kindFloat    kind = "float"
	kindData     kind = "data"     // []byte
	kindDuration kind = "duration" // time.Duration
	kindIP       kind = "ip"       // netip.Addr
	kindEndpoint kind = "endpoint" // netip.AddrPort, the port given
	kindCIDR     kind = "cidr"     // netip.Prefix: an address with its prefix length
	kindPort     kind = "port"     // int
	kindMAC      kind = "mac"      // wire.HardwareAddr
	kindRate     kind = "rate"     // uint64, bits per second
	kindChance   kind = "chance"   // float64, 0 to 1
	kindFn       kind = "fn"       // starlark.Callable
	kindHost     kind = "host"     // a value whose Type is "host"
	kindDict     kind = "dict"     // *starlark.Dict
	kindInts     kind = "ints"     // []int
	kindTask     kind = "task"     // a value whose Type is "task"
	kindInFile   kind = "infile"   // string: a file that is read
	kindOutFile  kind = "outfile"  // string: a file that is written
)

// errKind is the answer to a value of another type; other errors explain further.
var errKind = errors.New("wrong type")

var kindWords = map[kind]string{
	kindAny:      "any value",
	kindStr:      "a string",
	kindInt:      "an int",
	kindBool:     "True or False",
	kindFloat:    "a number",
	kindData:     "str or bytes",
	kindDuration: "a duration",
	kindIP:       `an address such as "192.168.69.1"`,
	kindEndpoint: `an address with port such as "192.168.69.1:80"`,
	kindCIDR:     `an address with prefix length such as "192.168.69.1/24"`,
	kindPort:     "a port from 0 to 65535",
	kindMAC:      `a hardware address such as "02:00:00:00:00:01"`,
	kindRate:     `a rate in bits per second such as "10mbit"`,
	kindChance:   "a probability from 0 to 1",
	kindFn:       "a function",
	kindHost:     "a host",
	kindDict:     "a dict",
	kindInts:     "an int or a list of ints",
	kindTask:     "a task",
	kindInFile:   "a file's name",
	kindOutFile:  "a file's name",
}

// describe is the kind in words, with its bounds: "an int from 0 to 65507".
func (k kind) describe() string {
	base, b := k.bounds()
	if b == "" {
		return kindWords[k]
	}
	return kindWords[base] + " " + bounded(b)
}

// bounds are what follows the colon in "int:0..65507" or "int:1..": the least and the greatest value.
func (k kind) bounds() (base kind, bounds string) {
	a, b, _ := strings.Cut(string(k), ":")
	return kind(a), b
}

func bounded(bounds string) string {
	lo, hi, _ := strings.Cut(bounds, "..")
	if hi == "" {
		return "of at least " + lo
	}
	return "from " + lo + " to " + hi
}

// within converts an int and holds it against the bounds.
func within(bounds string, v starlark.Value) (any, error) {
	n, err := kindInt.convert(v)
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

// convert gives the Go value of an argument, or errKind or a better explanation.
func (k kind) convert(v starlark.Value) (any, error) {
	if base, b := k.bounds(); base == kindInt && b != "" {
		return within(b, v)
	}
	switch k {
	case kindAny:
		return v, nil
	case kindBool:
		if b, ok := v.(starlark.Bool); ok {
			return bool(b), nil
		}
	case kindInt:
		if i, ok := v.(starlark.Int); ok {
			n, ok := i.Int64()
			if !ok || n != int64(int(n)) {
				return nil, errors.New("too large")
			}
			return int(n), nil
		}
	case kindPort:
		if i, ok := v.(starlark.Int); ok {
			if n, ok := i.Int64(); ok && n >= 0 && n <= 65535 {
				return int(n), nil
			}
		}
	case kindFloat, kindChance:
		f, ok := starlark.AsFloat(v)
		if ok && (k == kindFloat || f >= 0 && f <= 1) {
			return f, nil
		}
	case kindData:
		if b, ok := octets(v); ok {
			return b, nil
		}
	case kindDuration:
		return duration(v)
	case kindFn:
		if f, ok := v.(starlark.Callable); ok {
			return f, nil
		}
	case kindHost:
		if v.Type() == "host" {
			return v, nil
		}
	case kindTask:
		if v.Type() == "task" {
			return v, nil
		}
	case kindDict:
		if d, ok := v.(*starlark.Dict); ok {
			return d, nil
		}
	case kindInts:
		return ints(v)
	case kindRate:
		return rate(v)
	default:
		return k.convertString(v)
	}
	return nil, errKind
}

func (k kind) convertString(v starlark.Value) (any, error) {
	s, ok := starlark.AsString(v)
	if !ok {
		return nil, errKind
	}
	switch k {
	case kindStr, kindInFile, kindOutFile:
		return s, nil
	case kindIP:
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, errKind
		}
		return a.Unmap(), nil
	case kindEndpoint:
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, errKind
		}
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	case kindCIDR:
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, errKind
		}
		return p, nil
	case kindMAC:
		a, err := ParseMAC(s)
		if err != nil {
			return nil, errKind
		}
		return a, nil
	}
	return nil, errKind
}

// ParseMAC parses a hardware address of six octets in hexadecimal, separated by colons or dashes.
func ParseMAC(s string) (a wire.HardwareAddr, err error) {
	parts := strings.Split(strings.ReplaceAll(s, "-", ":"), ":")
	if len(parts) != len(a) {
		return a, fmt.Errorf("%q is no hardware address such as 02:00:00:00:00:01", s)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return a, fmt.Errorf("%q is no hardware address such as 02:00:00:00:00:01", s)
		}
		a[i] = byte(n)
	}
	return a, nil
}

// octets are the octets of data to be sent.
func octets(v starlark.Value) ([]byte, bool) {
	switch v := v.(type) {
	case starlark.String:
		return []byte(v), true
	case starlark.Bytes:
		return []byte(v), true
	}
	return nil, false
}

// duration accepts seconds, "20ms" and time.duration; "20" is seconds too.
func duration(v starlark.Value) (any, error) {
	var d time.Duration
	switch v := v.(type) {
	case startime.Duration:
		d = time.Duration(v)
	case starlark.String:
		var err error
		if d, err = time.ParseDuration(string(v)); err != nil {
			return nil, errors.New(`want seconds, "20ms", "2s" or "1m"`)
		}
	case starlark.Int, starlark.Float:
		f, _ := starlark.AsFloat(v)
		if math.IsNaN(f) || math.Abs(f) > 1e9 {
			return nil, errors.New("out of range")
		}
		d = time.Duration(math.Round(f * 1e9))
	default:
		return nil, errKind
	}
	if d < 0 {
		return nil, errors.New("negative")
	}
	return d, nil
}

// rate accepts bits per second and netem's words: "10mbit", "1gbit", "64kbit", and of octets "1mbps".
func rate(v starlark.Value) (any, error) {
	if s, ok := starlark.AsString(v); ok {
		s = strings.ToLower(strings.TrimSpace(s))
		for _, u := range []struct {
			suffix string
			bits   float64
		}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}, {"gbps", 8e9}, {"mbps", 8e6}, {"kbps", 8e3}, {"bps", 8}, {"", 1}} {
			if n, ok := strings.CutSuffix(s, u.suffix); ok {
				f, err := strconv.ParseFloat(n, 64)
				if err != nil || f < 0 || f > 1e15 {
					return nil, errKind
				}
				return uint64(f * u.bits), nil
			}
		}
	}
	if f, ok := starlark.AsFloat(v); ok && f >= 0 && f < 1e15 {
		return uint64(f), nil
	}
	return nil, errKind
}

func ints(v starlark.Value) (any, error) {
	if n, err := kindInt.convert(v); err == nil {
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
		n, err := kindInt.convert(x)
		if err != nil {
			return nil, errKind
		}
		out = append(out, n.(int))
	}
	return out, nil
}

// seconds is how a duration is returned.
func seconds(d time.Duration) starlark.Value { return starlark.Float(d.Seconds()) }

// address, endpoint: how they are returned; None when there is none.
func address(a netip.Addr) starlark.Value {
	if !a.IsValid() {
		return starlark.None
	}
	return starlark.String(a.String())
}

func endpoint(ap netip.AddrPort) starlark.Value {
	if !ap.IsValid() {
		return starlark.None
	}
	return starlark.String(ap.String())
}
