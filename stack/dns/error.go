package dns

import (
	"fmt"
	"net/netip"
)

// A Kind says why a Lookup has no records.
type Kind uint8

// The kinds of an Error.
const (
	BadName      Kind = iota + 1 // the name has not the form of IsName
	NoServer                     // there is no server to ask
	NoName                       // the server says that there is no such name (NXDOMAIN)
	NoData                       // the name exists, but has no record of the type (RFC 2308 §2.2)
	ServerFailed                 // the last server answered with another response code
	NoAnswer                     // the last server did not answer
	Malformed                    // the last server sent an answer whose records can't be read
)

// An Error is the outcome of a Lookup without records.
type Error struct {
	Kind   Kind
	Name   string
	Type   Type
	Server netip.AddrPort // the server that was asked last; the zero value if none was
	Asks   int            // messages sent
	Strays Strays         // messages received that did not answer the question
	Alias  string         // NoData: the name to which CNAME records led, "" if none did
	Code   string         // ServerFailed: the response code's name
	Err    error          // NoAnswer, Malformed: the reason
}

// Error returns what happened, with the name and the server. It gives no advice: that depends on who reads it.
func (e *Error) Error() string {
	server := e.Server.Addr().String()
	if e.Server.Port() != Port {
		server = e.Server.String()
	}
	switch e.Kind {
	case BadName:
		return fmt.Sprintf("%q is no name: labels of letters, digits, - and _ with dots between them, and xn--… for other letters", brief(e.Name))
	case NoServer:
		return "no DNS server is known that could be asked for " + e.Name
	case NoName:
		return fmt.Sprintf("no such name: %s (NXDOMAIN from %s)", e.Name, server)
	case NoData:
		if e.Alias != "" {
			return fmt.Sprintf("%s is an alias of %s, for which %s has no %v record", e.Name, e.Alias, server, e.Type)
		}
		return fmt.Sprintf("%s has no %v record, says %s", e.Name, e.Type, server)
	case ServerFailed:
		return fmt.Sprintf("the server %s did not resolve %s (%s)", server, e.Name, e.Code)
	}
	text := "no answer"
	if e.Kind == Malformed {
		text = "malformed answer"
	}
	text += fmt.Sprintf(" from %s about %s", server, e.Name)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Strays.Total() > 0 {
		text += fmt.Sprintf(" (ignored: %v)", e.Strays)
	}
	return text
}

// Unwrap returns the reason of NoAnswer and Malformed.
func (e *Error) Unwrap() error { return e.Err }

// brief returns at most 60 octets of a text.
func brief(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
