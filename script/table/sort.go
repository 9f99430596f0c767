package table

import (
	"cmp"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// sortedAddress is an address in text form: "192.168.69.1", "10.0.0.0/8", "[fdaa::1]:80", "*:80". The zero value stands
// for any address and port.
type sortedAddress struct {
	addr netip.Addr
	bits int
	port uint16
}

func (a sortedAddress) compare(b sortedAddress) int {
	return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.bits, b.bits), cmp.Compare(a.port, b.port))
}

func parseSorted(s string) (a sortedAddress, ok bool) {
	if port, any := strings.CutPrefix(s, "*"); any {
		if port == "" || port == ":*" {
			return a, true
		}
		s = "0.0.0.0" + port
	}
	if s == "default" {
		return a, true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		a.addr, a.port = ap.Addr(), ap.Port()
	} else if p, err := netip.ParsePrefix(s); err == nil {
		a.addr, a.bits = p.Addr(), p.Bits()
	} else if a.addr, err = netip.ParseAddr(s); err != nil {
		return a, false
	}
	if a.addr.IsUnspecified() && a.bits == 0 {
		a.addr = netip.Addr{}
	}
	return a, true
}

// compareCells compares two values of a column. None is first, then numbers by value, then addresses by value, then
// text.
func compareCells(x, y starlark.Value) int {
	rank := func(v starlark.Value) (rank int, a sortedAddress) {
		if list, ok := v.(*starlark.List); ok && list.Len() > 0 {
			v = list.Index(0)
		}
		switch v := v.(type) {
		case starlark.NoneType:
			return 0, a
		case starlark.Bool, starlark.Int, starlark.Float:
			return 1, a
		case starlark.String:
			if a, ok := parseSorted(string(v)); ok {
				return 2, a
			}
		}
		return 3, a
	}
	i, a := rank(x)
	j, b := rank(y)
	if i != j {
		return cmp.Compare(i, j)
	}
	if i == 2 {
		return a.compare(b)
	}
	if less, err := starlark.Compare(syntax.LT, x, y); err == nil && less {
		return -1
	}
	if less, err := starlark.Compare(syntax.LT, y, x); err == nil && less {
		return 1
	}
	return 0
}
