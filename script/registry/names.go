package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// A Caller is what Bind asks about the call whose arguments it converts.
type Caller interface {
	// Permit refuses an argument that was given, after its conversion.
	Permit(p *Param, x any) error
	// HostOf returns the host that a value stands for, which is the value itself or has its name. It returns nil and no error
	// for a value that is neither a host nor has the form of a name. The error says that no host has the name.
	HostOf(v starlark.Value) (starlark.Value, error)
	// AddrsOf returns the addresses at which the caller reaches a host that HostOf returned, in the order in which to try them. Without
	// an error there is at least one.
	AddrsOf(host starlark.Value) ([]netip.Addr, error)
	// Lookup returns the addresses of a name that is no host's, in the order in which to try them. It may wait for the network. It
	// returns none and no error for what it does not take for a name. An error of the network is a *LookupError.
	Lookup(name string) ([]netip.Addr, error)
}

// A LookupError is the failure of a look-up, of an argument that is well formed. The error of the call has its text, and no explanation
// of what the argument may be.
type LookupError struct{ Err error }

// Error returns the text of the failure.
func (e *LookupError) Error() string { return e.Err.Error() }

// Unwrap returns the failure.
func (e *LookupError) Unwrap() error { return e.Err }

// For returns what Convert does, and accepts a host or its name in the place of an address. A host that stands for one address stands for
// the first of its addresses.
func (k Kind) For(v starlark.Value, caller Caller) (any, error) {
	x, err := k.Convert(v)
	if err == nil {
		return x, nil
	}
	switch k {
	case KindHost:
		h, nameErr := caller.HostOf(v)
		if h == nil && nameErr == nil {
			return nil, err
		}
		return h, nameErr
	case KindIP:
		return addrOf(v, caller, err)
	case KindEndpoint:
		return endpointOf(v, caller, err)
	}
	return nil, err
}

// addrOf returns the first address of a host or name; wrong is the error for a value that is neither.
func addrOf(v starlark.Value, caller Caller, wrong error) (any, error) {
	list, err := named(v, caller, wrong)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// named returns the addresses of the host that v is or names, or of the name of the network that v is; wrong is the error for a value that
// is neither.
func named(v starlark.Value, caller Caller, wrong error) ([]netip.Addr, error) {
	h, nameErr := caller.HostOf(v)
	if h != nil && nameErr == nil {
		return caller.AddrsOf(h)
	}
	if s, ok := starlark.AsString(v); ok && (nameErr != nil || wrong == errDomain) {
		list, err := caller.Lookup(s)
		var failure *LookupError
		switch {
		case errors.As(err, &failure) && nameErr != nil:
			return nil, &LookupError{fmt.Errorf("%v; in DNS, %w", nameErr, failure.Err)}
		case err != nil || len(list) > 0:
			return list, err
		}
	}
	if nameErr != nil {
		return nil, nameErr
	}
	return nil, wrong
}

// addresses returns the address that v is, or all addresses of the host that v is or names. The caller may be nil.
func addresses(v starlark.Value, caller Caller) ([]netip.Addr, error) {
	a, err := KindIP.Convert(v)
	if err == nil {
		return []netip.Addr{a.(netip.Addr)}, nil
	}
	if caller == nil {
		return nil, err
	}
	return named(v, caller, err)
}

// endpointOf reads "name:port" and (host, port).
func endpointOf(v starlark.Value, caller Caller, wrong error) (any, error) {
	var host, port starlark.Value
	if pair, ok := v.(starlark.Tuple); ok && len(pair) == 2 {
		host, port = pair[0], pair[1]
	} else if s, ok := starlark.AsString(v); ok {
		name, number, found := cutLast(s, ":")
		n, err := strconv.ParseUint(number, 10, 16)
		switch {
		case !found && isName(s, caller):
			return nil, fmt.Errorf("the port is missing: %q", s+":80")
		case !found || err != nil || !isName(name, caller): // an address whose brackets are missing is ambiguous
			return nil, wrong
		}
		host, port = starlark.String(name), starlark.MakeUint64(n)
	} else if h, err := caller.HostOf(v); h != nil && err == nil {
		return nil, errors.New("the port is missing: (host, 80)")
	} else {
		return nil, wrong
	}
	addrs, err := addresses(host, caller)
	switch {
	case err == errKind || err == errDomain:
		return nil, wrong
	case err != nil:
		return nil, err
	}
	n, err := KindPort.Convert(port)
	if err != nil {
		return nil, wrong
	}
	list := make([]netip.AddrPort, len(addrs))
	for k, a := range addrs {
		list[k] = netip.AddrPortFrom(a, uint16(n.(int)))
	}
	return list, nil
}

// isName reports whether a string has the form of a host's name, or of one of the network.
func isName(s string, caller Caller) bool {
	if domain(s) {
		return true
	}
	h, err := caller.HostOf(starlark.String(s))
	return h != nil || err != nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
