package packet

import (
	"bytes"
	"testing"
)

// TestFinishChecksum: a segment whose checksum was left to the device gets it, and other packets stay what they are.
func TestFinishChecksum(t *testing.T) {
	p := segment(t)
	b := bytes.Clone(p.Octets)
	l, _ := p.Layer(TCP)
	from, _ := l.Span(TCP.Field("chksum"))
	b[from] ^= 0x55
	if d := Dissect(b, len(b), Ether).Damage(); len(d) != 1 {
		t.Fatalf("damage: %v", d)
	}
	if FinishChecksum(b, Ether); !bytes.Equal(b, p.Octets) {
		t.Errorf("finished to\n%x\nwant\n%x", b, p.Octets)
	}
	arp, err := NewDraft(DraftLayer{Protocol: Ether}, DraftLayer{Protocol: ARP}).Build()
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(arp.Octets)
	if FinishChecksum(b, Ether); !bytes.Equal(b, arp.Octets) {
		t.Error("a packet without a transport header has changed")
	}
}
