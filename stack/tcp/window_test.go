package tcp

import (
	"testing"

	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestAcceptability: the table of RFC 9293 §3.10.7.4, each of its four cases at the edges of the window. first is the segment's
// number relative to RCV.NXT.
func TestAcceptability(t *testing.T) {
	const in, old, out = drop.None, drop.TCPDuplicate, drop.TCPOutOfWindow
	for _, row := range []struct {
		window, text int
		flags        wire.Flags
		state        State
		first        int
		want         drop.Reason
	}{
		// SEG.LEN = 0, RCV.WND = 0: SEG.SEQ = RCV.NXT.
		{0, 0, wire.ACK, Established, -1, old},
		{0, 0, wire.ACK, Established, 0, in},
		{0, 0, wire.ACK, Established, 1, out},
		{0, 0, wire.RST, Established, 0, in},
		{0, 0, wire.RST, Established, 1, out},
		// SEG.LEN = 0, RCV.WND > 0: RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND; also on the edge, unless it is a RST.
		{10, 0, wire.ACK, Established, -1, old},
		{10, 0, wire.ACK, Established, 0, in},
		{10, 0, wire.ACK, Established, 9, in},
		{10, 0, wire.ACK, Established, 10, in},
		{10, 0, wire.ACK, Established, 11, out},
		{10, 0, wire.RST, Established, 9, in},
		{10, 0, wire.RST, Established, 10, out},
		{10, 0, wire.ACK, TimeWait, 0, in},
		{10, 0, wire.ACK, TimeWait, 1, out},
		{10, 0, wire.RST, TimeWait, 1, in},
		// SEG.LEN > 0, RCV.WND = 0: not acceptable, except the ACK of a segment that covers RCV.NXT.
		{0, 3, wire.ACK, Established, -3, old},
		{0, 3, wire.ACK, Established, -2, in},
		{0, 3, wire.ACK, Established, 0, in},
		{0, 3, wire.ACK, Established, 1, out},
		{0, 0, wire.FIN, Established, 0, in},
		// SEG.LEN > 0, RCV.WND > 0: the first or the last number is in the window, or a bare FIN is on the edge.
		{10, 3, wire.ACK, Established, -3, old},
		{10, 3, wire.ACK, Established, -2, in},
		{10, 3, wire.ACK, Established, 9, in},
		{10, 3, wire.ACK, Established, 10, out},
		{10, 30, wire.ACK, Established, -10, in},
		{10, 0, wire.FIN, Established, 10, in},
		{10, 0, wire.FIN, Established, 11, out},
		{10, 0, wire.FIN | wire.RST, Established, 10, out},
		{10, 0, wire.SYN, Established, -1, old},
	} {
		for _, next := range []wire.Seq{1000, 0, 0xfffffffa} {
			c := &Conn{state: row.state}
			c.rcv.nxt, c.rcv.windowEdge = next, next.Add(row.window)
			s := &Segment{Payload: make([]byte, row.text)}
			s.Seq, s.Flags = next.Add(row.first), row.flags
			if got := c.acceptable(s); got != row.want {
				t.Errorf("window %d, %d octets, %v, %v, from %d on, RCV.NXT %d: %v, want %v",
					row.window, row.text, row.flags, row.state, row.first, next, got, row.want)
			}
		}
	}
}
