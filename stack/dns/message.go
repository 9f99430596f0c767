package dns

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A Type is the type of a record (RFC 1035 §3.2.2).
type Type uint16

// The types that a Lookup asks for.
const (
	A     = Type(dnsmessage.TypeA)
	NS    = Type(dnsmessage.TypeNS)
	CNAME = Type(dnsmessage.TypeCNAME)
	SOA   = Type(dnsmessage.TypeSOA)
	PTR   = Type(dnsmessage.TypePTR)
	MX    = Type(dnsmessage.TypeMX)
	TXT   = Type(dnsmessage.TypeTXT)
	AAAA  = Type(dnsmessage.TypeAAAA)
	SRV   = Type(dnsmessage.TypeSRV)
)

// Types lists the types that a Lookup asks for, the usual ones first.
func Types() []Type { return []Type{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT} }

// String returns the type's name, such as "AAAA".
func (t Type) String() string { return strings.TrimPrefix(dnsmessage.Type(t).String(), "Type") }

// ParseType returns the type of a name, in whichever case; ok is false if it is none of Types.
func ParseType(s string) (t Type, ok bool) {
	for _, t := range Types() {
		if strings.EqualFold(t.String(), s) {
			return t, true
		}
	}
	return 0, false
}

// Bounds of messages and answers.
const (
	MaxRecords = 64   // records taken from one answer
	udpSize    = 1232 // octets of an answer over UDP that fit a packet on most paths (RFC 6891 §6.2.5)
	maxAliases = 8    // CNAME records that a Lookup follows, over all answers
)

// A Record is one record of an answer. Which fields it has depends on the type that was asked for.
type Record struct {
	TTL  uint32     // seconds for which the record may be kept
	Addr netip.Addr // A and AAAA: the address
	Host string     // CNAME, NS, PTR, MX and SRV: the name, without its final dot; SOA: the primary server
	Text string     // TXT: its strings joined; SOA: the mailbox of the person responsible, as a name

	Preference, Weight, Port                uint16 // MX: the preference; SRV: priority, weight and port
	Serial, Refresh, Retry, Expire, Minimum uint32 // SOA (RFC 1035 §3.3.13); the times are seconds
}

// question is what a Lookup asks.
type question struct {
	name dnsmessage.Name
	typ  Type
}

// pack returns the message of the question. With edns it has an OPT record, for answers longer than 512 octets (RFC 6891). The error is
// that of a name which is too long.
func (q question) pack(id uint16, edns bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{ID: id, RecursionDesired: true})
	err := errors.Join(b.StartQuestions(), b.Question(dnsmessage.Question{Name: q.name, Type: dnsmessage.Type(q.typ), Class: dnsmessage.ClassINET}))
	if edns {
		var opt dnsmessage.ResourceHeader
		err = errors.Join(err, b.StartAdditionals(), opt.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false), b.OPTResource(opt, dnsmessage.OPTResource{}))
	}
	if err != nil {
		return nil, err
	}
	return b.Finish()
}

// An answer is a message that answers a question.
type answer struct {
	truncated bool // the message was cut; it has no records then
	code      dnsmessage.RCode
	records   []Record          // those of the type that was asked for, at most MaxRecords
	aliases   []dnsmessage.Name // the names to which CNAME records led, in order; at most maxAliases+1
	err       error             // why the records can't be read; nil if they can
}

// read parses a message. It answers the question if it is a response with the same id, name, type and class (RFC 5452 §4.2), even if its
// records can't be read. Of another message, read returns the kind.
func (q question) read(b []byte, id uint16) (a answer, s stray) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	switch {
	case err != nil:
		return a, unreadable
	case h.ID != id:
		return a, wrongID
	case !h.Response || h.OpCode != 0:
		return a, noResponse
	}
	got, err := p.Question()
	switch {
	case err == dnsmessage.ErrSectionDone:
		return a, otherQuestion
	case err != nil:
		return a, unreadable
	case got.Type != dnsmessage.Type(q.typ) || got.Class != dnsmessage.ClassINET || !equalNames(got.Name.String(), q.name.String()):
		return a, otherQuestion
	}
	a.truncated, a.code = h.Truncated, h.RCode
	if h.Truncated || h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError {
		return a, fits
	}
	if a.err = p.SkipAllQuestions(); a.err != nil {
		return a, fits
	}
	name := q.name.String()
	for range maxAliases + 1 {
		again := p // a copy that starts at the first record
		records, alias, err := scan(&again, name, q.typ)
		if err != nil {
			a.err = err
			return a, fits
		}
		if a.records = records; alias.Length == 0 || len(records) > 0 {
			break
		}
		name, a.aliases = alias.String(), append(a.aliases, alias)
	}
	return a, fits
}

// scan reads all records of the answer. It returns those of a name that have the type, and the alias that a CNAME record gives the name
// (RFC 1034 §3.6.2), which is empty if none does. Records of other names are ignored.
func scan(p *dnsmessage.Parser, name string, typ Type) (records []Record, alias dnsmessage.Name, err error) {
	for {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return records, alias, nil
		}
		if err != nil {
			return nil, alias, err
		}
		known := h.Type == dnsmessage.Type(typ) || h.Type == dnsmessage.TypeCNAME
		if !known || h.Class != dnsmessage.ClassINET || !equalNames(h.Name.String(), name) {
			if err := p.SkipAnswer(); err != nil {
				return nil, alias, err
			}
			continue
		}
		res, err := p.Answer()
		if err != nil {
			return nil, alias, err
		}
		if c, ok := res.Body.(*dnsmessage.CNAMEResource); ok && typ != CNAME {
			alias = c.CNAME
			continue
		}
		if r, ok := recordOf(res.Body); ok && len(records) < MaxRecords {
			r.TTL = h.TTL
			records = append(records, r)
		}
	}
}

// recordOf returns a record's data; ok is false for one that a Lookup never returns, such as an IPv4-mapped address.
func recordOf(body dnsmessage.ResourceBody) (r Record, ok bool) {
	switch b := body.(type) {
	case *dnsmessage.AResource:
		r.Addr = netip.AddrFrom4(b.A)
	case *dnsmessage.AAAAResource:
		r.Addr = netip.AddrFrom16(b.AAAA)
		return r, !r.Addr.Is4In6()
	case *dnsmessage.CNAMEResource:
		r.Host = undotted(b.CNAME.String())
	case *dnsmessage.NSResource:
		r.Host = undotted(b.NS.String())
	case *dnsmessage.PTRResource:
		r.Host = undotted(b.PTR.String())
	case *dnsmessage.MXResource:
		r.Host, r.Preference = undotted(b.MX.String()), b.Pref
	case *dnsmessage.SRVResource:
		r.Host, r.Preference, r.Weight, r.Port = undotted(b.Target.String()), b.Priority, b.Weight, b.Port
	case *dnsmessage.TXTResource:
		r.Text = strings.Join(b.TXT, "")
	case *dnsmessage.SOAResource:
		r.Host, r.Text = undotted(b.NS.String()), undotted(b.MBox.String())
		r.Serial, r.Refresh, r.Retry, r.Expire, r.Minimum = b.Serial, b.Refresh, b.Retry, b.Expire, b.MinTTL
	default:
		return r, false
	}
	return r, true
}

// AppendStream appends a message as a TCP connection carries it: behind its length in two octets (RFC 1035 §4.2.2). The message has at
// most 65535 octets.
func AppendStream(dst, msg []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(msg))), msg...)
}

// FromStream returns the first message of a stream; whole is false, and missing the number of octets to read next, until it is complete.
// The message aliases the stream.
func FromStream(stream []byte) (msg []byte, missing int, whole bool) {
	if len(stream) < 2 {
		return nil, 2 - len(stream), false
	}
	n := 2 + int(binary.BigEndian.Uint16(stream))
	if len(stream) < n {
		return nil, n - len(stream), false
	}
	return stream[2:n], 0, true
}
