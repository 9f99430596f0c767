package addrsel

import "net/netip"

// An Entry is a row of the policy table (RFC 6724 §2.1). The entry with the longest prefix that contains an address
// applies to it.
type Entry struct {
	Prefix     netip.Prefix // of IPv6; ::ffff:0:0/96 is all of IPv4
	Precedence int          // destinations of a higher precedence are preferred
	Label      int          // a source is preferred for destinations of the same label
}

// Policy is a host's policy for selecting addresses. The methods do not change it.
type Policy struct {
	Table []Entry // in any order

	// PreferPublic makes a public address preferable to a temporary one as the source (RFC 6724 §5 rule 7). By default
	// temporary addresses are preferred.
	PreferPublic bool
}

// DefaultPolicy returns the default policy table (RFC 6724 §2.1), which the caller may change.
func DefaultPolicy() Policy {
	return Policy{Table: []Entry{
		{netip.MustParsePrefix("::1/128"), 50, 0},
		{netip.MustParsePrefix("::/0"), 40, 1},
		{netip.MustParsePrefix("::ffff:0:0/96"), 35, 4},
		{netip.MustParsePrefix("2002::/16"), 30, 2},
		{netip.MustParsePrefix("2001::/32"), 5, 5},
		{netip.MustParsePrefix("fc00::/7"), 3, 13},
		{netip.MustParsePrefix("::/96"), 1, 3},
		{netip.MustParsePrefix("fec0::/10"), 1, 11},
		{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	}}
}

// Lookup returns the precedence and the label of an address. Both are -1 if no entry contains it. If entries have the same
// prefix, the first applies.
func (p *Policy) Lookup(a netip.Addr) (precedence, label int) {
	a = mapped(a)
	longest := -1
	precedence, label = -1, -1
	for k := range p.Table {
		if e := &p.Table[k]; e.Prefix.Bits() > longest && e.Prefix.Contains(a) {
			longest, precedence, label = e.Prefix.Bits(), e.Precedence, e.Label
		}
	}
	return precedence, label
}
