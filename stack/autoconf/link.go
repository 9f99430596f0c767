package autoconf

import (
	"time"

	"smolsh/stack/wire"
)

// Bounds of the parameters that a router may set.
const (
	minHopLimit  = 32                     // packets with a lower one might not arrive, and one forged message would be enough; deviates: RFC 4861 §6.3.4
	maxReachable = time.Hour              // RFC 4861 §6.2.1, AdvReachableTime
	minRetrans   = 100 * time.Millisecond // a shorter timer would flood the link with solicitations
	maxRetrans   = time.Minute            // a longer timer would let neighbour unreachability detection last for ever
)

// defaultRetrans is the retransmission timer unless a router sets another (RFC 4861 §10).
const defaultRetrans = time.Second

// Link is the parameters of a link that routers have advertised. A field of zero is unspecified: the host's own default applies.
type Link struct {
	MTU           int           // octets, at least 1280 and at most that of SetMaxMTU
	HopLimit      uint8         // of packets that the host sends
	ReachableTime time.Duration // mean time for which a confirmed neighbour is REACHABLE, at most an hour; the host randomises it
	RetransTimer  time.Duration // time between solicitations of a neighbour, 0.1 s to 60 s
	Managed       bool          // of the last advertisement: addresses by DHCPv6
	Other         bool          // of the last advertisement: other configuration by DHCPv6
}

// learnTimers processes the parameters in the header of an advertisement. A router that leaves one unspecified does not change it
// (RFC 4861 §6.3.4).
func (s *State) learnTimers(m *wire.RouterAdvertisement) {
	s.link.Managed, s.link.Other = m.Managed, m.Other
	switch {
	case m.HopLimit == 0:
	case m.HopLimit < minHopLimit:
		s.refused.BadHopLimit++
	default:
		s.link.HopLimit = m.HopLimit
	}
	s.learnTimer(&s.link.ReachableTime, m.ReachableTime, 0, maxReachable)
	s.learnTimer(&s.link.RetransTimer, m.RetransTimer, minRetrans, maxRetrans)
}

// learnTimer sets a timer to a value in milliseconds, unless the value is unspecified or out of bounds.
func (s *State) learnTimer(timer *time.Duration, ms uint32, least, most time.Duration) {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case ms == 0:
	case d < least || d > most:
		s.refused.BadTimer++
	default:
		*timer = d
	}
}

// SetMaxMTU sets the MTU of the interface in octets. Larger ones in later advertisements are ignored (RFC 2464 §2). 0 stands for no
// bound.
func (s *State) SetMaxMTU(mtu int) { s.maxMTU = mtu }

// learnMTU processes an MTU option (RFC 4861 §6.3.4).
func (s *State) learnMTU(mtu uint32) {
	if mtu < wire.MinMTU6 || s.maxMTU != 0 && mtu > uint32(s.maxMTU) {
		s.refused.BadMTU++
		return
	}
	s.link.MTU = int(mtu)
}

// retrans returns the retransmission timer in use.
func (s *State) retrans() time.Duration {
	if s.link.RetransTimer == 0 {
		return defaultRetrans
	}
	return s.link.RetransTimer
}
