//go:build !portable

package doctor

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"

	"smolsh/phy"
	"smolsh/phy/netif"
	"smolsh/phy/portclaim"
	"smolsh/phy/raw"
	"smolsh/phy/tap"
	"smolsh/phy/unixport"
)

// causes maps the errors of devices to reason and remedy. Errors of --device and verdicts of `smolsh doctor` both take
// their texts from this table. In each text {name} is the interface's name, {kind} the requested kind and {other} the
// interface's own kind.
var causes = []struct {
	err       error
	why, cure string
}{
	{tap.ErrBusy, "{name} is open in another program{holder}", "end that one, or take another: --device {kind}:{kind}1"},
	{tap.ErrKind, "{name} is a {other}, not a {kind}", "smolsh --device {instead}:{name}"},
	{tap.ErrOwner, "{name} is not yours{owner}", "as root: {del}ip tuntap add name {name} mode {kind} user $USER"},
	{raw.ErrKind, "{name} carries no Ethernet frames", "as root: ip -br link shows which interfaces do"},
	{raw.ErrPermission, "{name} may not be listened to by you: a packet socket wants CAP_NET_RAW", "run it as root, or as root once: setcap cap_net_raw=eip on the smolsh binary"},
	{portclaim.ErrPermission, "{name}: the kernel's address can't be shared, since an nftables table wants CAP_NET_ADMIN", "run it as root, or as root once: setcap cap_net_admin,cap_net_raw=eip on the smolsh binary"},
	{portclaim.ErrUnsupported, "{name}: the kernel's address can't be shared, since the kernel has no nf_tables with owned tables", "as root: modprobe nf_tables, on Linux 5.12 or later; or an address of its own: --addr"},
	{netif.ErrNoAddress, "{name}: the kernel has no address there that a host could share", "as root: ip addr add one, or give the host an address of its own: --addr"},
	{netif.ErrNotFound, "there is no interface {name}", "ip -br link shows which there are"},
	{unixport.ErrNotFound, "there is no switch at {name}", "smolsh switch {name} serves one"},
	{unixport.ErrStale, "nobody serves the switch at {name} any more", "smolsh switch {name} serves one anew"},
	{unixport.ErrPermission, "{name} is not yours", "run switch and hosts as the same user, with a path that this user may write"},
	{unixport.ErrOther, "{name} is no switch's socket", "smolsh switch serves one at another path"},
	{unixport.ErrSilent, "{name}: the switch does not answer", "its process may be stopped: end it, and smolsh switch {name} serves one anew"},
	{unixport.ErrVersion, "{name}: the switch speaks version {theirs} of the protocol, and this smolsh version {ours}", "run the same smolsh for both"},
	{unixport.ErrMTU, "{name}: the switch has an MTU of {theirs}, not {ours}", "leave --mtu out, or smolsh switch --mtu {ours} {name}"},
	{unixport.ErrUser, "{name}: the switch there is served by {server}, who is neither you nor root, and would see all that the host sends", "where you trust that user: --switch-user {server}"},
	{unixport.ErrFull, "{name}: all {theirs} ports of the switch are taken", "end a host, or smolsh switch --ports gives it more"},
	{unixport.ErrServed, "{name}: a switch is served there already", "smolsh --device switch:{name} puts a host on it, or take another path"},
	{unixport.ErrPath, "{name}: no path for a socket", "one has 1 to 107 octets, and begins with no @"},
	{errSwitchGone, "{name}: the switch is gone", "smolsh switch {name} serves one anew, and the host finds it"},
	{errLinkDown, "{name}: the link is down", "as root: ip link set {name} up"},
	{errNoCarrier, "{name}: no carrier", "what is at the other end is down, or not plugged in"},
	{errNoAddress, "{name}: the kernel's end has no IPv4 address", "as root: ip addr add {peer} dev {name}"},
	{errNoAddress6, "{name}: the kernel's end has only a link-local IPv6 address", "as root: ip addr add {peer} dev {name} nodad"},
	{errNoIPv6, "{name}: the kernel's end speaks no IPv6", "as root: sysctl {switch}=0"},
	{errOtherNet, "{name}: the host has {addr}, which is on none of the kernel's networks there", "say --addr with an address of {peer}, or as root: ip route add {host} dev {name}"},
	{errNoForward, "the kernel does not forward what the host sends to others", "as root: sysctl {switch}=1"},
	{errReversePath, "{name}: the kernel drops what comes from {host}, since it would not answer there (rp_filter)", "as root: ip route add {host} dev {name}"},
	{errFirewall, "{name}: the kernel's end does not answer, and {chain} may be why", "as root: nft insert rule {chain} {match} \"{name}\" accept"},
	{errSilent, "{name}: the kernel's end at {peer} does not answer", "as root: {filter} -S and sysctl {ignore} show why"},
}

// Errors that no device returns. A checkup, or a change of a link, finds them.
var (
	errSwitchGone  = errors.New("switch gone")
	errLinkDown    = errors.New("link down")
	errNoCarrier   = errors.New("no carrier")
	errNoAddress   = errors.New("no address")
	errNoAddress6  = errors.New("no IPv6 address")
	errNoIPv6      = errors.New("no IPv6")
	errOtherNet    = errors.New("other network")
	errNoForward   = errors.New("not forwarded")
	errReversePath = errors.New("reverse path")
	errFirewall    = errors.New("firewall")
	errSilent      = errors.New("silent")
)

// Explain returns the reason why err prevents the use of the device, nil if causes does not have err. words fill the
// placeholders of the text, in pairs of name and value.
func Explain(d Device, err error, words ...string) *Obstacle {
	if errors.Is(err, tap.ErrPermission) || errors.Is(err, tap.ErrUnavailable) {
		var errno syscall.Errno
		errors.As(err, &errno)
		return tunError(errno)
	}
	for _, c := range causes {
		if !errors.Is(err, c.err) {
			continue
		}
		words = append(words, "name", d.Name, "kind", d.Kind)
		var e *unixport.Error
		if errors.As(err, &e) {
			words = append(words, "ours", strconv.Itoa(e.Ours), "theirs", strconv.Itoa(e.Theirs))
		}
		switch c.err {
		case unixport.ErrUser:
			words = append(words, "server", userName(e.Theirs))
		case tap.ErrBusy:
			words = append(words, "holder", holder(d.Name))
		case tap.ErrOwner:
			owner, remove := ownerOf(d)
			words = append(words, "owner", owner, "del", remove)
		case tap.ErrKind:
			kind := kindOf(d.Name)
			words = append(words, "other", kind)
			if kind != "tap" && kind != "tun" {
				kind = "raw"
			}
			words = append(words, "instead", kind)
		}
		return &Obstacle{fill(c.why, words), fill(c.cure, words)}
	}
	return nil
}

// linkObstacle returns the reason why a device's link carries no frames, nil if it carries frames.
func linkObstacle(name string, l netif.State) *Obstacle {
	switch {
	case !l.Up:
		return Explain(Device{Name: name}, errLinkDown)
	case !l.Carrier:
		return Explain(Device{Name: name}, errNoCarrier)
	}
	return nil
}

// LinkText returns the reason why the link of d is down, and the remedy if one is known.
func LinkText(d phy.Watcher) string {
	if s, ok := d.(*unixport.Device); ok {
		return Explain(Device{Name: s.Path()}, errSwitchGone).Text()
	}
	if l, ok := d.(interface{ Link() netif.State }); ok {
		if o := linkObstacle(d.Name(), l.Link()); o != nil {
			return o.Text()
		}
	}
	return d.Name() + ": the link is down"
}

// KindOf returns the kind of device, tap, tun or raw, by which a host stands on an interface of the machine. It returns "" if there is no
// interface of that name.
func KindOf(name string) string {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return ""
	}
	if kind := tap.KindOf(link); kind == "tap" || kind == "tun" {
		return kind
	}
	return "raw"
}

func kindOf(name string) string {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return "device"
	}
	return tap.KindOf(link)
}

// userName returns the name of a user of the machine, or the number of one without a name.
func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return strconv.Itoa(id)
}

// ownerOf returns the owner of a TAP or TUN as text: ": it is USER's". For an existing device it also returns the
// command that removes it, because the owner can't be changed.
func ownerOf(d Device) (owner, remove string) {
	link, err := netlink.LinkByName(d.Name)
	t, ok := link.(*netlink.Tuntap)
	if err != nil || !ok {
		return ": making one wants root", ""
	}
	remove = fmt.Sprintf("ip tuntap del name %s mode %s; ", d.Name, d.Kind)
	if name := userName(int(t.Owner)); name != strconv.Itoa(int(t.Owner)) {
		return ": it is " + name + "'s", remove
	}
	return fmt.Sprintf(": it is user %d's", t.Owner), remove
}
