package autoconf

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// twoHours is the valid lifetime below which an advertisement can't shorten an address's (RFC 4862 §5.5.3 (e)).
const twoHours = 2 * time.Hour

// source is a prefix from which the interface configures addresses. Its lifetimes are those of its stable address, and bound those
// of its temporary addresses.
type source struct {
	prefix    netip.Prefix // masked, of 64 bits
	preferred clock.Instant
	valid     clock.Instant
	stable    netip.Addr // invalid after too many duplicates
	conflicts int        // candidates for the stable address that were duplicates
	temporary []temporary
}

// learnSource configures addresses from an autonomous prefix, or updates their lifetimes (RFC 4862 §5.5.3 (c) to (e)). A prefix
// whose address was given up keeps its entry, so that the next advertisement does not configure the same duplicate.
func (s *State) learnSource(prefix netip.Prefix, p *wire.PrefixInfo) {
	switch {
	case p.Preferred > p.ValidLifetime:
		s.refused.BadLifetime++
		return
	case prefix.Bits() != 64:
		s.refused.BadLength++
		return
	}
	preferred, valid := until(s.now, p.Preferred), until(s.now, p.ValidLifetime)
	i := slices.IndexFunc(s.sources, func(src source) bool { return src.prefix == prefix })
	switch {
	case i >= 0:
		s.sources[i].preferred = preferred
		s.sources[i].valid = s.twoHourRule(s.sources[i].valid, valid)
	case p.ValidLifetime == 0:
	case len(s.sources) >= s.cfg.sources():
		s.refused.Addresses++
	default:
		s.sources = append(s.sources, source{prefix: prefix, preferred: preferred, valid: valid, stable: s.stable(prefix, 0)})
	}
}

// twoHourRule returns the end of an address's valid lifetime after an advertisement of another end. An attacker can't make a
// host lose an address at once: the valid lifetime falls to two hours at most (RFC 4862 §5.5.3 (e)).
func (s *State) twoHourRule(old, advertised clock.Instant) clock.Instant {
	least := s.now.Add(twoHours)
	if advertised >= least || advertised >= old {
		return advertised // 1., and 3. for two hours
	}
	s.refused.TwoHourRule++
	return min(old, least) // 2. and 3.
}

// address is a view of an address, stable or temporary.
type address struct {
	addr      netip.Addr
	src       *source
	temporary bool
	preferred clock.Instant // end of the preferred lifetime
	valid     clock.Instant // end of the valid lifetime
}

// addresses yields every address: by prefix, the stable one before the temporary ones in the order of their creation.
func (s *State) addresses(yield func(address) bool) {
	for i := range s.sources {
		src := &s.sources[i]
		if src.stable.IsValid() && !yield(address{src.stable, src, false, src.preferred, src.valid}) {
			return
		}
		for _, t := range src.temporary {
			if !yield(address{t.addr, src, true, t.preferredUntil(src), t.validUntil(src)}) {
				return
			}
		}
	}
}

// expireSources removes the prefixes and the temporary addresses whose valid lifetime has ended (RFC 4862 §5.5.4).
func (s *State) expireSources(now clock.Instant) {
	s.sources = slices.DeleteFunc(s.sources, func(src source) bool { return src.valid.Due(now) })
	for i := range s.sources {
		src := &s.sources[i]
		src.temporary = slices.DeleteFunc(src.temporary, func(t temporary) bool { return t.validUntil(src).Due(now) })
	}
}

// nextOfSources returns the next instant at which an address is deprecated, invalid or replaced.
func (s *State) nextOfSources(now clock.Instant) clock.Instant {
	next := clock.Never
	note := func(at clock.Instant) {
		if !at.Due(now) {
			next = min(next, at)
		}
	}
	for i := range s.sources {
		src := &s.sources[i]
		note(src.valid) // also without a stable address
		note(s.replaceAt(src))
	}
	for a := range s.addresses {
		note(a.preferred)
		note(a.valid)
	}
	return next
}

// Conflict reports that duplicate address detection has found another station with the address addr (RFC 4862 §5.4.5). It returns
// the address to try instead. ok is false if there is none: after three further candidates (RFC 7217 §6, RFC 8981 §3.4), or if
// addr is not from this State.
//
// For an address that AddAddress has reported, Changes reports the removal of addr and the addition of next. The host itself
// tracks the link-local addresses of LinkLocal. Before it tries next, the host waits for a random time of up to a second (RFC 7217
// §6, IDGEN_DELAY).
func (s *State) Conflict(now clock.Instant, addr netip.Addr) (next netip.Addr, ok bool) {
	s.Expire(now)
	addr = addr.WithZone("")
	if linkLocal.Contains(addr) {
		return s.nextLinkLocal(addr)
	}
	for i := range s.sources {
		src := &s.sources[i]
		if src.stable == addr {
			next, ok = s.nextStable(src)
			break
		}
		if j := slices.IndexFunc(src.temporary, func(t temporary) bool { return t.addr == addr }); j >= 0 {
			next, ok = s.nextTemporary(src, j)
			break
		}
	}
	s.update(now)
	return next, ok
}

// nextLinkLocal returns the link-local address to try after addr.
func (s *State) nextLinkLocal(addr netip.Addr) (next netip.Addr, ok bool) {
	for k := range idgenRetries {
		if s.LinkLocal(k) == addr {
			return s.LinkLocal(k + 1), true
		}
	}
	if s.LinkLocal(idgenRetries) == addr {
		s.refused.Duplicate++
	}
	return next, false
}

// nextStable replaces a stable address that is a duplicate.
func (s *State) nextStable(src *source) (next netip.Addr, ok bool) {
	if src.conflicts >= idgenRetries {
		src.stable = netip.Addr{}
		s.refused.Duplicate++
		return next, false
	}
	src.conflicts++
	src.stable = s.stable(src.prefix, src.conflicts)
	return src.stable, true
}
