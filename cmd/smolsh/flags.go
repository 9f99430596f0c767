package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/fault"
	"smolsh/script"
	"smolsh/stack"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// options are the flags and arguments of the command line, checked.
type options struct {
	flags *pflag.FlagSet

	help, version, trace      bool
	noFiles                   bool
	promiscuous, shareAddress bool
	noIPv6, forward           bool
	file, pcap                string
	commands                  []string
	hasCommand                bool
	verb                      string // name of the verb; "" for a script or the shell
	args                      []string
	devices                   []device
	switchUsers               []string
	addrs, kernelAddrs        []netip.Prefix
	dns                       []netip.Addr // DNS servers that every host asks
	gateway, gateway6         netip.Addr   // default gateways; the zero Addr for none
	mac                       wire.HardwareAddr
	mtu                       int
	seed                      uint64
	seeded                    bool // true under the verb test, which sets the seed itself
	drop, corrupt             float64
	sizeLimit, txRate, rxRate int
	shaping                   int
}

// device is one `--device KIND[:NAME]`.
type device doctor.Device

const usageText = `usage: smolsh [flags] [FILE [ARG…] | -c TEXT [ARG…]]

  smolsh FILE.star [ARG…]   run a script; args is its list of arguments
  smolsh -c 'ping("…")'     run a line
  smolsh                    the shell; a script, if standard input is no terminal
  smolsh doc [NAME]         the reference
  smolsh test PATH…         run scenario tests
  smolsh doctor [DEVICE…]   check this machine, and devices such as tap:tap0; print the remedies
  smolsh bench [FLAG…]      measure smolsh beside its peers
  smolsh switch PATH        a switch for hosts of other processes: --device switch:PATH
  smolsh proxy L=TARGET…    carry other programs' TCP and UDP through a lab
  smolsh completion SHELL   completion for bash, zsh or fish
  smolsh help [VERB]        this text, or a verb's
  smolsh version            print the version

`

func (o *options) usage() string {
	return usageText + "flags, before FILE:\n" + o.flags.FlagUsages()
}

// unchecked holds the values of flags that need more checks than their type.
type unchecked struct {
	devices, addrs, kernelAddrs, gateways, dns, pcaps []string
	mac                                               string
}

func parseFlags(argv []string) (*options, error) {
	o := &options{}
	var r unchecked
	f := newFlagSet("smolsh")
	f.SetInterspersed(false)
	o.flags = f
	f.StringArrayVarP(&o.commands, "command", "c", nil, "run the statements in `TEXT`; several run one after the other")
	f.StringArrayVar(&r.devices, "device", nil, "`KIND[:NAME]`: lab, a TAP in a new network namespace (the default; sim if that is not possible and no --device is given); tap:NAME; tun:NAME; raw:NAME, an interface of the kernel; switch:PATH, a switch that smolsh switch PATH serves; sim, a virtual lab; loopback")
	f.StringArrayVar(&o.switchUsers, "switch-user", nil, "`USER` may also serve the switch of switch:PATH, as you and root may; repeatable")
	f.StringArrayVar(&r.addrs, "addr", nil, "the host's address with prefix length, `CIDR`; repeatable (default 192.168.69.1/24 and fdaa::1/64; none on raw, which then only receives)")
	f.StringArrayVar(&r.kernelAddrs, "kernel-addr", nil, "the kernel's address on a TAP or TUN that smolsh makes, with prefix length, `CIDR`; repeatable (default 192.168.69.100/24 and fdaa::100/64)")
	f.StringArrayVar(&r.gateways, "gateway", nil, "the default route's gateway, `IP`; one of each family")
	f.StringArrayVar(&r.dns, "dns", nil, "a DNS server that hosts ask for names, `IP`; repeatable (default those that routers advertise)")
	f.BoolVar(&o.noIPv6, "no-ipv6", false, "the host speaks no IPv6, except on a device for which --addr gives an IPv6 address")
	f.BoolVar(&o.forward, "forward", false, "the host is a router: it forwards packets of both families between its devices, and learns nothing from other routers")
	f.StringVar(&r.mac, "mac", "02:00:00:00:00:02", "the host's hardware `ADDRESS`; on raw the default is derived from the kernel's address, on a switch it is random")
	f.BoolVar(&o.promiscuous, "promiscuous", false, "on raw, also receive frames for other stations and those that the kernel sends")
	f.BoolVar(&o.shareAddress, "share-address", false, "on raw, use the kernel's own addresses and routes: ports of the host's sockets are the host's, everything else stays the kernel's")
	f.IntVar(&o.mtu, "mtu", 0, "length of the longest packet, in `OCTETS` (default the device's)")
	f.Uint64Var(&o.seed, "seed", 0, "seed of all randomness (default 1, but a random one for a host that is not virtual)")
	f.Float64Var(&o.drop, "drop-chance", 0, "`PERCENT` of packets to lose, in each direction, in every lab of the script")
	f.Float64Var(&o.corrupt, "corrupt-chance", 0, "`PERCENT` of packets in which to change one octet, in each direction")
	f.IntVar(&o.sizeLimit, "size-limit", 0, "length above which packets are lost, in `OCTETS`")
	f.IntVar(&o.txRate, "tx-rate-limit", 0, "number of `PACKETS` that may be sent per shaping interval")
	f.IntVar(&o.rxRate, "rx-rate-limit", 0, "number of `PACKETS` that may be received per shaping interval")
	f.IntVar(&o.shaping, "shaping-interval", 50, "time after which the rate limits' buckets are full again, in `MS`")
	f.StringArrayVar(&r.pcaps, "pcap", nil, "write every packet of every host to `FILE`, once, as its sender sent it: pcapng, or classic pcap if the name ends in .pcap; - is standard output, and the script's own output is then on standard error")
	f.BoolVar(&o.noFiles, "no-files", false, "scripts may use no files and run no programs, except that they may load() from their own folder and read files that the command line names")
	f.BoolVar(&o.trace, "trace", false, "print a line for each packet, of every lab of the script")
	f.BoolVar(&o.version, "version", false, "print the version")
	if err := f.Parse(argv); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, flagError("", f, err)
	}
	if err := o.check(&r); err != nil {
		return nil, err
	}
	o.positional(f)
	if o.verb != "doctor" { // which also takes devices as arguments
		if err := o.checkShared(); err != nil {
			return o, err
		}
	}
	return o, o.checkBefore(o.verb)
}

// newFlagSet returns an empty set of flags. Its usage keeps the flags' order. It prints nothing itself: execute prints
// errors, and the verb prints its usage.
func newFlagSet(name string) *pflag.FlagSet {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.SetOutput(nowhere{})
	return f
}

// durationFlag is the value of a flag that takes a duration as scripts write it.
type durationFlag time.Duration

// String returns the duration as Go writes it.
func (d *durationFlag) String() string { return time.Duration(*d).String() }

// Set implements pflag.Value.
func (d *durationFlag) Set(s string) error {
	got, err := script.ParseDuration(s)
	*d = durationFlag(got)
	return err
}

// Type implements pflag.Value.
func (d *durationFlag) Type() string { return "duration" }

// nowhere discards the text that pflag prints.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// positional sets the arguments that are not flags: the verb or file, and its arguments.
func (o *options) positional(f *pflag.FlagSet) {
	o.args = f.Args()
	o.hasCommand = f.Changed("command")
	if o.hasCommand || len(o.args) == 0 {
		return
	}
	o.file, o.args = o.args[0], o.args[1:]
	if v, ok := verbNamed(o.file); ok {
		o.verb, o.file = v.name, ""
	}
}

func (o *options) check(r *unchecked) error {
	var err error
	for _, s := range r.devices {
		d, err := parseDevice(s)
		if err != nil {
			return err
		}
		o.devices = append(o.devices, d)
	}
	loops := o.onlyOn("loopback")
	if o.addrs, err = prefixes("addr", r.addrs, loops); err != nil {
		return err
	}
	if o.kernelAddrs, err = prefixes("kernel-addr", r.kernelAddrs, false); err != nil {
		return err
	}
	for _, s := range r.gateways {
		if err := o.addGateway(s); err != nil {
			return err
		}
	}
	if o.dns, err = nameservers("", r.dns); err != nil {
		return err
	}
	if o.mac, err = wire.ParseHardwareAddr(r.mac); err != nil {
		return usageError("--mac: %v", err)
	}
	if o.mac.IsGroup() || o.mac.IsZero() {
		return usageError("--mac: %v is no station's address", o.mac)
	}
	if o.flags.Changed("mtu") && (o.mtu < 68 || o.mtu > 65535) {
		return usageError("--mtu: %d is not within 68 to 65535 octets", o.mtu)
	}
	if o.promiscuous && !slices.ContainsFunc(o.devices, func(d device) bool { return d.Kind == "raw" }) {
		return usageError("--promiscuous is for raw devices")
	}
	if err := o.checkSharing(); err != nil {
		return err
	}
	if len(o.switchUsers) > 0 && !slices.ContainsFunc(o.devices, func(d device) bool { return d.Kind == "switch" }) {
		return usageError("--switch-user is for switch devices")
	}
	if err := o.checkPcap(r.pcaps); err != nil {
		return err
	}
	if err := o.checkFaults(); err != nil {
		return err
	}
	return o.checkEffects()
}

// checkSharing checks the flags that --share-address excludes.
func (o *options) checkSharing() error {
	if !o.shareAddress {
		return nil
	}
	for _, name := range []string{"addr", "gateway", "mac"} {
		if o.flags.Changed(name) {
			return usageError("--share-address: the host has the kernel's addresses and routes, so leave --%s out", name)
		}
	}
	if o.forward {
		return usageError("--share-address: the kernel forwards there, so leave --forward out")
	}
	return nil
}

// checkShared checks that --share-address is given only with raw devices.
func (o *options) checkShared() error {
	if o.shareAddress && !o.listens() {
		return usageError("--share-address is for raw devices: --device raw:eth0 --share-address")
	}
	return nil
}

// addGateway sets the default gateway of an address's family.
func (o *options) addGateway(s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Is4In6() {
		return usageError("--gateway: %q is no address", s)
	}
	if err := stack.CheckStation(a); err != nil {
		return usageError("--gateway: %v is %v", a, err)
	}
	at := &o.gateway
	if a.Is6() {
		at = &o.gateway6
	}
	switch {
	case at.IsValid():
		return usageError("--gateway: %v and %v are of one family: there is one default route of each", *at, a)
	case !o.onLink(a):
		return usageError("--gateway: %v is on none of the host's networks", a)
	}
	for _, own := range o.hostAddrs() {
		switch {
		case own.Addr() == a:
			return usageError("--gateway: %v is the host's own address", a)
		case a.Is4() && own.Contains(a):
			if err := stack.CheckAddr(netip.PrefixFrom(a, own.Bits())); err != nil {
				return usageError("--gateway: %v is %v", a, err)
			}
		}
	}
	*at = a
	return nil
}

// nameservers returns the DNS servers of --dns, each once. verb is what precedes the flag in an error, such as "proxy: ".
func nameservers(verb string, texts []string) (list []netip.Addr, err error) {
	for _, s := range texts {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, usageError("%s--dns: %q is no address", verb, s)
		}
		if err := stack.CheckStation(a); err != nil {
			return nil, usageError("%s--dns: %v is %v", verb, a, err)
		}
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
		if len(list) > script.MaxNameservers {
			return nil, usageError("%s--dns: at most %d servers are asked", verb, script.MaxNameservers)
		}
	}
	return list, nil
}

// onLink reports whether one of the host's networks contains a. Link-local addresses are on every link that speaks IPv6.
func (o *options) onLink(a netip.Addr) bool {
	addrs := o.hostAddrs()
	return a.Is6() && a.IsLinkLocalUnicast() && o.ipv6() == lab.IPv6On ||
		slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// hostAddrs returns the addresses of --addr, or the defaults. A host that is not to speak IPv6, or whose packets are too short for it
// (RFC 8200 §5), has no default address of IPv6.
func (o *options) hostAddrs() []netip.Prefix {
	switch {
	case len(o.addrs) > 0:
		return o.addrs
	case o.listens():
		return nil
	case o.noIPv6 || o.mtu > 0 && o.mtu < wire.MinMTU6:
		return ofIPv4(defaultAddrs)
	}
	return defaultAddrs
}

// ofIPv4 returns the addresses of IPv4.
func ofIPv4(addrs []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(addrs), func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// ipv6 returns whether the host's devices speak IPv6 without an address of it. A raw device without an address must send nothing.
func (o *options) ipv6() lab.IPv6Mode {
	if o.noIPv6 || o.listens() && len(o.addrs) == 0 {
		return lab.IPv6Off
	}
	return lab.IPv6On
}

func (o *options) checkFaults() error {
	for name, v := range map[string]float64{"drop-chance": o.drop, "corrupt-chance": o.corrupt} {
		if !(v >= 0 && v <= 100) {
			return usageError("--%s: %v is not within 0 to 100 percent", name, v)
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"size-limit", o.sizeLimit}, {"tx-rate-limit", o.txRate}, {"rx-rate-limit", o.rxRate}, {"shaping-interval", o.shaping}} {
		if o.flags.Changed(n.name) && n.value < 1 {
			return usageError("--%s: %d is not 1 or more", n.name, n.value)
		}
	}
	return nil
}

// prefixes parses the values of a flag, addresses that an interface may have. loops is true for the loopback device.
func prefixes(flag string, in []string, loops bool) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range in {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, usageError("--%s: %q is no address with prefix length such as 192.168.69.1/24", flag, s)
		}
		if err := stack.CheckAddr(p); err != nil && !(loops && p.Addr().IsLoopback()) {
			return nil, usageError("--%s: %v is %v", flag, p, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// deviceKinds lists the values of --device, for its error.
const deviceKinds = "lab, tap:NAME, tun:NAME, raw:NAME, switch:PATH, loopback, sim"

// listens reports whether every device is raw, so that the host has no address by default and only listens on the machine's network.
func (o *options) listens() bool {
	return len(o.devices) > 0 && !slices.ContainsFunc(o.devices, func(d device) bool { return d.Kind != "raw" })
}

// makes reports whether smolsh makes a device of this kind if it does not exist.
func (d device) makes() bool { return d.Kind == "tap" || d.Kind == "tun" }

// live reports whether the device belongs to the operating system, so that time follows the wall clock.
func (d device) live() bool {
	return d.Kind == "lab" || d.Kind == "raw" || d.Kind == "switch" || d.makes()
}

func parseDevice(s string) (device, error) {
	kind, name, named := strings.Cut(s, ":")
	switch kind {
	case "sim", "loopback", "lab":
		if named {
			return device{}, usageError("--device: %s takes no name, got %q", kind, s)
		}
	case "tap", "tun":
		if name == "" {
			return device{}, usageError("--device: say which %s, such as %s:%s0", strings.ToUpper(kind), kind, kind)
		}
	case "raw":
		if name == "" {
			return device{}, usageError("--device: say which interface, such as raw:eth0")
		}
	case "switch":
		if name == "" {
			return device{}, usageError("--device: say which switch by its socket, such as switch:/tmp/lab.sock")
		}
	default:
		return device{}, usageError("--device: no kind %q (there are %s)", kind, deviceKinds)
	}
	return device{kind, name}, nil
}

// faults adds the flags' fault rules to the host's interfaces.
func (o *options) faults(s *script.Session) {
	if o.drop > 0 {
		s.AddFault(fault.Rule{Loss: o.drop / 100}, fmt.Sprintf("loss=%v", o.drop/100))
	}
	if o.corrupt > 0 {
		s.AddFault(fault.Rule{Corrupt: o.corrupt / 100}, fmt.Sprintf("corrupt=%v", o.corrupt/100))
	}
	if o.sizeLimit > 0 {
		s.AddFault(fault.Rule{MaxSize: o.sizeLimit}, fmt.Sprintf("max_size=%d", o.sizeLimit))
	}
	interval := time.Duration(o.shaping) * time.Millisecond
	if o.txRate > 0 {
		s.AddFault(fault.Rule{Dir: fault.TX, Bucket: o.txRate, Interval: interval}, fmt.Sprintf("bucket=%d interval=%v", o.txRate, interval))
	}
	if o.rxRate > 0 {
		s.AddFault(fault.Rule{Dir: fault.RX, Bucket: o.rxRate, Interval: interval}, fmt.Sprintf("bucket=%d interval=%v", o.rxRate, interval))
	}
}
