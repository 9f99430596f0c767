package script

import (
	"errors"
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

type hardwareAddr = wire.HardwareAddr

// ifaceValue is the object that a row of ifaces() describes: a host and an interface's name.
type ifaceValue struct {
	h    *hostValue
	name string
}

func (i *ifaceValue) String() string        { return i.h.name + "." + i.name }
func (i *ifaceValue) Type() string          { return "iface" }
func (i *ifaceValue) Freeze()               {}
func (i *ifaceValue) Truth() starlark.Bool  { return true }
func (i *ifaceValue) Hash() (uint32, error) { return starlark.String(i.name).Hash() }

// port returns the lab's port of the interface, to which faults are attached; nil if the interface was removed.
func (i *ifaceValue) port() *lab.Port {
	for _, p := range i.h.h.Ports() {
		if p.Iface().Name() == i.name {
			return p
		}
	}
	return nil
}

func ifaceBuiltins() []*builtin {
	return []*builtin{
		{Name: "iface.add_addr", Sig: "address, probe=False", Kinds: "cidr bool",
			Args: `address: with prefix length, "10.0.0.1/24" or "fd00::1/64"; probe: whether to probe first if another station uses it, for four to seven seconds (RFC 5227), and one to two for IPv6 (RFC 4862)`,
			Doc:  "Add an address to the interface and announce it.", Example: `ifaces()[0].add_addr("fd00::1/64", probe=True)`, See: "addrs", Fn: ifaceAddAddr},
		{Name: "iface.del_addr", Sig: "address", Kinds: "cidr", Args: `address: with prefix length, "10.0.0.1/24"`,
			Doc: "Remove an address; its connections end.", Example: `ifaces()[0].add_addr("10.0.0.1/24"); ifaces()[0].del_addr("10.0.0.1/24")`,
			Fn: ifaceDo(func(c *call, i *stack.Iface, now clock.Instant) error {
				p := arg[netip.Prefix](c, "address")
				return ofAddress(p, i.DelAddr(now, p))
			})},
		{Name: "iface.set", Sig: "mtu=, mac=, ipv6=", Kinds: "int:68..65535 mac bool",
			Args: "mtu: octets of the longest packet, 1280 or more for IPv6; ipv6: True makes the interface speak IPv6: it takes a link-local address and asks for routers",
			Doc:  "Change the MTU or the hardware address, or switch IPv6 on.", Example: `ifaces()[0].set(ipv6=True)`, Fn: ifaceDo(ifaceSet)},
		{Name: "iface.up",
			Doc: "Switch the interface on.", Example: `ifaces()[0].up()`,
			Fn: ifaceDo(func(c *call, i *stack.Iface, now clock.Instant) error { i.SetUp(now, true); return nil })},
		{Name: "iface.down",
			Doc: "Switch the interface off.", Example: `ifaces()[0].down()`,
			Fn: ifaceDo(func(c *call, i *stack.Iface, now clock.Instant) error { i.SetUp(now, false); return nil })},
	}
}

// ifaceAddAddr adds an address to the interface. On request it first probes for a station that uses the address.
func ifaceAddAddr(c *call) (starlark.Value, error) {
	var claim *stack.AddrProbe
	v := c.recv.(*ifaceValue)
	if none, err := ifaceDo(func(c *call, i *stack.Iface, now clock.Instant) (err error) {
		p := arg[netip.Prefix](c, "address")
		if p.Addr().Is6() && i.MTU() < wire.MinMTU6 {
			return tooShort(i)
		}
		if arg[bool](c, "probe") {
			claim, err = i.ProbeAddr(now, p)
			return ofAddress(p, err)
		}
		return ofAddress(p, i.AddAddr(now, p))
	})(c); err != nil || claim == nil {
		return none, err
	}
	var by wire.HardwareAddr
	var refused error
	err := c.t.Await(v.h.w, "answers to address probes", &claim.Signal, -1, func(clock.Instant) (done bool) {
		done, by, refused = claim.Done()
		return done
	})
	if err != nil {
		c.s.tasks.Do(v.h.w, func(clock.Instant) { claim.Cancel() })
		return nil, err
	}
	if errors.Is(refused, stack.ErrInUse) {
		refused = fmt.Errorf("%w, %v: choose another address", refused, by)
	}
	return starlark.None, failed(c.t, c.b.Name, arg[netip.Prefix](c, "address"), refused)
}

// ofAddress returns err, which may be nil, with the address that a host can't have or take away, and why it can't.
func ofAddress(p netip.Prefix, err error) error {
	a := p.Addr()
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, stack.ErrInvalid):
		return fmt.Errorf("%v: %w", p, err)
	case a.IsMulticast():
		return fmt.Errorf("%v is a group's address; a socket joins a group: udp.bind().join(%q)", a, a)
	case a.IsLoopback():
		return fmt.Errorf("%v is an address of the loopback alone", a)
	case !a.Is4() || a.As4()[0] == 0 || a.As4()[0] >= 240 || p.Bits() > 30:
		return fmt.Errorf("%v is no host's address", a)
	case a == p.Masked().Addr():
		return fmt.Errorf("%v is the address of the whole network %v", a, p)
	default:
		return fmt.Errorf("%v is the broadcast address of %v", a, p.Masked())
	}
}

// tooShort returns the error that the packets of an interface are too short for IPv6 (RFC 8200 §5).
func tooShort(i *stack.Iface) error {
	return fmt.Errorf("IPv6 needs an MTU of %d octets, and that of %s is %d", wire.MinMTU6, i.Name(), i.MTU())
}

func ifaceSet(c *call, i *stack.Iface, now clock.Instant) error {
	if c.Given("mtu") {
		if err := i.SetMTU(arg[int](c, "mtu")); err != nil {
			return err
		}
	}
	if c.Given("ipv6") {
		switch on := arg[bool](c, "ipv6"); {
		case on && i.MTU() < wire.MinMTU6:
			return tooShort(i)
		case on:
			i.EnableIPv6(now)
		case i.IPv6():
			return errors.New("an interface that speaks IPv6 does so until it ends; a new host of a lab without addresses of IPv6 does not speak it")
		}
	}
	if mac := arg[hardwareAddr](c, "mac"); c.Given("mac") && (mac.IsGroup() || mac.IsZero()) {
		return fmt.Errorf("%v is no station's address", mac)
	}
	if c.Given("mac") {
		return i.SetMAC(now, arg[hardwareAddr](c, "mac"))
	}
	return nil
}

func ifaceDo(fn func(c *call, i *stack.Iface, now clock.Instant) error) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		v := c.recv.(*ifaceValue)
		var err error
		found := false
		v.h.do(func(now clock.Instant) {
			for _, i := range v.h.h.Ifaces() {
				if i.Name() == v.name {
					found = true
					err = fn(c, i, now)
				}
			}
		})
		if !found {
			return nil, c.errorf("no interface %s any more", v.name)
		}
		return starlark.None, failed(c.t, c.b.Name, v.name, err)
	}
}
