//go:build !portable

package doctor

import (
	"bytes"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// droppingChain returns the first base chain of nftables between an interface and the kernel's own sockets whose policy
// or rule drops packets. It ignores rules that name another interface. The chain is written as nft writes it: family,
// table, name. A chain of the other family is ignored. The result match is the expression, iifname or oifname, by which a rule of the chain matches the
// interface. Both are empty if no chain drops.
func droppingChain(iface string, is6 bool) (chain, match string) {
	c, err := nftables.New()
	if err != nil {
		return "", ""
	}
	chains, _ := c.ListChains()
	for _, ch := range chains {
		if ch.Hooknum == nil || ch.Table == nil {
			continue
		}
		family := map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet"}[ch.Table.Family]
		if family == "ip" && is6 || family == "ip6" && !is6 {
			continue
		}
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

// drops reports whether a rule of the chain drops or rejects packets, and names no interface other than iface.
func drops(c *nftables.Conn, ch *nftables.Chain, iface string) bool {
	rules, _ := c.GetRules(ch.Table, ch)
	for _, r := range rules {
		named := false // true if the rule's last expression loads the name of an interface
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
