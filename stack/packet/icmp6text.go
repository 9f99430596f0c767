package packet

import "fmt"

// unreachable6 are the codes of ICMPv6's destination unreachable (RFC 4443 §3.1); the text of port unreachable is made
// elsewhere, since it has a port.
var unreachable6 = [...]string{
	"unreachable route", "unreachable prohibited", "beyond scope", "unreachable address", "unreachable port", "source policy", "route rejected",
}

// problem6 are the codes of ICMPv6's parameter problem (RFC 4443 §3.4).
var problem6 = [...]string{"erroneous", "next header", "option"}

// icmp6Text describes an ICMPv6 message.
func icmp6Text(l Layer) string {
	typ, _ := l.num("type")
	text := "ICMP6, " + icmp6TypeName(typ)
	if icmp6TypeName(typ) == "" {
		text = fmt.Sprintf("ICMP6, unknown icmp6 type (%d)", typ)
	}
	return fmt.Sprintf("%s%s, length %d", text, icmp6Detail(l, typ), l.end-l.begin) + quotedText(l)
}

// icmp6Detail returns the text that follows the name of an ICMPv6 message in its line and describes the contents.
func icmp6Detail(l Layer, typ uint64) string {
	code, _ := l.num("code")
	number := func(name string) uint64 {
		v, _ := l.numOr(name)
		return v
	}
	address := func(name string) any {
		if v := l.Value(l.Protocol.Field(name)); v != nil {
			return v
		}
		return "?"
	}
	switch typ {
	case 1:
		return ", " + icmp6Unreachable(l, code)
	case 2:
		return fmt.Sprintf(", mtu %d", number("mtu"))
	case 3:
		switch code {
		case 0:
			return " in-transit for " + quotedDestination(l)
		case 1:
			return " in-transit (reassembly)"
		}
		return fmt.Sprintf(" in-transit, unknown code (%d)", code)
	case 4:
		name := fmt.Sprintf("code-#%d", code)
		if code < uint64(len(problem6)) {
			name = problem6[code]
		}
		return fmt.Sprintf(", %s - octet %d", name, number("ptr"))
	case 128, 129:
		return fmt.Sprintf(", id %d, seq %d", number("id"), number("seq"))
	case 130, 131, 132:
		if typ == 130 && listenerV2(l) {
			sources := ""
			if n := number("sources_number"); n > 0 {
				sources = fmt.Sprintf(", %d source(s)", n)
			}
			return fmt.Sprintf(" v2 [gaddr %v%s]", address("mladdr"), sources)
		}
		return fmt.Sprintf(" max resp delay: %d addr: %v", number("mrd"), address("mladdr"))
	case 135:
		return fmt.Sprintf(", who has %v", address("tgt"))
	case 136:
		return fmt.Sprintf(", tgt is %v", address("tgt"))
	case 137:
		return fmt.Sprintf(", %v to %v", address("dst"), address("tgt"))
	case 143:
		return fmt.Sprintf(", %d group record(s)", number("records_number"))
	}
	return ""
}

// icmp6Unreachable describes the code of destination unreachable, and the packet's destination.
func icmp6Unreachable(l Layer, code uint64) string {
	if code >= uint64(len(unreachable6)) {
		return fmt.Sprintf("unknown unreach code (%d)", code)
	}
	to := quotedDestination(l)
	ip, transport := quotedLayers(l)
	text := unreachable6[code]
	switch port, ok := transport.numOr("dport"); {
	case code == 4 && ok:
		return fmt.Sprintf("%s, %s %s port %d", text, to, transport.Protocol.Attr, port)
	case code == 2 && ip.Protocol != Raw:
		from, _, _ := ip.addresses()
		return fmt.Sprintf("%s %s, source address %v", text, to, from)
	}
	return text + " " + to
}
