// Package dns is the part of a stub resolver that does not wait (RFC 1034 §5.3.1, RFC 1035): it writes the question, decides whether a
// message answers it, follows aliases, and chooses which server to ask next, over UDP or TCP. It has no socket, no
// clock and no random numbers. Whoever drives a Lookup sends its messages, waits at most Timeout for each answer, and supplies the
// identifiers. Package gonet drives it with goroutines, the script layer with a host's sockets in the time of its lab.
//
// What a server can send is bounded: an answer has at most MaxRecords records, at most 8 aliases are followed, and a Lookup asks each
// server at most a few times. If an answer has an alias without the records of its target, the same server is asked for the target, so that
// a server which does not resolve for others works for its own zones. Nothing is cached. The package follows no referral. There is no list
// of search domains and no DNSSEC.
package dns
