package packet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsTypes are the types of records that have a name in scripts.
var dnsTypes = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "NS": dnsmessage.TypeNS, "CNAME": dnsmessage.TypeCNAME, "SOA": dnsmessage.TypeSOA, "PTR": dnsmessage.TypePTR, "HINFO": dnsmessage.TypeHINFO,
	"MX": dnsmessage.TypeMX, "TXT": dnsmessage.TypeTXT, "AAAA": dnsmessage.TypeAAAA, "SRV": dnsmessage.TypeSRV, "OPT": dnsmessage.TypeOPT, "SVCB": 64, "HTTPS": 65,
	"DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "TLSA": 52, "CAA": 257, "IXFR": 251, "AXFR": dnsmessage.TypeAXFR, "ANY": dnsmessage.TypeALL,
}

// dnsClasses are the classes that have a name in scripts.
var dnsClasses = map[string]uint64{"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}

// ParseRecordType returns the number of a type of DNS records, such as "AAAA" or "TYPE65".
func ParseRecordType(name string) (uint64, error) {
	upper := strings.ToUpper(name)
	if t, ok := dnsTypes[upper]; ok {
		return uint64(t), nil
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(upper, "TYPE"), 10, 16); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("%q is no type of records: there are A AAAA CNAME MX NS PTR SOA SRV TXT and others, and numbers", name)
}

// ParseRecordClass returns the number of a class of DNS records, such as "IN".
func ParseRecordClass(name string) (uint64, error) {
	if n, ok := dnsClasses[strings.ToUpper(name)]; ok {
		return n, nil
	}
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("%q is no class: there are IN CH HS NONE ANY, and numbers", name)
}

// The parts of a question and of a record, in the order of Read.
var (
	questionParts = []string{"qname", "qtype", "qclass"}
	resourceParts = []string{"rrname", "type", "rclass", "ttl", "rdlen", "rdata"}
)

// canonicalSection returns a function that completes the records of a section: type A and class IN where they are not given. Names of types
// become numbers, and data takes the form in which a message's records have it.
func canonicalSection(section int) func(any) (any, error) {
	return func(v any) (any, error) {
		if r, ok := v.(Record); ok {
			v = []any{r}
		}
		list, ok := v.([]any)
		if !ok {
			return v, nil
		}
		records := []any{}
		for i, x := range list {
			r, _, err := canonicalResource(x, section)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			records = append(records, r)
		}
		return records, nil
	}
}

// canonicalResource completes one question or record. A question has no resource.
func canonicalResource(v any, section int) (Record, dnsmessage.Resource, error) {
	names, what := resourceParts, "a record"
	if section == 0 {
		names, what = questionParts, "a question"
	}
	var res dnsmessage.Resource
	parts, err := partsOf(v, what, names)
	if err != nil {
		return Record{}, res, err
	}
	for i, parse := range [...]func(string) (uint64, error){ParseRecordType, ParseRecordClass} {
		name := names[1+i]
		if text, ok := parts[name].(string); ok {
			n, err := parse(text)
			if err != nil {
				return Record{}, res, fmt.Errorf("%s: %w", name, err)
			}
			parts[name] = n
		}
	}
	name, ok := parts[names[0]].(string)
	if !ok && parts[names[0]] != nil {
		return Record{}, res, fmt.Errorf("%s is a name, got %s", names[0], shown(parts[names[0]]))
	}
	if res.Header.Name, err = dnsName(name); err != nil {
		return Record{}, res, fmt.Errorf("%s: %w", names[0], err)
	}
	typ, err := partNumber(parts, names[1], uint64(dnsmessage.TypeA), 65535)
	if err != nil {
		return Record{}, res, err
	}
	class, err := partNumber(parts, names[2], uint64(dnsmessage.ClassINET), 65535)
	if err != nil {
		return Record{}, res, err
	}
	res.Header.Type, res.Header.Class = dnsmessage.Type(typ), dnsmessage.Class(class)
	r := dnsRecord{name: domain(res.Header.Name), typ: res.Header.Type, class: res.Header.Class, question: section == 0}
	if r.question {
		return r.record(), res, nil
	}
	ttl, err := partNumber(parts, "ttl", 0, 1<<32-1)
	if err != nil {
		return Record{}, res, err
	}
	if res.Body, err = recordData(res.Header.Type, parts["rdata"]); err != nil {
		return Record{}, res, fmt.Errorf("rdata of %s: %w", typeName(res.Header.Type), err)
	}
	r.ttl, res.Header.TTL = uint32(ttl), uint32(ttl)
	if err := r.canonical(res); err != nil {
		return Record{}, res, err
	}
	if length, err := partNumber(parts, "rdlen", uint64(r.length), 65535); err != nil {
		return Record{}, res, err
	} else {
		r.length = int(length)
	}
	return r.record(), res, nil
}

// canonical sets the record's length and value to those that are read from a message with the resource alone.
func (r *dnsRecord) canonical(res dnsmessage.Resource) error {
	m := dnsmessage.Message{Answers: []dnsmessage.Resource{res}}
	b, err := m.Pack()
	if err != nil {
		return err
	}
	var p dnsmessage.Parser
	if _, err := p.Start(b); err != nil {
		return err
	}
	if err := p.SkipAllQuestions(); err != nil {
		return err
	}
	h, err := p.AnswerHeader()
	if err != nil {
		return err
	}
	r.length = int(h.Length)
	raw, _ := rawData(p)
	if !r.read(&p, h.Type) {
		r.value = raw
	}
	return nil
}

// dnsName returns a domain name, whose last dot may be left out.
func dnsName(name string) (dnsmessage.Name, error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil || len(name) > 254 {
		return n, fmt.Errorf("a name has at most 253 octets, got %d", len(name))
	}
	for _, label := range strings.Split(strings.TrimSuffix(name, "."), ".") {
		if len(label) > 63 || label == "" && strings.Trim(name, ".") != "" {
			return n, fmt.Errorf("a label of a name has 1 to 63 octets, got %q", Printable([]byte(label)))
		}
	}
	return n, nil
}

// recordData returns the data of a record of type t: an address, a name, text in the form of a zone file, or octets.
func recordData(t dnsmessage.Type, v any) (dnsmessage.ResourceBody, error) {
	if b, ok := v.([]byte); ok || v == nil {
		return &dnsmessage.UnknownResource{Type: t, Data: b}, nil
	}
	switch t {
	case dnsmessage.TypeA:
		a, err := asAddress(v, 4)
		if err != nil {
			return nil, err
		}
		return &dnsmessage.AResource{A: a.As4()}, nil
	case dnsmessage.TypeAAAA:
		a, err := asAddress(v, 16)
		if err != nil {
			return nil, err
		}
		return &dnsmessage.AAAAResource{AAAA: a.As16()}, nil
	case dnsmessage.TypeTXT:
		return textData(v)
	}
	words, err := zoneWords(v)
	if err != nil {
		return nil, err
	}
	form := dnsForms[t]
	if form == "" {
		return nil, fmt.Errorf("it is octets, got %s", shown(v))
	}
	var names []dnsmessage.Name
	var n []uint32
	wanted := strings.Fields(form)
	if len(words) != len(wanted) {
		return nil, fmt.Errorf("it is %q or octets, got %s", form, shown(v))
	}
	for i, word := range words {
		switch wanted[i] {
		case "NAME", "MAILBOX":
			name, err := dnsName(word)
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		default:
			bits := 16
			if t == dnsmessage.TypeSOA {
				bits = 32
			}
			x, err := strconv.ParseUint(word, 10, bits)
			if err != nil {
				return nil, fmt.Errorf("%s is 0 to %d, got %q", wanted[i], uint64(1)<<bits-1, Printable([]byte(word)))
			}
			n = append(n, uint32(x))
		}
	}
	return nameData(t, names, n), nil
}

// dnsForms are the words of the data of some types, as in a zone file.
var dnsForms = map[dnsmessage.Type]string{
	dnsmessage.TypeCNAME: "NAME", dnsmessage.TypeNS: "NAME", dnsmessage.TypePTR: "NAME", dnsmessage.TypeMX: "PREFERENCE NAME",
	dnsmessage.TypeSRV: "PRIORITY WEIGHT PORT NAME", dnsmessage.TypeSOA: "NAME MAILBOX SERIAL REFRESH RETRY EXPIRE MINIMUM",
}

// nameData returns the data of a type of dnsForms from its names and numbers.
func nameData(t dnsmessage.Type, names []dnsmessage.Name, n []uint32) dnsmessage.ResourceBody {
	switch t {
	case dnsmessage.TypeCNAME:
		return &dnsmessage.CNAMEResource{CNAME: names[0]}
	case dnsmessage.TypeNS:
		return &dnsmessage.NSResource{NS: names[0]}
	case dnsmessage.TypePTR:
		return &dnsmessage.PTRResource{PTR: names[0]}
	case dnsmessage.TypeMX:
		return &dnsmessage.MXResource{Pref: uint16(n[0]), MX: names[0]}
	case dnsmessage.TypeSRV:
		return &dnsmessage.SRVResource{Priority: uint16(n[0]), Weight: uint16(n[1]), Port: uint16(n[2]), Target: names[0]}
	}
	return &dnsmessage.SOAResource{NS: names[0], MBox: names[1], Serial: n[0], Refresh: n[1], Retry: n[2], Expire: n[3], MinTTL: n[4]}
}

// zoneWords returns the words of data: those of a text, or the entries of a list.
func zoneWords(v any) (words []string, err error) {
	if text, ok := v.(string); ok {
		if words = strings.Fields(text); len(words) == 0 {
			words = []string{""} // the root
		}
		return words, nil
	}
	list, ok := asList(v)
	if !ok {
		return nil, fmt.Errorf("it is text, a list or octets, got %s", shown(v))
	}
	for _, x := range list {
		word, ok := x.(string)
		if n, number := asUint(x); number {
			word, ok = strconv.FormatUint(n, 10), true
		}
		if !ok {
			return nil, fmt.Errorf("%s is no name or number", shown(x))
		}
		words = append(words, word)
	}
	return words, nil
}

// textData returns the data of TXT: one text, several in a list, or several in quotes as quoteTexts writes them.
func textData(v any) (dnsmessage.ResourceBody, error) {
	var texts []string
	if text, ok := v.(string); ok {
		texts = []string{text}
		if strings.HasPrefix(text, `"`) {
			if texts, ok = unquoteTexts(text); !ok {
				return nil, fmt.Errorf("the quotes of %s don't match", shown(text))
			}
		}
	} else if list, ok := asList(v); ok {
		for _, x := range list {
			s, ok := x.(string)
			if b, octets := x.([]byte); octets {
				s, ok = string(b), true
			}
			if !ok {
				return nil, fmt.Errorf("%s is no text", shown(x))
			}
			texts = append(texts, s)
		}
	} else {
		return nil, fmt.Errorf("it is text, a list of texts or octets, got %s", shown(v))
	}
	for _, s := range texts {
		if len(s) > 255 {
			return nil, fmt.Errorf("a text has at most 255 octets, got %d", len(s))
		}
	}
	return &dnsmessage.TXTResource{TXT: texts}, nil
}

// quoteTexts writes the texts of a TXT record as a zone file has them: in quotes, and octets that are not printable in decimal
// (RFC 1035 §5.1).
func quoteTexts(texts []string) string {
	var b strings.Builder
	for i, s := range texts {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for _, c := range []byte(s) {
			switch {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < 0x20 || c > 0x7e:
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

// unquoteTexts reads what quoteTexts writes. ok is false for another text.
func unquoteTexts(s string) (texts []string, ok bool) {
	for {
		if !strings.HasPrefix(s, `"`) {
			return nil, false
		}
		var b []byte
		for s = s[1:]; s != "" && s[0] != '"'; s = s[1:] {
			c := s[0]
			if c == '\\' {
				if s = s[1:]; s == "" {
					return nil, false
				}
				if c = s[0]; c >= '0' && c <= '9' {
					if len(s) < 3 {
						return nil, false
					}
					n, err := strconv.ParseUint(s[:3], 10, 8)
					if err != nil {
						return nil, false
					}
					c, s = byte(n), s[2:]
				}
			}
			b = append(b, c)
		}
		if s == "" {
			return nil, false
		}
		texts = append(texts, string(b))
		if s = strings.TrimLeft(s[1:], " "); s == "" {
			return texts, true
		}
	}
}

// writeRecordsOf returns the Write of a section, which checks its records. Their octets depend on the sections before them.
func writeRecordsOf(section int) func(any) ([]byte, error) {
	return func(v any) ([]byte, error) {
		var sections [4]any
		sections[section] = v
		b, _, err := packDNS(sections)
		return b, err
	}
}

// packDNS returns the octets of sections after the header, and the numbers of their records. Names are compressed.
func packDNS(sections [4]any) (b []byte, counts [4]int, err error) {
	var m dnsmessage.Message
	for i, v := range sections {
		if v == nil {
			continue
		}
		if r, ok := v.(Record); ok {
			v = []any{r}
		}
		list, ok := v.([]any)
		if !ok {
			return nil, counts, fmt.Errorf("it is a list of records, got %s", shown(v))
		}
		counts[i] = len(list)
		for _, x := range list {
			_, res, err := canonicalResource(x, i)
			if err != nil {
				return nil, counts, err
			}
			switch h := res.Header; i {
			case 0:
				m.Questions = append(m.Questions, dnsmessage.Question{Name: h.Name, Type: h.Type, Class: h.Class})
			case 1:
				m.Answers = append(m.Answers, res)
			case 2:
				m.Authorities = append(m.Authorities, res)
			default:
				m.Additionals = append(m.Additionals, res)
			}
		}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil, counts, err
	}
	return packed[dnsHeaderLen:], counts, nil
}

// dnsLists are the fields of the sections with the fields of their counts.
var dnsLists = [4][2]string{{"qd", "qdcount"}, {"an", "ancount"}, {"ns", "nscount"}, {"ar", "arcount"}}

// prepareDNS writes the sections that are set, and sets the unset counts to the numbers of their records.
func prepareDNS(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
	var sections [4]any
	set := false
	for i, names := range dnsLists {
		sections[i] = l.of(names[0])
		set = set || sections[i] != nil
	}
	if !set {
		return l, nil
	}
	if l.of("records") != nil {
		return l, fmt.Errorf("records can't be set beside qd, an, ns and ar")
	}
	b, counts, err := packDNS(sections)
	if err != nil {
		return l, err
	}
	l = l.put(l.Protocol.Field("records"), b)
	for i, names := range dnsLists {
		l = l.fill(names[1], counts[i])
	}
	return l, nil
}

// describeDNS sets a message's sections in place of their octets, if these can be written from them.
func describeDNS(l Layer, d DraftLayer) DraftLayer {
	octets, ok := d.of("records").([]byte)
	if !ok || !l.complete() {
		return d
	}
	c := readDNS(l)
	if c.damage != "" {
		return d
	}
	var sections [4]any
	for i := range c.sections {
		var list []any
		for _, r := range c.sections[i] {
			list = append(list, r.record())
		}
		if list != nil {
			sections[i] = list
		}
	}
	if b, _, err := packDNS(sections); err != nil || !slices.Equal(b, octets) {
		return d
	}
	d = d.put(d.Protocol.Field("records"), nil)
	for i, names := range dnsLists {
		if sections[i] != nil {
			d = d.put(d.Protocol.Field(names[0]), sections[i])
		}
	}
	return d
}
