package addrsel

import (
	"cmp"
	"net/netip"
	"slices"
)

// Destination is an address that a host may try, with the source that it would use.
type Destination struct {
	Addr        netip.Addr
	Source      Candidate // chosen by Policy.Source; its Addr is the zero Addr if there is no source
	Unreachable bool      // known to be unreachable, for example because no route leads there
}

// A ranked destination has the values that decide its place.
type ranked struct {
	Destination
	merit  merit
	common int  // length of the prefix that it shares with its source, in bits
	is4    bool // an address of IPv4
}

// rank returns d with the values that decide its place. A rule about the source ranks a destination without a source last.
func (p *Policy) rank(d Destination) ranked {
	precedence, label := p.Lookup(d.Addr)
	r := ranked{Destination: d, is4: d.Addr.Unmap().Is4()}
	scope, sourced := ScopeOf(d.Addr), d.Source.Addr.IsValid()
	matches := false
	if sourced {
		_, own := p.Lookup(d.Source.Addr)
		matches = own == label
		r.common = commonPrefixLen(d.Source.Addr, d.Source.PrefixLen, d.Addr)
	}
	r.merit = merit{
		ordinal(sourced && !d.Unreachable),                  // rule 1, no unusable destination
		ordinal(sourced && ScopeOf(d.Source.Addr) == scope), // rule 2, matching scope
		ordinal(sourced && !d.Source.Deprecated),            // rule 3, no deprecated source
		ordinal(matches),                                    // rule 5, matching label
		precedence,                                          // rule 6, higher precedence
		-int(scope),                                         // rule 8, smaller scope
	}
	return r
}

// SortDestinations sorts a list into the order in which a host should try the addresses (RFC 6724 §6). It is stable: addresses
// that no rule distinguishes keep their order (rule 10).
//
// Rule 9, the longest matching prefix, compares only addresses of one family. If the other rules do not distinguish addresses of
// both families, those of each family are sorted among the places that the family has in the list. Otherwise the rules could
// contradict each other about three addresses.
func (p *Policy) SortDestinations(list []Destination) {
	all := make([]ranked, len(list))
	for k, d := range list {
		all[k] = p.rank(d)
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return slices.Compare(b.merit[:], a.merit[:]) })
	for begin := 0; begin < len(all); {
		end := begin + 1
		for end < len(all) && all[end].merit == all[begin].merit {
			end++
		}
		sortFamily(all[begin:end], true)
		sortFamily(all[begin:end], false)
		begin = end
	}
	for k := range all {
		list[k] = all[k].Destination
	}
}

// sortFamily sorts the addresses of one family by the longest matching prefix (rule 9), and leaves those of the other family
// where they are.
func sortFamily(run []ranked, is4 bool) {
	var places []int
	var family []ranked
	for k := range run {
		if run[k].is4 == is4 {
			places, family = append(places, k), append(family, run[k])
		}
	}
	slices.SortStableFunc(family, func(a, b ranked) int { return cmp.Compare(b.common, a.common) })
	for n, k := range places {
		run[k] = family[n]
	}
}
