package phy

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"smolsh/stack/wire"
)

// vnetHeader returns a header with its 16-bit fields in the machine's byte order.
func vnetHeader(flags, kind byte, fields ...uint16) []byte {
	b := []byte{flags, kind}
	for _, v := range fields {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	return b
}

func TestPutVnet(t *testing.T) {
	v4, v6 := superSegment(MediumEthernet, false, make([]byte, 4000), 1448, 0), superSegment(MediumEthernet, true, make([]byte, 4000), 1428, 0)
	bare := superSegment(MediumIP, false, make([]byte, 4000), 1000, 0)
	headers := func(f *Frame, m Medium) (l4, data int) {
		l, _, ok := parseLayout(f.Bytes(), m, 0)
		if !ok {
			t.Fatal("the test's frame has no layout")
		}
		return l.l4, l.data
	}
	for _, c := range []struct {
		name string
		f    *Frame
		m    Medium
		o    Offload
		kind byte
		gso  uint16
	}{
		{"tcp over ipv4", v4, MediumEthernet, Offload{GSOSize: 1448, NeedsCsum: true}, 1, 1448},
		{"tcp over ipv6", v6, MediumEthernet, Offload{GSOSize: 1428, NeedsCsum: true}, 4, 1428},
		{"without ethernet", bare, MediumIP, Offload{GSOSize: 1000, NeedsCsum: true}, 1, 1000},
		{"checksum alone", v4, MediumEthernet, Offload{NeedsCsum: true}, 0, 0},
	} {
		l4, data := headers(c.f, c.m)
		before := bytes.Clone(c.f.Bytes())
		c.f.Offload = c.o
		if !c.f.PutVnet(c.m) {
			t.Fatalf("%s: refused", c.name)
		}
		want := vnetHeader(1, c.kind, uint16(data), c.gso, uint16(l4), 16)
		if got := c.f.Bytes()[:VnetHeaderLen]; !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", c.name, got, want)
		}
		c.f.Offload = Offload{}
		if !c.f.TakeVnet() || c.f.Offload != c.o || !bytes.Equal(c.f.Bytes(), before) {
			t.Errorf("%s: comes back with %+v", c.name, c.f.Offload)
		}
	}
	v4.Offload = Offload{}
	if !v4.PutVnet(MediumEthernet) || !bytes.Equal(v4.Bytes()[:VnetHeaderLen], make([]byte, VnetHeaderLen)) {
		t.Error("a frame without an offload needs an empty header")
	}
	arp := NewFrame(100)
	arp.Extend(60)
	arp.Offload.NeedsCsum = true
	if arp.PutVnet(MediumEthernet) || arp.Len() != 60+VnetHeaderLen {
		t.Error("an offload for a frame that allows none")
	}
}

func TestTakeVnet(t *testing.T) {
	for _, c := range []struct {
		octets []byte
		ok     bool
		want   Offload
		rest   int
	}{
		{append(vnetHeader(0, 0, 0, 0, 0, 0), 1, 2), true, Offload{}, 2},
		{vnetHeader(2, 0, 0, 0, 0, 0), true, Offload{CsumValid: true}, 0},
		{append(vnetHeader(1, 1, 66, 1448, 34, 16), 1, 2), true, Offload{NeedsCsum: true, GSOSize: 1448}, 2},
		{append(vnetHeader(1, 0x81, 66, 1448, 34, 16), 1, 2), true, Offload{NeedsCsum: true, GSOSize: 1448}, 2},
		{append(vnetHeader(1, 3, 42, 1448, 34, 6), 1, 2), false, Offload{}, 2}, // UFO
		{make([]byte, 9), false, Offload{}, 9},
	} {
		f := NewFrame(100)
		f.Set(c.octets)
		if ok := f.TakeVnet(); ok != c.ok || f.Len() != c.rest {
			t.Errorf("%x: %v, %d octets left", c.octets, ok, f.Len())
		} else if ok && f.Offload != c.want {
			t.Errorf("%x: %+v, want %+v", c.octets, f.Offload, c.want)
		}
	}
}

// TestVnetOfAnyFrame: adding a header to any frame and removing it restores the frame.
func TestVnetOfAnyFrame(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f := NewFrame(FrameSize)
	for range 20_000 {
		b := make([]byte, rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if len(b) > 40 && rng.IntN(2) == 0 { // resembles a packet
			copy(b[12:], []byte{8, 0, 0x45, 0, 0, byte(len(b) - wire.EthernetLen)})
			b[23] = 6
		}
		f.Set(b)
		f.Offload = Offload{GSOSize: uint16(rng.Uint32()), NeedsCsum: true}
		f.PutVnet(Medium(rng.IntN(2)))
		f.TrimFront(VnetHeaderLen)
		if !bytes.Equal(f.Bytes(), b) {
			t.Fatal("the frame was changed")
		}
	}
}
