package stack

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// optioned returns a packet with IP options.
func optioned(proto wire.Protocol, src, dst netip.Addr, options string, payload []byte, change func(*wire.IPv4)) []byte {
	o, err := hex.DecodeString(strings.ReplaceAll(options, " ", ""))
	if err != nil {
		panic(err)
	}
	h := wire.IPv4{TTL: 64, Protocol: proto, Src: src, Dst: dst, PayloadLen: len(payload), ID: 7}
	if change != nil {
		change(&h)
	}
	b := make([]byte, wire.IPv4Len+wire.MaxIPv4Options+len(payload))
	n := h.PutWithOptions(b, o)
	return b[:n+copy(b[n:], payload)]
}

// Options of attacks: a malformed one, and a source route that is not at its end.
const (
	brokenOption = "01 01 07 28"
	unfinished   = "83 07 04 0a000009 00"
)

// TestNoAllocsIPOptions: packets with IP options cause no allocation either.
func TestNoAllocsIPOptions(t *testing.T) {
	h, i := lone(t)
	in := toB(optioned(1, ipA, ipB, "44 0c 05 01 0000000000000000 07 0b 04 00000000 00000000 00", echoRequest(1, 1, "x"), nil))
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := h.Receive(0, i, in); v.Kind != Answered {
			t.Fatalf("%q", v)
		}
		out.Reset()
		h.Transmit(0, i, out)
	})
}
