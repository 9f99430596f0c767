package main

import (
	"bytes"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// droppingChain is the first of nftables' base chains on the way between an interface and the kernel's own
// sockets that drops packets, by its policy or by a rule that is not about another interface: its family,
// table and name as nft has them, and what a rule of that chain calls the interface.
func droppingChain(iface string) (chain, match string) {
	c, err := nftables.New()
	if err != nil {
		return "", ""
	}
	chains, _ := c.ListChains()
	for _, ch := range chains {
		if ch.Hooknum == nil || ch.Table == nil {
			continue
		}
		family := map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyINet: "inet"}[ch.Table.Family]
		match = "iifname"
		switch *ch.Hooknum {
		case *nftables.ChainHookPrerouting, *nftables.ChainHookInput:
		case *nftables.ChainHookOutput, *nftables.ChainHookPostrouting:
			match = "oifname"
		default:
			continue
		}
		if family != "" && (ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop || drops(c, ch, iface)) {
			return family + " " + ch.Table.Name + " " + ch.Name, match
		}
	}
	return "", ""
}

// drops reports whether a rule of the chain drops packets of that interface, as far as it names one.
func drops(c *nftables.Conn, ch *nftables.Chain, iface string) bool {
	rules, _ := c.GetRules(ch.Table, ch)
	for _, r := range rules {
		named := false // the rule has just loaded an interface's name
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case *expr.Meta:
				named = e.Key == expr.MetaKeyIIFNAME || e.Key == expr.MetaKeyOIFNAME
				continue
			case *expr.Cmp:
				if named && e.Op == expr.CmpOpEq && string(bytes.TrimRight(e.Data, "\x00")) != iface {
					goto next
				}
			case *expr.Reject:
				return true
			case *expr.Verdict:
				if e.Kind == expr.VerdictDrop {
					return true
				}
			}
			named = false
		}
	next:
	}
	return false
}
