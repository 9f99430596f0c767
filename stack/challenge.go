package stack

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/mib"
)

// mayChallenge is the budget of challenge ACKs that all connections share. It is another one in each
// second: a fixed one would tell whoever uses it up on a connection of his own whether he has hit one of
// somebody else's.
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
