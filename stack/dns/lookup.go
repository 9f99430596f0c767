package dns

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
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
	q       question // its name is the last of chain
	chain   []string // the name of the Lookup, then the aliases that were followed, in order
	servers []netip.AddrPort

	next   int  // number of asks that failed: the position in the rounds through the servers
	stream bool // true if the last answer was cut, so that the same server is asked over TCP
	plain  bool // true if the server did not understand the OPT record, so that it is asked without
	id     uint16
	server netip.AddrPort // the server that is asked

	asks    int // messages sent about the last of chain
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
	l := &Lookup{q: question{full, typ}, chain: []string{name}, servers: servers}
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
	msg, _ := l.q.pack(id, !l.plain) // NewLookup and follow have checked that there is no error
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
	case a.code == dnsmessage.RCodeSuccess || a.code == dnsmessage.RCodeNameError:
		if l.follow(a.aliases) {
			l.conclude(a)
		}
	case a.code == dnsmessage.RCodeFormatError && !l.plain: // the server may be older than RFC 6891 (§6.2.2 there)
		l.plain = true
		return true
	default:
		l.fail(ServerFailed, nil)
		l.failure.Code = codeName(a.code)
	}
	return true
}

// follow makes the last of the aliases of an answer the name to ask for. It returns false if that ends the Lookup, or the server's turn.
func (l *Lookup) follow(aliases []dnsmessage.Name) bool {
	for _, alias := range aliases {
		name := undotted(alias.String())
		seen := slices.ContainsFunc(l.chain, func(s string) bool { return equalNames(s, name) })
		l.chain = append(l.chain, name)
		switch {
		case seen:
			l.end(AliasLoop)
			return false
		case len(l.chain) > 1+maxAliases:
			l.end(TooManyAliases)
			return false
		}
	}
	if len(aliases) == 0 {
		return true
	}
	q := question{aliases[len(aliases)-1], l.q.typ}
	if _, err := q.pack(0, true); err != nil {
		l.chain = l.chain[:len(l.chain)-len(aliases)]
		l.fail(Malformed, err)
		return false
	}
	l.q, l.asks, l.stream = q, 0, false
	return true
}

// conclude ends the Lookup by an answer about the last of chain. If it has the alias but nothing about the name that the alias leads to,
// the same server is asked for that name: a server that does not resolve for others leaves the rest to its client (RFC 1034 §4.3.2).
func (l *Lookup) conclude(a answer) {
	switch {
	case a.code == dnsmessage.RCodeNameError: // about the end of the aliases (RFC 6604 §3)
		l.end(NoName)
	case len(a.records) > 0:
		l.done, l.records = true, a.records
	case len(a.aliases) == 0:
		l.end(NoData)
	}
}

// end makes the Lookup end without records.
func (l *Lookup) end(kind Kind) { l.done, l.failure = true, l.newError(kind) }

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
	return &Error{Kind: kind, Name: l.chain[0], Type: l.q.typ, Server: l.server, Asks: l.asks, Strays: l.strays, Aliases: slices.Clone(l.chain[1:])}
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
