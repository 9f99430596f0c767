package packet

import (
	"encoding/binary"
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

// A resource is a question or a record as it is written.
type resource struct {
	name  []string
	typ   dnsmessage.Type
	class dnsmessage.Class
	ttl   uint32
	data  []dnsData
}

// A dnsData is a part of a record's data: octets, or a name if isName is true.
type dnsData struct {
	octets []byte
	name   []string
	isName bool
}

// canonicalResource completes one question or record.
func canonicalResource(v any, section int) (r Record, res resource, err error) {
	names, what := resourceParts, "a record"
	if section == 0 {
		names, what = questionParts, "a question"
	}
	parts, err := partsOf(v, what, names)
	if err != nil {
		return r, res, err
	}
	for i, parse := range [...]func(string) (uint64, error){ParseRecordType, ParseRecordClass} {
		name := names[1+i]
		if text, ok := parts[name].(string); ok {
			n, err := parse(text)
			if err != nil {
				return r, res, fmt.Errorf("%s: %w", name, err)
			}
			parts[name] = n
		}
	}
	name, ok := parts[names[0]].(string)
	if !ok && parts[names[0]] != nil {
		return r, res, fmt.Errorf("%s is a name, got %s", names[0], shown(parts[names[0]]))
	}
	if res.name, err = parseName(name); err != nil {
		return r, res, fmt.Errorf("%s: %w", names[0], err)
	}
	typ, err := partNumber(parts, names[1], uint64(dnsmessage.TypeA), 65535)
	if err != nil {
		return r, res, err
	}
	class, err := partNumber(parts, names[2], uint64(dnsmessage.ClassINET), 65535)
	if err != nil {
		return r, res, err
	}
	res.typ, res.class = dnsmessage.Type(typ), dnsmessage.Class(class)
	if section == 0 {
		q := dnsRecord{name: canonicalName(res.name), typ: res.typ, class: res.class, question: true}
		return q.record(), res, nil
	}
	ttl, err := partNumber(parts, "ttl", 0, 1<<32-1)
	if err != nil {
		return r, res, err
	}
	res.ttl = uint32(ttl)
	if res.data, err = recordData(res.typ, parts["rdata"]); err != nil {
		return r, res, fmt.Errorf("rdata of %s: %w", typeName(res.typ), err)
	}
	b, err := res.append(make([]byte, dnsHeaderLen), map[string]int{}, false)
	if err != nil {
		return r, res, err
	}
	alone, _, _ := readRecord(b, dnsHeaderLen, false) // with the value and the length that a message with this record alone has
	length, err := partNumber(parts, "rdlen", uint64(alone.length), 65535)
	if err != nil {
		return r, res, err
	}
	alone.length = int(length)
	return alone.record(), res, nil
}

// append appends the record to a message. Names that are in the message already, by their offsets in seen, are compressed.
func (r *resource) append(b []byte, seen map[string]int, question bool) ([]byte, error) {
	b = appendName(b, r.name, seen)
	b = binary.BigEndian.AppendUint16(b, uint16(r.typ))
	b = binary.BigEndian.AppendUint16(b, uint16(r.class))
	if question {
		return b, nil
	}
	b = append(binary.BigEndian.AppendUint32(b, r.ttl), 0, 0)
	begin := len(b)
	for _, d := range r.data {
		switch {
		case !d.isName:
			b = append(b, d.octets...)
		case r.typ == dnsmessage.TypeSRV: // RFC 2782: no compression of the target
			b = appendName(b, d.name, nil)
		default:
			b = appendName(b, d.name, seen)
		}
	}
	n := len(b) - begin
	if n > 65535 {
		return nil, fmt.Errorf("rdata has at most 65535 octets, got %d", n)
	}
	binary.BigEndian.PutUint16(b[begin-2:], uint16(n))
	return b, nil
}

// recordData returns the data of a record of type t: an address, a name, text in the form of a zone file, or octets.
func recordData(t dnsmessage.Type, v any) ([]dnsData, error) {
	if b, ok := v.([]byte); ok || v == nil {
		return []dnsData{{octets: b}}, nil
	}
	switch t {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		size := 4
		if t == dnsmessage.TypeAAAA {
			size = 16
		}
		a, err := asAddress(v, size)
		if err != nil {
			return nil, err
		}
		return []dnsData{{octets: a.AsSlice()}}, nil
	case dnsmessage.TypeTXT:
		return textData(v)
	}
	form := dnsForms[t]
	wanted := strings.Fields(form)
	words, err := zoneWords(v, len(wanted))
	if err != nil {
		return nil, err
	}
	if form == "" {
		return nil, fmt.Errorf("it is octets, got %s", shown(v))
	}
	if len(words) != len(wanted) {
		return nil, fmt.Errorf("it is %q or octets, got %s", form, shown(v))
	}
	var data []dnsData
	for i, word := range words {
		octets := numberOctets(t, wanted[i])
		if octets == 0 {
			name, err := parseName(word)
			if err != nil {
				return nil, err
			}
			data = append(data, dnsData{name: name, isName: true})
			continue
		}
		n, err := strconv.ParseUint(word, 10, 8*octets)
		if err != nil {
			return nil, fmt.Errorf("%s is 0 to %d, got %q", wanted[i], uint64(1)<<(8*octets)-1, Printable([]byte(word)))
		}
		b := make([]byte, octets)
		putBits(b, 0, 8*octets, n)
		data = append(data, dnsData{octets: b})
	}
	return data, nil
}

// dnsForms are the words of the data of some types, as in a zone file.
var dnsForms = map[dnsmessage.Type]string{
	dnsmessage.TypeCNAME: "NAME", dnsmessage.TypeNS: "NAME", dnsmessage.TypePTR: "NAME", dnsmessage.TypeMX: "PREFERENCE NAME",
	dnsmessage.TypeSRV: "PRIORITY WEIGHT PORT NAME", dnsmessage.TypeSOA: "NAME MAILBOX SERIAL REFRESH RETRY EXPIRE MINIMUM",
}

// numberOctets returns the width of a word of dnsForms that is a number, 0 for a name.
func numberOctets(t dnsmessage.Type, word string) int {
	switch {
	case word == "NAME" || word == "MAILBOX":
		return 0
	case t == dnsmessage.TypeSOA:
		return 4
	}
	return 2
}

// zoneWords returns the words of data: those of a text, or the entries of a list. A name that is the only word may have blanks.
func zoneWords(v any, wanted int) (words []string, err error) {
	if text, ok := v.(string); ok {
		if words = strings.Fields(text); len(words) == 0 || wanted == 1 {
			words = []string{text}
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
func textData(v any) ([]dnsData, error) {
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
	var b []byte
	for _, s := range texts {
		if len(s) > 255 {
			return nil, fmt.Errorf("a text has at most 255 octets, got %d", len(s))
		}
		b = append(append(b, byte(len(s))), s...)
	}
	return []dnsData{{octets: b}}, nil
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
		escape(&b, []byte(s), `"\\`)
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
		for s = s[1:]; s != "" && s[0] != '"'; {
			c := s[0]
			if s = s[1:]; c == '\\' {
				var err error
				if c, s, err = unescape(s); err != nil {
					return nil, false
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
	b, seen := make([]byte, dnsHeaderLen), map[string]int{}
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
			if err == nil {
				b, err = res.append(b, seen, i == 0)
			}
			if err != nil {
				return nil, counts, err
			}
			if len(b) > maxBuilt {
				return nil, counts, fmt.Errorf("the message is longer than %d octets", maxBuilt)
			}
		}
	}
	return b[dnsHeaderLen:], counts, nil
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
