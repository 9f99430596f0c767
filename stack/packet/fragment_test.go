package packet

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// large returns a packet with data of n octets.
func large(t testing.TB, n int, layers ...composed) *Packet {
	t.Helper()
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8)
	}
	p, err := draftOf(t, append(layers, composed{UDP, values{"sport": uint64(5000), "dport": uint64(6000)}}, composed{Raw, values{"load": data}})...).Build()
	if err != nil {
		t.Fatal(err)
	}
	return Dissect(p.Octets, len(p.Octets), p.First)
}

// largePackets are packets of both families, with headers that are in each fragment and headers that are not.
func largePackets(t testing.TB) map[string]*Packet {
	with := composed{IP, values{"src": ip4a, "dst": ip4b, "id": uint64(77), "options": options{options{"rr", options{4, options{ip4a}}}, options{"router_alert", 0}}}}
	return map[string]*Packet{
		"IPv4":         large(t, 4000, ether, composed{IP, values{"src": ip4a, "dst": ip4b, "id": uint64(76)}}),
		"IPv4 options": large(t, 4000, ether, with),
		"IPv4 bare":    large(t, 9001, over4),
		"IPv6":         large(t, 4000, ether, over6),
		"IPv6 headers": large(t, 4000, over6, composed{HopByHop, nil}, composed{Routing, values{"addresses": []any{ip6b}, "segleft": uint64(0)}}, composed{DestinationOptions, nil}),
	}
}

// TestFragments: a packet is divided into fragments of the size, with right checksums, and Defragment puts them together in any order,
// with duplicates and other packets between them.
func TestFragments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, p := range largePackets(t) {
		for _, size := range []int{8, 100, 1480, 3999, 65535} {
			list, err := p.Fragments(size)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			udp, _ := p.Layer(UDP)
			if want := (udp.end - udp.begin + size - 1) / size; len(list) < want {
				t.Errorf("%s: %d fragments of %d octets", name, len(list), size)
			}
			for _, f := range list {
				if text := f.Show(); strings.Contains(text, "wrong") || len(f.Damage()) > 0 {
					t.Fatalf("%s: %v\n%s", name, f.Damage(), text)
				}
			}
			shuffled := append(slices.Clone(list), list[:len(list)/2]...)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			other := segment(t)
			got := Defragment(slices.Insert(shuffled, len(shuffled)/2, other))
			if len(got) != 2 || !slices.ContainsFunc(got, func(q *Packet) bool { return bytes.Equal(q.Octets, p.Octets) }) || !slices.Contains(got, other) {
				t.Errorf("%s, size %d: %d packets, want the whole one and another", name, size, len(got))
			}
			if incomplete := list[1:]; len(list) > 1 {
				if got := Defragment(incomplete); !slices.Equal(got, incomplete) {
					t.Errorf("%s: without its first fragment %d packets of %d", name, len(got), len(incomplete))
				}
			}
			if len(list) > 1 { // fragments of a fragment
				again, err := list[0].Fragments(max(8, size/2))
				if err != nil {
					t.Fatal(err)
				}
				if got := Defragment(slices.Concat(list[1:], again)); len(got) != 1 || !bytes.Equal(got[0].Octets, p.Octets) {
					t.Errorf("%s: fragments of a fragment make %d packets", name, len(got))
				}
			}
		}
	}
}

// TestDefragmentRefuses: fragments that contradict one another are returned as they are.
func TestDefragmentRefuses(t *testing.T) {
	for name, p := range largePackets(t) {
		list, _ := p.Fragments(1000)
		other, _ := large(t, 4000, ether, composed{IP, values{"src": ip4a, "dst": ip4b, "id": uint64(76)}}).Fragments(1000)
		overlap, _ := p.Fragments(1600)
		changed := slices.Clone(list[1].Octets)
		changed[len(changed)-1] ^= 1
		for what, in := range map[string][]*Packet{
			"overlap":              {list[0], overlap[1], list[1], list[2], list[3], list[4]},
			"another end":          {list[0], list[len(list)-1], overlap[len(overlap)-1], list[1]},
			"other data":           {list[0], Dissect(changed, len(changed), p.First), list[1], list[2], list[3]},
			"another datagram":     {list[0], other[1], other[2]},
			"no first":             list[1:],
			"an octet cut":         {Dissect(list[0].Octets[:len(list[0].Octets)-1], list[0].Length, p.First), list[1], list[2], list[3], list[4]},
			"cut in its IP header": {Dissect(list[0].Octets[:20], list[0].Length, p.First)},
		} {
			if got := Defragment(in); !slices.Equal(got, in) {
				t.Errorf("%s, %s: %d packets of %d", name, what, len(got), len(in))
			}
		}
	}
	for _, size := range []int{-1, 0, 7, 65536} {
		if _, err := segment(t).Fragments(size); err == nil {
			t.Errorf("fragments of %d octets", size)
		}
	}
	if _, err := draftBuilt(t, ether, composed{ARP, nil}).Fragments(100); err == nil {
		t.Error("ARP is fragmented")
	}
	if p := segment(t); true {
		if list, err := p.Fragments(1480); err != nil || len(list) != 1 || list[0] != p {
			t.Errorf("a small packet: %v, %v", list, err)
		}
	}
}

// draftBuilt returns the packet of layers.
func draftBuilt(t testing.TB, layers ...composed) *Packet {
	t.Helper()
	p, err := draftOf(t, layers...).Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTsharkReassembles: tshark puts our fragments together to a datagram with the right checksum.
func TestTsharkReassembles(t *testing.T) {
	tool(t, "tshark")
	for name, p := range largePackets(t) {
		if p.First != Ether {
			continue
		}
		list, _ := p.Fragments(1000)
		var frames [][]byte
		for _, f := range list {
			frames = append(frames, f.Octets)
		}
		lines := tsharkLines(t, 1, frames, "udp.length", "udp.checksum.status", "_ws.malformed")
		if last := lines[len(lines)-1]; last != "4008|1|" {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

// FuzzFragments: whatever the octets, fragments put together give the packet, and Defragment loses no packet that is not part of a whole one.
func FuzzFragments(f *testing.F) {
	for _, p := range largePackets(f) {
		f.Add(p.Octets, uint16(1480), p.First.Name)
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint16, name string) {
		first := ByName(name)
		if first == nil || len(b) == 0 {
			return
		}
		p := Dissect(b, len(b), first)
		list, err := p.Fragments(int(size))
		if err != nil || len(list) == 1 {
			return
		}
		got := Defragment(list)
		if len(got) == 1 {
			if again := Defragment(got); len(again) != 1 {
				t.Fatalf("%d packets of one", len(again))
			}
			return
		}
		if !slices.Equal(got, list) {
			t.Fatalf("%d packets of %d fragments", len(got), len(list))
		}
	})
}
