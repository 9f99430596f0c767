package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsHeaderLen is the length of the header of a DNS message, in octets (RFC 1035 §4.1.1).
const dnsHeaderLen = 12

// dnsFits reports whether a TCP segment begins with a whole DNS message after its length field (RFC 1035 §4.2.2). Other
// segments begin inside a message.
func dnsFits(b []byte) bool {
	if len(b) < 2+dnsHeaderLen {
		return false
	}
	n := int(binary.BigEndian.Uint16(b))
	return n >= dnsHeaderLen && n+2 <= len(b)
}

// overTCP reports whether a length field precedes the DNS message.
func overTCP(l Layer) bool {
	u, ok := l.under()
	return ok && (u.Protocol == l.Protocol || u.Protocol.Name == "TCP")
}

// flag returns a field of one bit, a truth value.
func flag(name, doc string) Field { return Field{Name: name, Bits: 1, Kind: Bool, Doc: doc} }

// DNS is a DNS message, also of multicast DNS.
var DNS = define(Protocol{
	Name: "DNS", Doc: "Domain Name System (RFC 1035 §4.1)",
	On: []Place{{UDPPorts, 53}, {UDPPorts, 5353}, {UDPPorts, 5355}, {TCPPorts, 53}},
	Fields: []Field{
		{Name: "length", Bits: 16, When: overTCP, Unit: "octets", Compute: RestLength, Doc: "the length of the message, over TCP alone (RFC 1035 §4.2.2)"},
		{Name: "id", Bits: 16, Compute: Host, Doc: "the identifier, the same in query and response"},
		flag("qr", "a response"),
		{Name: "opcode", Bits: 4, Names: named(map[uint64]string{0: "query", 1: "iquery", 2: "status", 4: "notify", 5: "update", 6: "stateful"}), Doc: "the operation"},
		flag("aa", "an authoritative answer"), flag("tc", "truncated"), flag("rd", "recursion desired"), flag("ra", "recursion available"),
		{Name: "z", Bits: 1, Doc: "zero"},
		flag("ad", "authenticated data (RFC 4035 §3.2.3)"), flag("cd", "checking disabled (RFC 4035 §3.2.2)"),
		{Name: "rcode", Bits: 4, Names: named(map[uint64]string{0: "ok", 1: "format error", 2: "server failure", 3: "non-existent domain", 4: "not implemented", 5: "refused"}), Doc: "the response code"},
		dnsCount("qdcount", "questions"), dnsCount("ancount", "answers"), dnsCount("nscount", "authorities"), dnsCount("arcount", "additional records"),
		{Name: "records", Kind: Octets, Size: dnsRest, Read: func(l Layer, b []byte) (any, string) { return b, readDNS(l).damage }, Doc: "the octets of all sections"},
		dnsSection("qd", 0, "the questions: qname, qtype, qclass"), dnsSection("an", 1, "the answers: rrname, type, rclass, ttl, rdlen, rdata"),
		dnsSection("ns", 2, "the authorities, as an"), dnsSection("ar", 3, "the additional records, as an"),
		{Name: "questions", Kind: Other, Doc: "the questions with names for types: name, type", Read: func(l Layer, _ []byte) (any, string) { return readDNS(l).questions(), "" }},
		{Name: "answers", Kind: Other, Doc: "the answers with names for types: name, type, ttl, data", Read: func(l Layer, _ []byte) (any, string) { return readDNS(l).answers(), "" }},
	},
	next: func(l Layer, carried lookup) *Protocol {
		if overTCP(l) && dnsFits(l.Payload()) {
			return l.Protocol
		}
		return nil
	},
	prepare:  prepareDNS,
	describe: describeDNS,
})

func dnsCount(name, what string) Field {
	return Field{Name: name, Bits: 16, Compute: Count, Doc: "the number of " + what}
}

// dnsRest returns the size of a message's sections: over UDP the rest of the datagram, over TCP the length field less
// the header.
func dnsRest(l Layer) int {
	if n, ok := l.num("length"); ok {
		return min(int(n)-dnsHeaderLen, l.end-l.begin-2-dnsHeaderLen)
	}
	return l.end - l.begin - dnsHeaderLen
}

// dnsSection returns the derived field of one section.
func dnsSection(name string, section int, doc string) Field {
	return Field{Name: name, Kind: Other, Doc: doc, Write: writeRecordsOf(section), canonical: canonicalSection(section), Read: func(l Layer, _ []byte) (any, string) {
		list := []any{}
		for _, r := range readDNS(l).sections[section] {
			list = append(list, r.record())
		}
		return list, ""
	}}
}

// A dnsRecord is a question or a record; a question has no data.
type dnsRecord struct {
	name        string
	typ         dnsmessage.Type
	class       dnsmessage.Class
	ttl         uint32
	length      int
	value       any    // netip.Addr, string or []byte; nil for a question
	text        string // data as a line shows it
	question    bool
	undecodable bool
}

// dnsContent is the readable content of a message.
type dnsContent struct {
	sections [4][]dnsRecord // questions, answers, authorities, additional records
	damage   string
}

// readDNS reads the sections of a message until it finds one that it can't read further. If a record's data is wrong,
// it skips the record by its length and returns the data as octets.
func readDNS(l Layer) (c dnsContent) {
	b := l.octets()
	if overTCP(l) {
		b = b[min(2, len(b)):min(len(b), max(2, 2+dnsHeaderLen+dnsRest(l)))]
	}
	var p dnsmessage.Parser
	if _, err := p.Start(b); err != nil {
		return c
	}
	for {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			c.damage = c.place(0)
			return c
		}
		c.sections[0] = append(c.sections[0], dnsRecord{name: domain(q.Name), typ: q.Type, class: q.Class, question: true})
	}
	for i, s := range []struct {
		header func() (dnsmessage.ResourceHeader, error)
		skip   func() error
	}{{p.AnswerHeader, p.SkipAnswer}, {p.AuthorityHeader, p.SkipAuthority}, {p.AdditionalHeader, p.SkipAdditional}} {
		for {
			h, err := s.header()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if err != nil {
				c.wrong(c.place(i + 1))
				return c
			}
			r := dnsRecord{name: domain(h.Name), typ: h.Type, class: h.Class, ttl: h.TTL, length: int(h.Length)}
			raw, rawErr := rawData(p)
			if !r.read(&p, h.Type) {
				r.value, r.text, r.undecodable = raw, fmt.Sprintf("%d octets", len(raw)), true
				if rawErr == nil {
					c.wrong(c.place(i+1) + ": its data is no " + typeName(h.Type))
				}
				if s.skip() != nil {
					c.wrong(c.place(i + 1))
					return c
				}
			}
			c.sections[i+1] = append(c.sections[i+1], r)
		}
	}
	return c
}

// wrong records text unless damage is recorded already.
func (c *dnsContent) wrong(text string) {
	if c.damage == "" {
		c.damage = text
	}
}

// place returns the position of a section's next record, as a field of the message.
func (c *dnsContent) place(section int) string {
	return fmt.Sprintf("%s[%d] cannot be read", [...]string{"qd", "an", "ns", "ar"}[section], len(c.sections[section]))
}

// rawData returns the data of the record whose header was read last. It uses a copy of the parser, so that the caller's
// parser does not advance.
func rawData(p dnsmessage.Parser) ([]byte, error) {
	u, err := p.UnknownResource()
	return u.Data, err
}

// domain returns a name without the last dot.
func domain(n dnsmessage.Name) string {
	if s := n.String(); s != "." {
		return strings.TrimSuffix(s, ".")
	}
	return ""
}

// read reads the data of the record whose header the parser read last. It returns false if the data is not of the type
// t.
func (r *dnsRecord) read(p *dnsmessage.Parser, t dnsmessage.Type) bool {
	var err error
	name := func(n dnsmessage.Name) {
		r.value, r.text = domain(n), Printable([]byte(domain(n)))+"."
	}
	switch t {
	case dnsmessage.TypeA:
		if r.length != 4 {
			return false
		}
		var a dnsmessage.AResource
		a, err = p.AResource()
		r.value, r.text = netip.AddrFrom4(a.A), netip.AddrFrom4(a.A).String()
	case dnsmessage.TypeAAAA:
		if r.length != 16 {
			return false
		}
		var a dnsmessage.AAAAResource
		a, err = p.AAAAResource()
		r.value, r.text = netip.AddrFrom16(a.AAAA), netip.AddrFrom16(a.AAAA).String()
	case dnsmessage.TypeCNAME:
		var x dnsmessage.CNAMEResource
		x, err = p.CNAMEResource()
		name(x.CNAME)
	case dnsmessage.TypeNS:
		var x dnsmessage.NSResource
		x, err = p.NSResource()
		name(x.NS)
	case dnsmessage.TypePTR:
		var x dnsmessage.PTRResource
		x, err = p.PTRResource()
		name(x.PTR)
	case dnsmessage.TypeMX:
		var x dnsmessage.MXResource
		x, err = p.MXResource()
		r.value, r.text = fmt.Sprintf("%d %s", x.Pref, domain(x.MX)), fmt.Sprintf("%s. %d", printableName(x.MX), x.Pref)
	case dnsmessage.TypeSRV:
		var x dnsmessage.SRVResource
		x, err = p.SRVResource()
		r.value = fmt.Sprintf("%d %d %d %s", x.Priority, x.Weight, x.Port, domain(x.Target))
		r.text = fmt.Sprintf("%s.:%d %d %d", printableName(x.Target), x.Port, x.Priority, x.Weight)
	case dnsmessage.TypeSOA:
		var x dnsmessage.SOAResource
		x, err = p.SOAResource()
		r.value = fmt.Sprintf("%s %s %d %d %d %d %d", domain(x.NS), domain(x.MBox), x.Serial, x.Refresh, x.Retry, x.Expire, x.MinTTL)
		r.text = fmt.Sprintf("%s. serial %d", printableName(x.NS), x.Serial)
	case dnsmessage.TypeTXT:
		var x dnsmessage.TXTResource
		x, err = p.TXTResource()
		var parts []string
		for _, s := range x.TXT {
			parts = append(parts, fmt.Sprintf("%q", Printable([]byte(s))))
		}
		r.value, r.text = quoteTexts(x.TXT), strings.Join(parts, " ")
	default:
		var x dnsmessage.UnknownResource
		x, err = p.UnknownResource()
		r.value, r.text = x.Data, fmt.Sprintf("%d octets", len(x.Data))
	}
	return err == nil
}

func printableName(n dnsmessage.Name) string { return Printable([]byte(domain(n))) }

// typeName returns the name of a record type: "A", "65".
func typeName(t dnsmessage.Type) string {
	if t == dnsmessage.TypeALL {
		return "ANY"
	}
	return strings.TrimPrefix(t.String(), "Type")
}

// record returns the record with Scapy's names for its parts.
func (r *dnsRecord) record() Record {
	if r.question {
		return Record{"question", []Part{{"qname", r.name}, {"qtype", uint64(r.typ)}, {"qclass", uint64(r.class)}}}
	}
	return Record{"record", []Part{{"rrname", r.name}, {"type", uint64(r.typ)}, {"rclass", uint64(r.class)}, {"ttl", uint64(r.ttl)}, {"rdlen", uint64(r.length)}, {"rdata", r.value}}}
}

// questions and answers return these sections with printable names and type names.
func (c dnsContent) questions() []any {
	list := []any{}
	for _, q := range c.sections[0] {
		list = append(list, Record{"question", []Part{{"name", Printable([]byte(q.name))}, {"type", typeName(q.typ)}}})
	}
	return list
}

func (c dnsContent) answers() []any {
	list := []any{}
	for _, a := range c.sections[1] {
		list = append(list, Record{"answer", []Part{{"name", Printable([]byte(a.name))}, {"type", typeName(a.typ)}, {"ttl", uint64(a.ttl)}, {"data", a.text}}})
	}
	return list
}

// maxRecords is the largest number of questions or answers in a line.
const maxRecords = 4

// dnsOperations and dnsResponses are the names of opcodes and response codes in a line.
var (
	dnsOperations = [...]string{1: "inv_q", 2: "stat", 3: "op3", 4: "notify", 5: "update", 6: "stateful"}
	dnsResponses  = [...]string{1: "FormErr", 2: "ServFail", 3: "NXDomain", 4: "NotImp", 5: "Refused", 6: "YXDomain", 7: "YXRRSet", 8: "NXRRSet", 9: "NotAuth", 10: "NotZone"}
)

// dnsText describes a DNS message as tcpdump does: "4711+ A? example.org.", "4711 2/0/0 A 192.0.2.1, A 192.0.2.2".
func dnsText(l Layer) string {
	c := readDNS(l)
	var b strings.Builder
	id, _ := l.num("id")
	fmt.Fprint(&b, id)
	code := func(field string, names []string) {
		switch n, _ := l.num(field); {
		case n == 0:
		case n < uint64(len(names)):
			fmt.Fprintf(&b, " %s", names[n])
		default:
			fmt.Fprintf(&b, " %s%d", field, n)
		}
	}
	code("opcode", dnsOperations[:])
	response := l.is("qr", 1)
	if response {
		code("rcode", dnsResponses[:])
	}
	for _, f := range []struct {
		set  bool
		mark string
	}{{!response && l.is("rd", 1), "+"}, {!response && l.is("cd", 1), "%"}, {response && l.is("aa", 1), "*"}, {response && l.is("ra", 0), "-"},
		{response && l.is("tc", 1), "|"}, {response && l.is("ad", 1), "$"}} {
		if f.set {
			b.WriteString(f.mark)
		}
	}
	b.WriteString(dnsCounts(l, response))
	answers := c.sections[1]
	for i, q := range c.sections[0] {
		if response && len(answers) > 0 || i == maxRecords {
			break
		}
		fmt.Fprintf(&b, " %s? %s.", typeName(q.typ), Printable([]byte(q.name)))
	}
	for i, a := range answers {
		if !response {
			break
		}
		if i == maxRecords {
			fmt.Fprintf(&b, ", … %d more", len(answers)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", typeName(a.typ), a.text)
	}
	if c.damage != "" {
		b.WriteString(" [bad record]")
	}
	return b.String()
}

// dnsCounts describes the numbers of records: of a response all but the questions, of a query those that are unusual.
func dnsCounts(l Layer, response bool) (text string) {
	qd, _ := l.num("qdcount")
	an, _ := l.num("ancount")
	ns, _ := l.num("nscount")
	ar, _ := l.num("arcount")
	if response {
		if qd != 1 {
			text = fmt.Sprintf(" [%dq]", qd)
		}
		return fmt.Sprintf("%s %d/%d/%d", text, an, ns, ar)
	}
	for _, c := range []struct {
		n    uint64
		show bool
		mark string
	}{{an, an != 0, "a"}, {qd, qd != 1, "q"}, {ns, ns != 0, "n"}, {ar, ar != 0, "au"}} {
		if c.show {
			text += fmt.Sprintf(" [%d%s]", c.n, c.mark)
		}
	}
	return text
}
