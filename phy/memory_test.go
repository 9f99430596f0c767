package phy

import (
	"bytes"
	"errors"
	"testing"
)

func frameOf(size int, s string) *Frame {
	f := NewFrame(size)
	f.Set([]byte(s))
	return f
}

func frames(n, size int) []*Frame {
	out := make([]*Frame, n)
	for i := range out {
		out[i] = NewFrame(size)
	}
	return out
}

func TestPairDeliversInOrder(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{})
	if n, err := a.Send([]*Frame{frameOf(FrameSize, "one"), frameOf(FrameSize, "two")}); n != 2 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	if n, _ := b.Send([]*Frame{frameOf(FrameSize, "back")}); n != 1 {
		t.Fatalf("Send = %d", n)
	}
	in := frames(4, FrameSize)
	if n, err := b.Recv(in); n != 2 || err != nil {
		t.Fatalf("Recv = %d, %v", n, err)
	}
	if got := string(in[0].Bytes()) + " " + string(in[1].Bytes()); got != "one two" {
		t.Errorf("b received %q", got)
	}
	in[0].Reset()
	if n, _ := a.Recv(in[:1]); n != 1 || string(in[0].Bytes()) != "back" {
		t.Errorf("a received %d, %q", n, in[0].Bytes())
	}
	if n, err := a.Recv(in); n != 0 || err != nil {
		t.Errorf("Recv of nothing = %d, %v", n, err)
	}
}

func TestPairBoundsItsQueue(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{Queue: 3})
	if n, err := a.Send(frames(5, FrameSize)); n != 3 || err != nil {
		t.Fatalf("Send = %d, %v, want 3, nil", n, err)
	}
	if n, err := a.Send(frames(1, FrameSize)); n != 0 || err != nil {
		t.Fatalf("Send to a full queue = %d, %v, want 0, nil", n, err)
	}
	if b.Pending() != 3 {
		t.Errorf("Pending = %d", b.Pending())
	}
	b.Recv(frames(1, FrameSize))
	if n, _ := a.Send(frames(2, FrameSize)); n != 1 {
		t.Errorf("Send to one free place = %d", n)
	}
}

// TestPairKeepsFrameSizes: whatever sizes are mixed, no caller gets a smaller frame for its own.
func TestPairKeepsFrameSizes(t *testing.T) {
	for _, sizes := range [][2]int{{FrameSize, SuperFrameSize}, {SuperFrameSize, FrameSize}, {FrameSize, FrameSize}} {
		a, b := NewPair("a", "b", MemoryConfig{})
		out, in := frameOf(sizes[0], "hello"), NewFrame(sizes[1])
		a.Send([]*Frame{out})
		b.Recv([]*Frame{in})
		if out.Size() != sizes[0] || in.Size() != sizes[1] || string(in.Bytes()) != "hello" {
			t.Errorf("sizes %v became %d, %d; received %q", sizes, out.Size(), in.Size(), in.Bytes())
		}
	}
}

func TestPairSwapsWithoutCopying(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{})
	out, in := frameOf(FrameSize, "hello"), NewFrame(FrameSize)
	where := &out.Bytes()[0]
	a.Send([]*Frame{out})
	b.Recv([]*Frame{in})
	if &in.Bytes()[0] != where {
		t.Error("the octets were copied")
	}
}

func TestPairVouchesForUnfinishedChecksums(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{TxChecksum: true, MaxGSO: 65535})
	f := frameOf(SuperFrameSize, "x")
	f.Offload = Offload{GSOSize: 1448, NeedsCsum: true}
	a.Send([]*Frame{f, frameOf(SuperFrameSize, "plain")})
	in := frames(2, SuperFrameSize)
	b.Recv(in)
	if want := (Offload{GSOSize: 1448, NeedsCsum: true, CsumValid: true}); in[0].Offload != want {
		t.Errorf("offload %+v, want %+v", in[0].Offload, want)
	}
	if in[1].Offload != (Offload{}) {
		t.Errorf("plain frame's offload %+v", in[1].Offload)
	}
}

func TestPairClose(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{})
	a.Send([]*Frame{frameOf(FrameSize, "last words")})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Send(frames(1, FrameSize)); !errors.Is(err, ErrClosed) {
		t.Errorf("Send on the closed end: %v", err)
	}
	if _, err := a.Recv(frames(1, FrameSize)); !errors.Is(err, ErrClosed) {
		t.Errorf("Recv on the closed end: %v", err)
	}
	if _, err := b.Send(frames(1, FrameSize)); !errors.Is(err, ErrDown) {
		t.Errorf("Send towards the closed end: %v", err)
	}
	in := frames(1, FrameSize)
	if n, err := b.Recv(in); n != 1 || err != nil || string(in[0].Bytes()) != "last words" {
		t.Errorf("Recv = %d, %v, %q", n, err, in[0].Bytes())
	}
}

func TestLoopback(t *testing.T) {
	d := NewLoopback("lo")
	if c := d.Capabilities(); c.Medium != MediumIP || c.MTU != 65535 || !c.TxChecksum || c.MaxGSO != 0 || c.FrameSize() != SuperFrameSize {
		t.Errorf("capabilities %+v", c)
	}
	f := NewFrame(SuperFrameSize)
	big := bytes.Repeat([]byte{7}, 65535)
	f.Set(big)
	f.Offload.NeedsCsum = true
	if n, err := d.Send([]*Frame{f}); n != 1 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	in := NewFrame(SuperFrameSize)
	if n, err := d.Recv([]*Frame{in}); n != 1 || err != nil || !bytes.Equal(in.Bytes(), big) || !in.Offload.CsumValid {
		t.Errorf("Recv = %d, %v, %d octets, %+v", n, err, in.Len(), in.Offload)
	}
	d.Close()
	if _, err := d.Send([]*Frame{f}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
}

func TestFrameSizeFits(t *testing.T) {
	for _, c := range []struct {
		caps Capabilities
		want int
	}{
		{Capabilities{MTU: 1500}, FrameSize},
		{Capabilities{MTU: 2030}, FrameSize},
		{Capabilities{MTU: 2031}, SuperFrameSize},
		{Capabilities{MTU: 1500, MaxGSO: 65535}, SuperFrameSize},
	} {
		if got := c.caps.FrameSize(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.caps, got, c.want)
		}
	}
}

func TestMemoryAllocatesNothing(t *testing.T) {
	a, b := NewPair("a", "b", MemoryConfig{Queue: 8})
	out, in := frames(8, FrameSize), frames(8, FrameSize)
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range out {
			f.Reset()
			f.Extend(1500)
		}
		a.Send(out)
		for _, f := range in {
			f.Reset()
		}
		b.Recv(in)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
