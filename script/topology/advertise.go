package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack"
	"smolsh/stack/wire"
)

// Bounds of a router's configuration (RFC 4861 §6.2.1, RFC 8319 §4).
const (
	minAdvertInterval = 4 * time.Second
	maxRouterTime     = 65535 * time.Second
	maxServers        = 4
)

// advertiseKeys are the keys of a router's configuration, in the order of the reference.
var advertiseKeys = []string{"max_interval", "lifetime", "preference", "valid", "preferred", "mtu", "hop_limit", "managed", "other", "dns"}

// AdvertiseWords explains the keys to which Advertising gives values.
const AdvertiseWords = "max_interval (4 s or more between two advertisements, 10 min by default) lifetime (of the router, 0 if it is no default router) " +
	`preference ("low", "medium", "high") valid and preferred (lifetimes of its prefixes, 30 and 7 days by default, 0 to withdraw them) ` +
	"mtu hop_limit managed other (addresses, or other configuration, by DHCPv6) dns (up to four servers)"

// preferences are the words for a router's preference (RFC 4191 §2.1).
var preferences = map[string]wire.Preference{"low": -1, "medium": 0, "high": 1}

// Advertising returns a router's configuration. The function value returns the value of a key, nil if it is not given. The keys are those
// that were given.
func Advertising(keys []string, value func(key string) starlark.Value) (*stack.Advertising, error) {
	a := &stack.Advertising{}
	for _, key := range keys {
		if !slices.Contains(advertiseKeys, key) {
			hint := ": it has " + strings.Join(advertiseKeys, ", ")
			if near := suggest.Nearest(key, advertiseKeys); near != "" {
				hint = fmt.Sprintf(" (did you mean %s?)", near)
			}
			return nil, fmt.Errorf("advertise has no key %s%s", key, hint)
		}
		if err := setAdvertised(a, key, value(key)); err != nil {
			return nil, fmt.Errorf("advertise: %w", err)
		}
	}
	interval := a.MaxInterval
	if interval == 0 {
		interval = 600 * time.Second
	}
	switch {
	case a.Lifetime > 0 && a.Lifetime < interval:
		return nil, fmt.Errorf("advertise: lifetime %v is less than the max_interval %v, so hosts would forget the router in between", a.Lifetime, interval)
	case a.Valid > 0 && a.Preferred > a.Valid:
		return nil, fmt.Errorf("advertise: preferred %v is more than valid %v", a.Preferred, a.Valid)
	}
	return a, nil
}

// setAdvertised sets the field of a that the key names.
func setAdvertised(a *stack.Advertising, key string, v starlark.Value) (err error) {
	switch key {
	case "max_interval":
		if a.MaxInterval, err = value[time.Duration](key, registry.KindDuration, v); err == nil && (a.MaxInterval < minAdvertInterval || a.MaxInterval > maxRouterTime) {
			err = fmt.Errorf("max_interval is a duration from 4s to 65535s, got %v", v)
		}
	case "lifetime":
		if a.Lifetime, err = value[time.Duration](key, registry.KindDuration, v); err == nil && a.Lifetime > maxRouterTime {
			err = fmt.Errorf("lifetime is a duration up to 65535s, got %v", v)
		}
		a.NoDefault = a.Lifetime == 0
	case "preference":
		word, _ := starlark.AsString(v)
		p, ok := preferences[word]
		if !ok {
			return fmt.Errorf(`preference is "low", "medium" or "high", got %v`, v)
		}
		a.Preference = p
	case "valid":
		a.Valid, err = prefixLifetime(key, v)
	case "preferred":
		a.Preferred, err = prefixLifetime(key, v)
	case "mtu":
		a.MTU, err = value[int](key, "int:1280..65535", v)
	case "hop_limit":
		var n int
		n, err = value[int](key, "int:1..255", v)
		a.HopLimit = uint8(n)
	case "managed":
		a.Managed, err = value[bool](key, registry.KindBool, v)
	case "other":
		a.Other, err = value[bool](key, registry.KindBool, v)
	case "dns":
		a.DNS, err = servers(v)
	}
	return err
}

// prefixLifetime converts a lifetime of prefixes. Stated as 0 it is NoLifetime, because a zero field means the default.
func prefixLifetime(key string, v starlark.Value) (time.Duration, error) {
	d, err := value[time.Duration](key, registry.KindDuration, v)
	if d == 0 {
		d = stack.NoLifetime
	}
	return d, err
}

// servers converts one address of IPv6, or a list.
func servers(v starlark.Value) (list []netip.Addr, err error) {
	values := []starlark.Value{v}
	if _, ok := v.(starlark.String); !ok {
		it, ok := v.(starlark.Iterable)
		if !ok {
			return nil, wrongServer(v)
		}
		values = values[:0]
		iter := it.Iterate()
		defer iter.Done()
		var x starlark.Value
		for iter.Next(&x) {
			values = append(values, x)
		}
	}
	for _, v := range values {
		x, err := registry.KindIP.Convert(v)
		a, ok := x.(netip.Addr)
		if err != nil || !ok || !a.Is6() || a.IsMulticast() || a.IsUnspecified() || a.Zone() != "" {
			return nil, wrongServer(v)
		}
		list = append(list, a)
	}
	if len(list) > maxServers {
		return nil, errors.New("dns is at most four servers")
	}
	return list, nil
}

func wrongServer(v starlark.Value) error {
	return fmt.Errorf(`dns is an address of IPv6 such as "fd00::53", or a list, got %v`, v)
}

// value converts the value of a key.
func value[T any](key string, k registry.Kind, v starlark.Value) (x T, err error) {
	got, err := k.Convert(v)
	if err != nil {
		return x, fmt.Errorf("%s is %s, got %v", key, k.Describe(), v)
	}
	return got.(T), nil
}
