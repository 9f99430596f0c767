package registry

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// errDomain is the error for a name where no host can ask for its address.
var errDomain = errors.New(`a name of the network stands for no address here: resolve("NAME") returns its addresses`)

// wrongAddr returns the error for a string that is no address. It is errKind if the string resembles none.
func wrongAddr(s string) error {
	if host, ok := hostOfURL(s); ok {
		return fmt.Errorf("an address without the rest of the URL: %q", host)
	}
	if host, _, err := cutPort(s); err == nil {
		return fmt.Errorf("an address without a port: %q", host)
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return fmt.Errorf("an address without a prefix length: %q", p.Addr())
	}
	if bare := strings.Trim(s, " []"); bare != s {
		if _, err := netip.ParseAddr(bare); err == nil {
			return fmt.Errorf("an address without blanks and brackets: %q", bare)
		}
	}
	if err := wrongOctets(s); err != nil {
		return err
	}
	if domain(s) {
		return errDomain
	}
	return errKind
}

// wrongOctets returns the reason why a string of digits and dots is no address of IPv4, nil if it is something else.
func wrongOctets(s string) error {
	if strings.Trim(s, "0123456789.") != "" || !strings.Contains(s, ".") {
		return nil
	}
	list := strings.Split(s, ".")
	if len(list) != 4 {
		return fmt.Errorf("an address of IPv4 has 4 numbers, this has %d", len(list))
	}
	for _, o := range list {
		if n, err := strconv.Atoi(o); err != nil || n > 255 {
			return fmt.Errorf("%q is not a number from 0 to 255", o)
		}
		if len(o) > 1 && o[0] == '0' {
			return fmt.Errorf("%q begins with 0", o)
		}
	}
	return nil
}

// wrongPrefix returns the error for a string that is no address with prefix length.
func wrongPrefix(s string) error {
	host, length, found := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	mask, maskErr := netip.ParseAddr(length)
	switch {
	case err == nil && maskErr == nil && a.Is4() && mask.Is4():
		ones, total := net.IPMask(mask.AsSlice()).Size()
		if total == 0 {
			return fmt.Errorf("%q is no netmask", length)
		}
		return fmt.Errorf("the prefix length of that netmask is %q", fmt.Sprintf("%s/%d", host, ones))
	case err != nil:
		if octets := wrongOctets(host); octets != nil {
			return octets
		}
		return errKind
	case !found && a.Is4():
		return fmt.Errorf("the prefix length is missing: %q", s+"/24")
	case !found:
		return fmt.Errorf("the prefix length is missing: %q", s+"/64")
	}
	return fmt.Errorf("%q is no prefix length of %s, which is from 0 to %d", length, family(a), a.BitLen())
}

// wrongEndpoint returns the error for a string that is no address with port and has no missing port. It is errKind if the string
// resembles none.
func wrongEndpoint(s string) error {
	if host, ok := hostOfURL(s); ok {
		if _, _, err := cutPort(host); err != nil {
			host += ":80"
		}
		return fmt.Errorf("an address with port without the rest of the URL: %q, or http.get(%q)", host, s)
	}
	host, port, found := cutLast(s, ":")
	if err := wrongOctets(host); err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	switch {
	case found && err == nil && (n < 0 || n > 65535):
		return fmt.Errorf("%d is no port, which is from 0 to 65535", n)
	case domain(host):
		return errDomain
	}
	return errKind
}

// hostOfURL returns the host of a URL, with its port if it has one.
func hostOfURL(s string) (host string, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme == "" {
		return "", false
	}
	host, _, _ = strings.Cut(rest, "/")
	return host, true
}

// cutPort splits a string into an address and its port.
func cutPort(s string) (host, port string, err error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return "", "", err
	}
	return ap.Addr().String(), strconv.Itoa(int(ap.Port())), nil
}

// domain reports whether a string has the form of a domain name: several labels, or one with a dot behind it. A last label of digits alone
// is an address's (RFC 1123 §2.1).
func domain(s string) bool {
	bare := strings.TrimSuffix(s, ".")
	if !strings.Contains(s, ".") || strings.HasPrefix(s, ".") || bare == "" {
		return false
	}
	top := bare[strings.LastIndexByte(bare, '.')+1:]
	return strings.Trim(strings.ToLower(bare), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == "" && strings.Trim(top, "0123456789") != ""
}
