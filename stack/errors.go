package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"smolsh/stack/tcp"
)

// Errors of calls on a host, an interface or a socket. Calls on connections also return errors of package tcp. Match
// them with errors.Is.
var (
	ErrPortInUse   = errors.New("address in use")                      // another socket has the local port
	ErrInUse       = errors.New("in use by another station")           // another station on the link uses the address
	ErrNoPorts     = errors.New("no free port")                        // every ephemeral port is in use
	ErrNotOurs     = errors.New("address not available")               // the local address is not the host's
	ErrTooBig      = errors.New("message too big")                     // longer than the interface's MTU
	ErrQueueFull   = errors.New("queue full")                          // the interface's output queue is full; a later call may succeed
	ErrLimit       = errors.New("too many")                            // a documented limit of the host is reached
	ErrClosed      = errors.New("closed")                              // the socket is closed
	ErrNotBound    = errors.New("no destination")                      // the socket is not connected, and the call names no destination
	ErrInvalid     = errors.New("invalid argument")                    // an address, length or port out of range
	ErrZone        = errors.New("link-local address without its zone") // such an address names its interface, as in fe80::1%eth0 (RFC 4007 §6)
	ErrExists      = errors.New("already there")                       // the route or address exists
	ErrNotFound    = errors.New("not there")                           // the route, address or neighbour does not exist
	ErrNoFrames    = errors.New("medium without frames")               // the interface's medium carries bare IP packets
	ErrAddrRemoved = errors.New("connection reset: its local address was removed")
	ErrNoStorage   = errors.New("connection aborted: the host's buffers are full, and its peer holds most of them")
	ErrDown        = errors.New("interface is down") // the interface is administratively down
	ErrNoRoute     = tcp.ErrNetUnreach               // no route to the destination
	ErrHostUnreach = tcp.ErrHostUnreach              // the neighbour does not answer
)

// TooBigError is the error of a datagram or frame that is too long to be sent. errors.Is matches it with ErrTooBig.
type TooBigError struct {
	Length int // octets of the datagram with its IP header, or of the frame
	Most   int // the largest Length that could have been sent
}

// Error gives both lengths.
func (e *TooBigError) Error() string {
	return fmt.Sprintf("%v: %d octets with headers, at most %d", ErrTooBig, e.Length, e.Most)
}

// Is implements the match with ErrTooBig.
func (e *TooBigError) Is(target error) bool { return target == ErrTooBig }

// InvalidError is an error that names the fault of an argument. errors.Is matches it with ErrInvalid.
type InvalidError struct{ Why string }

// Error returns the reason.
func (e *InvalidError) Error() string { return e.Why }

// Is implements the match with ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// ZoneError is the error of an address of link-local scope that names no interface with IPv6, where the host can't choose one itself
// (RFC 4007 §6). errors.Is matches it with ErrZone.
type ZoneError struct {
	Addr  netip.Addr // address as the caller wrote it
	Zones []string   // names of the interfaces that speak IPv6
}

// Error names the addresses that the caller may mean.
func (e *ZoneError) Error() string {
	switch {
	case len(e.Zones) == 0:
		return "no interface speaks IPv6"
	case e.Addr.Zone() != "":
		return "interface " + e.Addr.Zone() + " does not speak IPv6; those that do: " + strings.Join(e.Zones, ", ")
	}
	var ways []string
	for _, z := range e.Zones {
		ways = append(ways, e.Addr.WithZone(z).String())
	}
	return ErrZone.Error() + ": write " + strings.Join(ways, " or ")
}

// Is implements the match with ErrZone.
func (e *ZoneError) Is(target error) bool { return target == ErrZone }
