package packet

import (
	"bytes"
	"path/filepath"
	"testing"

	"smolsh/phy"
)

// corpus returns the frames of every capture in testdata whose link layer has a table, with the table of their first layer.
func corpus(t testing.TB) (frames [][]byte, first []*Protocol) {
	t.Helper()
	paths, _ := filepath.Glob("testdata/*.pcap")
	if len(paths) == 0 {
		t.Fatal("no captures")
	}
	for _, path := range paths {
		records, _, link := readRecords(t, path)
		for _, b := range records {
			p := map[uint32]*Protocol{0: Null, 1: Ether, 101: First(b, phy.MediumIP), 113: SLL, 276: SLL2}[link]
			if p == nil {
				t.Fatalf("%s: link type %d", path, link)
			}
			frames, first = append(frames, b), append(first, p)
		}
	}
	return frames, first
}

// checkRoundTrip reports a packet whose draft is built to other octets.
func checkRoundTrip(t *testing.T, b []byte, first *Protocol) {
	t.Helper()
	p := Dissect(b, len(b), first)
	d := p.Draft()
	for _, d := range []*Draft{d, d.Unfilled(false), d.Unfilled(true)} {
		q, err := d.Build()
		if err != nil || !bytes.Equal(q.Octets, b) {
			t.Fatalf("%v\nbuilt %x\nfrom  %x\n%s", err, q.Octets, b, p.Show())
		}
	}
}

// TestRoundTrip: a draft of each packet of the captures is built to the same octets, and most packets keep all their layers.
func TestRoundTrip(t *testing.T) {
	frames, first := corpus(t)
	kept := 0
	for i, b := range frames {
		checkRoundTrip(t, b, first[i])
		p := Dissect(b, len(b), first[i])
		n := len(p.Draft().Layers)
		if n >= len(p.Layers) {
			kept++
		} else {
			t.Logf("%d of %d layers of %s", n, len(p.Layers), Summary(b, phy.MediumEthernet))
		}
	}
	if kept < len(frames)*95/100 {
		t.Errorf("%d of %d packets keep their layers", kept, len(frames))
	}
	t.Logf("%d of %d", kept, len(frames))
}

// FuzzRoundTrip: a draft of any octets is built to the same octets.
func FuzzRoundTrip(f *testing.F) {
	frames, first := corpus(f)
	for i, b := range frames {
		f.Add(b, first[i].Name)
	}
	for _, layers := range compositions(f) {
		p := draftBuilt(f, layers...)
		f.Add(p.Octets, p.First.Name)
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if p := ByName(name); p != nil && len(b) > 0 && len(b) < maxBuilt {
			checkRoundTrip(t, b, p)
		}
	})
}
