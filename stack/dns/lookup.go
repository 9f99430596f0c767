package dns

import (
	"cmp"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// What the driver of a Lookup needs.
const (
	Timeout = 5 * time.Second // for the answer to one Ask
	Port    = 53
	rounds  = 2 // how often each server is asked
)

// A Lookup asks servers for the records of one name and type. Its driver repeats: Next, send the message, Receive for each message that
// comes from the server until one ends the wait, or Fail. When Next returns false, Result has the outcome.
type Lookup struct {
	q       question
	servers []netip.AddrPort

	next   int  // number of asks that failed: the position in the rounds through the servers
	stream bool // true if the last answer was cut, so that the same server is asked over TCP
	plain  bool // true if the server did not understand the OPT record, so that it is asked without
	id     uint16
	server netip.AddrPort // the server that is asked

	asks    int
	strays  Strays
	done    bool
	records []Record
	failure *Error // of the last ask; nil before the first failure
}

// An Ask is one message to send, over UDP from a new port, or over a new TCP connection in the form of AppendStream.
type Ask struct {
	Server  netip.AddrPort
	TCP     bool
	Message []byte // the caller may keep it
}

// NewLookup returns a Lookup of a name, which may end in a dot, at servers, in this order. It keeps the list. The error is a *Error:
// BadName, or NoServer if the list is empty.
func NewLookup(name string, typ Type, servers []netip.AddrPort) (*Lookup, error) {
	if name != "." && !IsName(name) {
		return nil, &Error{Kind: BadName, Name: name, Type: typ}
	}
	name = undotted(name)
	if len(servers) == 0 {
		return nil, &Error{Kind: NoServer, Name: name, Type: typ}
	}
	dotted := name
	if name != "." {
		dotted += "."
	}
	full, err := dnsmessage.NewName(dotted)
	if err != nil {
		return nil, &Error{Kind: BadName, Name: name, Type: typ}
	}
	l := &Lookup{q: question{full, typ}, servers: servers}
	if _, err := l.q.pack(0, true); err != nil {
		return nil, &Error{Kind: BadName, Name: name, Type: typ}
	}
	return l, nil
}

// Next returns the message to send now; ok is false when the Lookup is over. The driver chooses an id that nobody can guess, and a port
// too (RFC 5452 §9.2).
func (l *Lookup) Next(id uint16) (a Ask, ok bool) {
	if l.done || l.next >= rounds*len(l.servers) {
		return a, false
	}
	l.id, l.server = id, l.servers[l.next%len(l.servers)]
	l.asks++
	msg, _ := l.q.pack(id, !l.plain) // NewLookup has checked that there is no error
	return Ask{Server: l.server, TCP: l.stream, Message: msg}, true
}

// errCut is why an answer over TCP is malformed.
var errCut = errors.New("the server cut it short, although TCP carried it")

// Receive takes a message from the server of the last Ask, and reports whether it ends the wait. A message that does not answer the
// question does not: anybody may have forged it. An answer whose records can't be read does: its sender knows the id, and could as well
// have sent false records.
func (l *Lookup) Receive(b []byte) (ends bool) {
	a, s := l.q.read(b, l.id)
	switch {
	case s != fits:
		l.strays.count(s)
		return false
	case a.truncated && l.stream:
		l.fail(Malformed, errCut)
	case a.err != nil:
		l.fail(Malformed, a.err)
	case a.truncated: // RFC 7766 §5
		l.stream = true
		return true
	case a.code == dnsmessage.RCodeSuccess && len(a.records) > 0:
		l.done, l.records = true, a.records
	case a.code == dnsmessage.RCodeSuccess:
		l.done, l.failure = true, l.newError(NoData)
		l.failure.Alias = a.alias
	case a.code == dnsmessage.RCodeNameError:
		l.done, l.failure = true, l.newError(NoName)
	case a.code == dnsmessage.RCodeFormatError && !l.plain: // the server may be older than RFC 6891 (§6.2.2 there)
		l.plain = true
		return true
	default:
		l.fail(ServerFailed, nil)
		l.failure.Code = codeName(a.code)
	}
	return true
}

// Fail ends the wait without an answer. err is the reason: of the driver's clock, of a socket, or of the network.
func (l *Lookup) Fail(err error) {
	l.fail(NoAnswer, err)
}

// fail makes the next server the one to ask.
func (l *Lookup) fail(kind Kind, err error) {
	l.failure = l.newError(kind)
	l.failure.Err = err
	l.next++
	l.stream, l.plain = false, false
}

func (l *Lookup) newError(kind Kind) *Error {
	return &Error{Kind: kind, Name: undotted(l.q.name.String()), Type: l.q.typ, Server: l.server, Asks: l.asks, Strays: l.strays}
}

// Server returns the server that was asked last.
func (l *Lookup) Server() netip.AddrPort { return l.server }

// Result returns the records, at least one, or a *Error. Before the Lookup is over, it is that of the last server asked.
func (l *Lookup) Result() ([]Record, error) {
	if len(l.records) > 0 {
		return l.records, nil
	}
	return nil, cmp.Or(l.failure, l.newError(NoAnswer))
}

// codeName returns the name of a response code that is an error (RFC 6895 §2.3).
func codeName(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return "response code " + c.String()
}
