package wire

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// naive computes the checksum literally as RFC 1071 §1 describes it: 16-bit words, one at a time, with end-around
// carry.
func naive(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func TestChecksumOfTheRFC(t *testing.T) {
	b := octets("0001 f203 f4f5 f6f7") // the example of RFC 1071 §3
	if s := Sum(0).AddBytes(b).Fold(); s != 0xddf2 {
		t.Errorf("sum %#04x, want 0xddf2", s)
	}
	if c := Checksum(b); c != 0x220d {
		t.Errorf("checksum %#04x, want 0x220d", c)
	}
	if c := Checksum(nil); c != 0xffff {
		t.Errorf("checksum of nothing %#04x, want 0xffff", c)
	}
}

func TestChecksumAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1071, 1))
	fills := map[string]func() byte{
		"random":   func() byte { return byte(rnd.Uint32()) },
		"all ones": func() byte { return 0xff }, // each addition has a carry
		"zero":     func() byte { return 0 },
		"high":     func() byte { return 0xff - byte(rnd.Uint32()&1) },
	}
	store := make([]byte, 400)
	for name, fill := range fills {
		for length := range 301 {
			for align := range 9 {
				b := store[align : align+length]
				for i := range b {
					b[i] = fill()
				}
				if got, want := Sum(0).AddBytes(b).Fold(), naive(b); got != want {
					t.Fatalf("%s, length %d, alignment %d: %#04x, want %#04x", name, length, align, got, want)
				}
			}
		}
	}
}

// TestSumCarries: a sum near its largest value has two carries in one step.
func TestSumCarries(t *testing.T) {
	ones := make([]byte, 64)
	for i := range ones {
		ones[i] = 0xff
	}
	for _, start := range []Sum{0, 1, 0xffff, 0xffffffff, 0xffffffffffff0000, 0xfffffffffffffffe, 0xffffffffffffffff} {
		words := octets("0000 0000 0000 0000")
		be.PutUint64(words, uint64(start))
		for _, n := range []int{0, 1, 2, 7, 8, 9, 16, 31, 32, 33, 40, 64} {
			want := naive(append(words[:8:8], ones[:n]...))
			if got := start.AddBytes(ones[:n]).Fold(); got != want {
				t.Errorf("%#x and %d octets of ones: %#04x, want %#04x", uint64(start), n, got, want)
			}
		}
		if got, want := start.AddUint16(0xffff).Fold(), naive(append(words[:8:8], 0xff, 0xff)); got != want {
			t.Errorf("%#x and a word of ones: %#04x, want %#04x", uint64(start), got, want)
		}
	}
}

func TestSumInParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1071, 2))
	b := make([]byte, 1461)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	want := naive(b)
	for cut := 0; cut < len(b); cut += 2 {
		if got := Sum(0).AddBytes(b[:cut]).AddBytes(b[cut:]).Fold(); got != want {
			t.Fatalf("in two parts at %d: %#04x, want %#04x", cut, got, want)
		}
	}
}

// TestChecksumVerifies: a packet that contains its own checksum has a sum of all ones, whatever its content.
func TestChecksumVerifies(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1071, 3))
	for range 1000 {
		b := make([]byte, 2+rnd.IntN(100))
		for i := 2; i < len(b); i++ {
			b[i] = byte(rnd.Uint32())
		}
		be.PutUint16(b, Checksum(b))
		if c := Checksum(b); c != 0 {
			t.Fatalf("% x: checksum %#04x, want 0", b, c)
		}
	}
}

func TestPseudoHeader(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		proto    Protocol
		length   int
		octets   string
	}{
		{"192.168.69.1", "192.168.69.100", ProtocolTCP, 20, "c0a84501 c0a84564 00 06 0014"},
		{"255.255.255.255", "255.255.255.255", ProtocolUDP, 65515, "ffffffff ffffffff 00 11 ffeb"},
		{"fdaa::1", "fdaa::100", ProtocolUDP, 0x12345,
			"fdaa0000000000000000000000000001 fdaa0000000000000000000000000100 00012345 000000 11"},
		{"::ffff:1.2.3.4", "::", ProtocolTCP, 9, "00000000000000000000ffff01020304 00000000000000000000000000000000 00000009 000000 06"},
	} {
		got := PseudoHeader(netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst), c.proto, c.length).Fold()
		if want := naive(octets(c.octets)); got != want {
			t.Errorf("%s > %s: %#04x, want %#04x", c.src, c.dst, got, want)
		}
	}
}

// TestSumOfAddresses: an address adds the same as its octets, whatever the sum before it.
func TestSumOfAddresses(t *testing.T) {
	for _, a := range []string{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::", "::ffff:ffff:ffff:ffff", "fe80::1", "0.0.0.0", "255.255.255.255"} {
		a := netip.MustParseAddr(a)
		for _, start := range []Sum{0, 1, 0xffff, 0xfffffffffffffffe, 0xffffffffffffffff} {
			words := be.AppendUint64(nil, uint64(start))
			if got, want := start.AddAddr(a).Fold(), naive(append(words, a.AsSlice()...)); got != want {
				t.Errorf("%#x and %v: %#04x, want %#04x", uint64(start), a, got, want)
			}
		}
	}
}
