package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"smolsh/stack/wire"
)

// encode returns a field's octets for a value of its kind, or for the octets themselves. Numbers are not encoded here, because they may
// share octets with other fields.
func (f *Field) encode(v any) ([]byte, error) {
	b, err := f.octets(v)
	if err != nil {
		return nil, err
	}
	return f.pad(b)
}

// append appends a field's octets to b: those of its value, or zeros for a field of fixed width that is unset.
func (f *Field) append(b []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil:
		return append(b, make([]byte, f.Bits/8)...), nil
	case wire.HardwareAddr:
		if f.Kind == MAC {
			return append(b, x[:]...), nil
		}
	case netip.Addr:
		switch {
		case f.Kind != Addr:
		case f.Bits == 32 && x.Is4():
			a := x.As4()
			return append(b, a[:]...), nil
		case f.Bits == 128 && x.Is6():
			a := x.As16()
			return append(b, a[:]...), nil
		}
	}
	octets, err := f.encode(v)
	return append(b, octets...), err
}

// octets returns the octets of encode before they are padded to the field's width.
func (f *Field) octets(v any) ([]byte, error) {
	switch x := v.(type) {
	case []byte:
		return x, nil
	case wire.HardwareAddr:
		if f.Kind == MAC {
			return x[:], nil
		}
	case netip.Addr:
		if f.Kind == Addr {
			if b := x.AsSlice(); len(b) == f.Bits/8 {
				return b, nil
			}
			return nil, fmt.Errorf("%v is an address of the other family", x)
		}
	case string:
		if f.Kind == Text {
			return []byte(x), nil
		}
	}
	if f.Write == nil {
		return nil, fmt.Errorf("it can't be set to %s", Format(v))
	}
	return f.Write(v)
}

// pad fills a field of fixed width with zeros.
func (f *Field) pad(b []byte) ([]byte, error) {
	n := f.Bits / 8
	switch {
	case f.Bits == 0 || len(b) == n:
		return b, nil
	case len(b) > n:
		return nil, fmt.Errorf("it has %d octets, got %d", n, len(b))
	case f.Kind == Addr || f.Kind == MAC:
		return nil, fmt.Errorf("it has %d octets, got %d", n, len(b))
	}
	return append(make([]byte, 0, n), b...)[:n:n], nil
}

// putBits writes the n low bits of v at a bit offset. The octets of b must be there.
func putBits(b []byte, at, n int, v uint64) {
	switch {
	case at%8 == 0 && n == 8:
		b[at/8] = byte(v)
		return
	case at%8 == 0 && n == 16:
		binary.BigEndian.PutUint16(b[at/8:], uint16(v))
		return
	case at%8 == 0 && n%8 == 0:
		for i := at/8 + n/8 - 1; i >= at/8; i-- {
			b[i], v = byte(v), v>>8
		}
		return
	}
	for ; n > 0; n-- {
		mask := byte(0x80) >> (at % 8)
		b[at/8] &^= mask
		if v>>(n-1)&1 != 0 {
			b[at/8] |= mask
		}
		at++
	}
}
