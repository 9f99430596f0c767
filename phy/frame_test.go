package phy

import (
	"bytes"
	"testing"
)

func TestBorrow(t *testing.T) {
	lender := []byte("abcdef")
	f := NewFrame(100)
	copy(f.Extend(2), "::")
	f.Borrow(lender[4:], lender[:3])
	if f.Len() != 7 || string(f.Bytes()) != "::" {
		t.Errorf("%d octets, %q of its own", f.Len(), f.Bytes())
	}
	g := NewFrame(1)
	g.CopyFrom(f)
	f.Own()
	f.Own()
	copy(lender, "XXXXXX")
	for _, f := range []*Frame{f, g} {
		if a, b := f.Borrowed(); a != nil || b != nil || string(f.Bytes()) != "::efabc" || f.Len() != 7 {
			t.Errorf("%q is its own", f.Bytes())
		}
	}
	f.Borrow(lender, nil)
	if f.Reset(); f.Len() != 0 {
		t.Error("something is left after Reset")
	}
}

// TestVnetOfABorrower: a super-segment with borrowed payload gets the same header as one with all of its payload.
func TestVnetOfABorrower(t *testing.T) {
	payload := random(40_000)
	for _, v6 := range []bool{false, true} {
		whole := superSegment(MediumEthernet, v6, payload, 1400, 0)
		f := superSegment(MediumEthernet, v6, payload, 1400, 0)
		f.Truncate(f.Len() - len(payload))
		f.Borrow(payload[:30_000], payload[30_000:])
		if v6 {
			f.Own() // since IPv6 headers must be complete
		}
		if !whole.PutVnet(MediumEthernet) || !f.PutVnet(MediumEthernet) {
			t.Fatal("refused")
		}
		f.Own()
		if !bytes.Equal(f.Bytes(), whole.Bytes()) {
			t.Errorf("IPv6 %v: a borrower's octets differ", v6)
		}
	}
}
