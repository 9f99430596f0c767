package autoconf

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/clock"
)

// Times of temporary addresses (RFC 8981 §3.8).
const (
	temporaryPreferred = 24 * time.Hour
	temporaryValid     = 48 * time.Hour
	maxDesync          = temporaryPreferred / 10 * 4
)

// addressesPerPrefix is the largest number of addresses that a prefix needs: the stable one and four temporary ones, since one is
// valid for 48 h and its successor follows after 14.4 h at least.
const addressesPerPrefix = 5

// temporary is a temporary address (RFC 8981). Its prefix may end its lifetimes earlier.
type temporary struct {
	addr      netip.Addr
	preferred clock.Instant // creation + TEMP_PREFERRED_LIFETIME − DESYNC_FACTOR
	valid     clock.Instant // creation + TEMP_VALID_LIFETIME
	conflicts int           // candidates before it that were duplicates
}

// preferredUntil returns the end of the preferred lifetime (RFC 8981 §3.4).
func (t *temporary) preferredUntil(src *source) clock.Instant { return min(t.preferred, src.preferred) }

// validUntil returns the end of the valid lifetime (RFC 8981 §3.4).
func (t *temporary) validUntil(src *source) clock.Instant { return min(t.valid, src.valid) }

// regenAdvance is REGEN_ADVANCE of RFC 8981 §3.8: the time before a temporary address's deprecation at which its successor is made,
// so that duplicate address detection has ended in time.
func (s *State) regenAdvance() time.Duration { return 2*time.Second + idgenRetries*s.retrans() }

// replaceAt returns the instant at which the prefix needs another temporary address. It is in the past if the prefix has none that
// stays preferred, and Never without temporary addresses.
func (s *State) replaceAt(src *source) clock.Instant {
	if !s.cfg.Temporary || s.noMore {
		return clock.Never
	}
	at := clock.Instant(0)
	for i := range src.temporary {
		at = max(at, src.temporary[i].preferredUntil(src).Add(-s.regenAdvance()))
	}
	return at
}

// makeTemporaries makes a temporary address for each prefix that needs one, the first or a successor (RFC 8981 §3.4, RFC 8981
// §3.5). A prefix whose preferred lifetime is about to end gets none until an advertisement extends the lifetime.
func (s *State) makeTemporaries(now clock.Instant) {
	for i := range s.sources {
		src := &s.sources[i]
		if !s.replaceAt(src).Due(now) || remaining(now, src.preferred) <= s.regenAdvance() {
			continue
		}
		if s.numAddresses() >= s.cfg.Addresses {
			s.refused.Addresses++
			continue
		}
		addr, ok := s.randomAddr(src)
		if !ok {
			continue
		}
		desync := time.Duration(s.cfg.Rand.Int64N(int64(maxDesync)))
		src.temporary = append(src.temporary, temporary{
			addr: addr, preferred: now.Add(temporaryPreferred - desync), valid: now.Add(temporaryValid)})
	}
}

// randomAddr returns an address of the prefix with a random interface identifier that is not reserved and that the interface does
// not use (RFC 8981 §3.3.1). ok is false if the generator returns only others.
func (s *State) randomAddr(src *source) (addr netip.Addr, ok bool) {
	for range 16 {
		id := s.cfg.Rand.Uint64()
		addr = withID(src.prefix, id)
		if !reservedID(id) && addr != src.stable && !slices.ContainsFunc(src.temporary, func(t temporary) bool { return t.addr == addr }) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// nextTemporary replaces temporary address j of a prefix, which is a duplicate. After three duplicates in a row the interface makes
// no further temporary addresses until Flush (RFC 8981 §3.4).
func (s *State) nextTemporary(src *source, j int) (next netip.Addr, ok bool) {
	t := &src.temporary[j]
	if t.conflicts < idgenRetries {
		if next, ok = s.randomAddr(src); ok {
			t.addr = next
			t.conflicts++
			return next, true
		}
	}
	src.temporary = slices.Delete(src.temporary, j, j+1)
	s.noMore = true
	s.refused.Duplicate++
	return next, false
}

// numAddresses returns the number of addresses, stable and temporary.
func (s *State) numAddresses() (n int) {
	for range s.addresses {
		n++
	}
	return n
}
