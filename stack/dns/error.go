package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// A Kind says why a Lookup has no records.
type Kind uint8

// The kinds of an Error.
const (
	BadName        Kind = iota + 1 // the name has not the form of IsName
	NoServer                       // there is no server to ask
	NoName                         // the server says that there is no such name (NXDOMAIN)
	NoData                         // the name exists, but has no record of the type (RFC 2308 §2.2)
	ServerFailed                   // the last server answered with another response code
	NoAnswer                       // the last server did not answer
	Malformed                      // the last server sent an answer whose records can't be read
	AliasLoop                      // CNAME records lead back to a name that they led away from
	TooManyAliases                 // more CNAME records follow each other than a Lookup follows
)

// An Error is the outcome of a Lookup without records.
type Error struct {
	Kind    Kind
	Name    string
	Type    Type
	Server  netip.AddrPort // the server that was asked last; the zero value if none was
	Asks    int            // messages sent about the name that was asked for last: the last of Aliases, or Name
	Strays  Strays         // messages received that did not answer the question
	Aliases []string       // the names to which CNAME records led, in order; of AliasLoop, the last one occurs before, or is Name
	Code    string         // ServerFailed: the response code's name
	Err     error          // NoAnswer, Malformed: the reason
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
		return fmt.Sprintf("no such name: %s (NXDOMAIN from %s)", e.asked(), server)
	case NoData:
		if k := len(e.Aliases); k > 0 {
			return fmt.Sprintf("%s is an alias of %s, for which %s has no %v record", e.Name, printable(e.Aliases[k-1]), server, e.Type)
		}
		return fmt.Sprintf("%s has no %v record, says %s", e.Name, e.Type, server)
	case ServerFailed:
		return fmt.Sprintf("the server %s did not resolve %s (%s)", server, e.asked(), e.Code)
	case AliasLoop:
		return e.loop()
	case TooManyAliases:
		return fmt.Sprintf("%s leads through more than %d aliases", e.Name, maxAliases)
	}
	text := "no answer"
	if e.Kind == Malformed {
		text = "malformed answer"
	}
	text += fmt.Sprintf(" from %s about %s", server, e.asked())
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

// asked returns the name that was asked for last, and how it follows from the Lookup's name.
func (e *Error) asked() string {
	if k := len(e.Aliases); k > 0 {
		return fmt.Sprintf("%s, of which %s is an alias", printable(e.Aliases[k-1]), e.Name)
	}
	return e.Name
}

// loop returns the sentence that describes a loop of aliases.
func (e *Error) loop() string {
	chain := append([]string{e.Name}, e.Aliases...)
	last := len(chain) - 1
	first := slices.IndexFunc(chain, func(s string) bool { return equalNames(s, chain[last]) })
	text := e.Name + " is an alias of itself"
	if first > 0 {
		text = fmt.Sprintf("%s is an alias of %s, which is an alias of itself", e.Name, printable(chain[first]))
	}
	if first+1 < last {
		text += ", by way of"
	}
	for k := first + 1; k < last; k++ {
		switch {
		case k > first+1 && k == last-1:
			text += " and"
		case k > first+1:
			text += ","
		}
		text += " " + printable(chain[k])
	}
	return text
}

// printable returns a name that a server has sent, in quotes if it has other octets than those of IsName.
func printable(name string) string {
	if name == "." || IsName(name) {
		return name
	}
	return strconv.Quote(brief(name))
}

// brief returns at most 60 octets of a text.
func brief(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
