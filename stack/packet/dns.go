package packet

import (
	"encoding/binary"
	"fmt"
	"strconv"
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
	value       any    // netip.Addr, text in the form of a zone file, or []byte; nil for a question
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
	if len(b) < dnsHeaderLen {
		return c
	}
	at := dnsHeaderLen
	for i := range c.sections {
		for range big16(b[4+2*i:]) {
			r, next, ok := readRecord(b, at, i == 0)
			if !ok {
				c.wrong(c.place(i))
				return c
			}
			if r.undecodable {
				c.wrong(c.place(i) + ": its data is no " + typeName(r.typ))
			}
			c.sections[i], at = append(c.sections[i], r), next
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

// readRecord reads the question or record at an offset of a message. next is the offset after it. ok is false if the message ends
// before the record's end.
func readRecord(b []byte, at int, question bool) (r dnsRecord, next int, ok bool) {
	name, at, ok := readName(b, at)
	if !ok || at+4 > len(b) {
		return r, 0, false
	}
	r = dnsRecord{name: name, typ: dnsmessage.Type(big16(b[at:])), class: dnsmessage.Class(big16(b[at+2:])), question: question}
	if question {
		return r, at + 4, true
	}
	if at+10 > len(b) {
		return r, 0, false
	}
	r.ttl, r.length = binary.BigEndian.Uint32(b[at+4:]), int(big16(b[at+8:]))
	at += 10
	next = at + r.length
	if next > len(b) {
		return r, 0, false
	}
	if !r.read(b[:next], at) {
		r.value, r.text, r.undecodable = b[at:next], fmt.Sprintf("%d octets", r.length), true
	}
	return r, next, true
}

// read reads the data of the record from offset at of a message to its end. It returns false if the data is not of the record's type.
func (r *dnsRecord) read(b []byte, at int) bool {
	data := b[at:]
	form := dnsForms[r.typ]
	switch {
	case r.typ == dnsmessage.TypeA || r.typ == dnsmessage.TypeAAAA:
		if want := map[dnsmessage.Type]int{dnsmessage.TypeA: 4, dnsmessage.TypeAAAA: 16}[r.typ]; len(data) != want {
			return false
		}
		r.value, r.text = address(data), address(data).String()
		return true
	case r.typ == dnsmessage.TypeTXT:
		var texts []string
		for len(data) > 0 {
			n := 1 + int(data[0])
			if n > len(data) {
				return false
			}
			texts, data = append(texts, string(data[1:n])), data[n:]
		}
		text := quoteTexts(texts)
		r.value, r.text = text, text
		return true
	case form == "":
		r.value, r.text = data, fmt.Sprintf("%d octets", len(data))
		return true
	}
	var words []string
	for _, word := range strings.Fields(form) {
		if octets := numberOctets(r.typ, word); octets > 0 {
			if at+octets > len(b) {
				return false
			}
			n := uint64(0)
			for _, o := range b[at : at+octets] {
				n = n<<8 | uint64(o)
			}
			words, at = append(words, strconv.FormatUint(n, 10)), at+octets
			continue
		}
		name, next, ok := readName(b, at)
		if !ok {
			return false
		}
		words, at = append(words, name), next
	}
	r.value, r.text = r.lineOf(words)
	return at == len(b)
}

// lineOf returns the data of a type of dnsForms as a value and for a line. Blanks of a name are in decimal where words surround it.
func (r *dnsRecord) lineOf(words []string) (value, text string) {
	if len(words) == 1 {
		return words[0], words[0] + "."
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], " ", `\032`)
	}
	value = strings.Join(words, " ")
	switch r.typ {
	case dnsmessage.TypeMX:
		text = fmt.Sprintf("%s. %s", words[1], words[0])
	case dnsmessage.TypeSRV:
		text = fmt.Sprintf("%s.:%s %s %s", words[3], words[2], words[0], words[1])
	default:
		text = fmt.Sprintf("%s. serial %s", words[0], words[2])
	}
	return value, text
}

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
		list = append(list, Record{"question", []Part{{"name", q.name}, {"type", typeName(q.typ)}}})
	}
	return list
}

func (c dnsContent) answers() []any {
	list := []any{}
	for _, a := range c.sections[1] {
		list = append(list, Record{"answer", []Part{{"name", a.name}, {"type", typeName(a.typ)}, {"ttl", uint64(a.ttl)}, {"data", a.text}}})
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
		fmt.Fprintf(&b, " %s? %s.", typeName(q.typ), q.name)
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
	switch {
	case c.damage == "":
	case l.complete():
		b.WriteString(" [bad record]")
	default:
		b.WriteString(" " + l.cut())
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
