package stack

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/mib"
)

// mayChallenge reports whether a connection may send a challenge ACK (RFC 5961 §7). All connections share a budget,
// which is drawn at random for each second. An attacker could use up a fixed budget on his own connection, and then
// count whether forged segments to another connection were challenged (CVE-2016-5696).
func (h *Host) mayChallenge(now clock.Instant) bool {
	b := &h.tcp.challenge
	if second := now / clock.Instant(time.Second); second != b.second || b.left < 0 {
		b.second, b.left = second, h.limits.Challenges/2+h.rng.IntN(h.limits.Challenges)
	}
	if b.left == 0 {
		h.count(mib.TCPExtACKSkippedChallenge)
		return false
	}
	b.left--
	return true
}
