package autoconf

import (
	"net/netip"
	"slices"
	"strings"

	"smolsh/stack/wire"
)

// serverKey identifies a DNS server of a router. A router that withdraws a server does not withdraw that of another router
// (RFC 8106 §5.3.1).
type serverKey struct {
	addr   netip.Addr
	router netip.Addr
}

// domainKey identifies a search domain of a router.
type domainKey struct {
	name   string // in lower case, as wire.DomainName.String writes it
	router netip.Addr
}

// learnServers processes a recursive DNS server option (RFC 8106 §5.1, RFC 8106 §5.3.1).
func (s *State) learnServers(from netip.Addr, servers wire.AddrList, lifetime uint32) {
	for i := range servers.Len() {
		switch a := servers.At(i); {
		case a.IsLoopback() || a.Is4In6():
			s.refused.BadPrefix++
		case !s.servers.learn(s.now, serverKey{a, from}, struct{}{}, lifetime):
			s.refused.Servers++
		}
	}
}

// learnDomains processes a DNS search list option (RFC 8106 §5.2, RFC 8106 §5.3.1).
func (s *State) learnDomains(from netip.Addr, names wire.DomainNames, lifetime uint32) {
	for name, rest, ok := names.Next(); ok; name, rest, ok = rest.Next() {
		key := domainKey{strings.ToLower(name.String()), from}
		if !s.domains.learn(s.now, key, struct{}{}, lifetime) {
			s.refused.Domains++
		}
	}
}

// serverAddrs returns the addresses of the DNS servers, each once, in the order in which they were learnt.
func (s *State) serverAddrs() (list []netip.Addr) {
	for _, e := range s.servers.entries {
		if !slices.Contains(list, e.key.addr) {
			list = append(list, e.key.addr)
		}
	}
	return list
}

// domainNames returns the search domains, each once, in the order in which they were learnt.
func (s *State) domainNames() (list []string) {
	for _, e := range s.domains.entries {
		if !slices.Contains(list, e.key.name) {
			list = append(list, e.key.name)
		}
	}
	return list
}
