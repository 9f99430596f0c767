package stack

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestBlindInjection: an off-path attacker sends resets, SYNs, data, acknowledgements and ICMP errors from random ends with random
// numbers, half of them with the right 4-tuple. The connection survives with its stream and segment size unchanged; the host keeps
// nothing and answers within its rate limits (RFC 5961, RFC 5927).
func TestBlindInjection(t *testing.T) {
	n, a, b := pair(t)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ipB, 80), l)
	transfer(n, client, server, octets(50_000), time.Minute)
	if _, err := server.Write(n.now, octets(40_000)); err != nil { // keeps data in flight all the time
		t.Fatal(err)
	}
	n.pump()
	before := server.Info(n.now)
	rng := rand.New(rand.NewPCG(5, 961))
	flags := [...]wire.Flags{wire.RST, wire.RST | wire.ACK, wire.SYN, wire.SYN | wire.ACK, wire.ACK, wire.FIN | wire.ACK, wire.ACK | wire.PSH}
	answers, i := 0, b.net.ifaces[1]
	const count = 60_000
	now := n.now
	for k := range count {
		src, dst, seq := client.Local(), server.Local(), wire.Seq(rng.Uint32())
		if rng.IntN(2) == 0 {
			src = port(ipA, uint16(1+rng.IntN(65535)))
		}
		if rng.IntN(4) == 0 {
			dst = port(ipB, uint16(1+rng.IntN(65535)))
		}
		var p []byte
		if rng.IntN(4) == 0 {
			p = fragNeeded(uint16(rng.IntN(1500)), wire.ProtocolTCP, src.Addr(), 1500, seq, src.Port())
			if rng.IntN(2) == 0 {
				p[wire.IPv4Len+1] = wire.UnreachablePort // half of these are port unreachable messages
				p[wire.IPv4Len+2], p[wire.IPv4Len+3] = 0, 0
				sum := wire.Checksum(p[wire.IPv4Len:])
				p[wire.IPv4Len+2], p[wire.IPv4Len+3] = byte(sum>>8), byte(sum)
			}
		} else {
			h := wire.TCP{Seq: seq, Ack: wire.Seq(rng.Uint32()), Flags: flags[rng.IntN(len(flags))], Window: uint16(rng.Uint32())}
			if rng.IntN(2) == 0 {
				h.Options.HasTimestamps, h.Options.TSVal, h.Options.TSEcr = true, rng.Uint32(), rng.Uint32()
			}
			p = tcpPacket(src, dst, h, make([]byte, rng.IntN(2)*rng.IntN(100)))
		}
		now = n.now.Add(time.Duration(k) * time.Microsecond)
		b.Receive(now, i, toB(p))
		for _, f := range drain(b, now, i) {
			if flow := f.Bytes()[wire.EthernetLen+wire.IPv4Len:]; uint16(flow[2])<<8|uint16(flow[3]) == client.Local().Port() && wire.Flags(flow[13]) == wire.ACK {
				answers++
			}
		}
	}
	after := server.Info(now)
	if after.State != tcp.Established || after.SndUna != before.SndUna || after.RcvNxt != before.RcvNxt ||
		after.MSS != before.MSS || after.Gaps != 0 || server.Readable() != 0 {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if answers > 20 || answers == 0 { // 60 ms may use the budgets of one or two seconds
		t.Errorf("%d answers", answers)
	}
	if in, out := b.Conservation(); in != out {
		t.Errorf("%d frames in, %d accounted for", in, out)
	}
	n.now = max(n.now, now)
	l.Close(n.now)
	var got []byte
	buf := make([]byte, 1<<16)
	n.runUntil("what was in flight", time.Minute, func() bool {
		k, _ := client.Read(n.now, buf)
		got = append(got, buf[:k]...)
		return len(got) == 40_000
	})
	if !bytes.Equal(got, octets(40_000)) {
		t.Error("not what was sent")
	}
}

// TestChallengeBudget: the host's budget of challenge ACKs changes each second and holds for all connections together.
func TestChallengeBudget(t *testing.T) {
	h := New(Config{Seed: 7, Limits: Limits{Challenges: 100}})
	seen := map[int]bool{}
	for second := range 20 {
		taken := 0
		for k := range 1000 {
			if h.mayChallenge(clock.Instant(second)*clock.Instant(time.Second) + clock.Instant(k)) {
				taken++
			}
		}
		if taken < 50 || taken >= 150 {
			t.Errorf("%d challenges in one second", taken)
		}
		seen[taken] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d budgets in 20 seconds", len(seen))
	}
	if counterOf(t, h, "TcpExtTCPACKSkippedChallenge") == 0 {
		t.Error("what was withheld is not counted")
	}
}
