package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"smolsh/cmd/smolsh/proxy"
	"smolsh/script"
	"smolsh/stack/lab"
)

const proxyUsage = `usage: smolsh proxy [flags] [LISTEN=TARGET…]

Carries the TCP and UDP of other programs through two hosts of a lab, local and peer, and a link between them:

  smolsh proxy --loss 1% --delay 40ms 8080=127.0.0.1:80
  curl http://127.0.0.1:8080/

Real segments are lost, delayed and duplicated on the link, and TCP repairs that. LISTEN is PORT, on the loopback 127.0.0.1, or
HOST:PORT, or *:PORT for all addresses of the machine; port 0 is a free one. TARGET is HOST:PORT, or PORT on the loopback. udp: before
LISTEN makes it UDP: udp:5353=192.0.2.1:53. Numbers without a unit are seconds, shares of 1 and bits per second; a line says what the
link does. --socks listens for clients that name their targets by SOCKS 5 or HTTP's CONNECT,
whose requests then cross the link as well; both carry TCP only.

On a terminal there is a prompt, where fault(), ss(), trace() and the rest work on both hosts, and link is the link; leaving it ends the
proxy. Otherwise the proxy runs until SIGINT or SIGTERM. Its end resets the connections.

`

// proxyOptions are the flags of `smolsh proxy`, checked.
type proxyOptions struct {
	flags *pflag.FlagSet
	help  bool

	routes             []proxy.Route
	socks, metrics     string // addresses to listen at; "" for none
	link               lab.LinkConfig
	duplicate, reorder chanceFlag
	faults, pcap       string
	udpIdle            time.Duration
	dns                []netip.Addr
	seed               uint64
	noPrompt           bool
}

// rawProxy holds the values of flags that need more checks than their type.
type rawProxy struct {
	loss                   chanceFlag
	delay, jitter, udpIdle durationFlag
	rate                   rateFlag
	dns                    []string
}

// chanceFlag is the value of a flag that takes a probability as scripts write it.
type chanceFlag float64

// String returns the probability in percent.
func (c *chanceFlag) String() string { return fmt.Sprint(float64(*c)*100, "%") }

// Set implements pflag.Value.
func (c *chanceFlag) Set(s string) error {
	got, err := script.ParseChance(s)
	*c = chanceFlag(got)
	return err
}

// Type implements pflag.Value.
func (c *chanceFlag) Type() string { return "chance" }

// rateFlag is the value of a flag that takes a rate as scripts write it, in bits per second.
type rateFlag uint64

// String returns the rate in bits per second.
func (r *rateFlag) String() string { return fmt.Sprint(uint64(*r)) }

// Set implements pflag.Value.
func (r *rateFlag) Set(s string) error {
	got, err := script.ParseRate(s)
	*r = rateFlag(got)
	return err
}

// Type implements pflag.Value.
func (r *rateFlag) Type() string { return "rate" }

const (
	maxProxyQueue = 65536 // frames that wait for a link, the lab's own bound
	leastUDPIdle  = 100 * time.Millisecond
	mostUDPIdle   = 24 * time.Hour
	mostDelay     = time.Minute
)

// serveProxy implements `smolsh proxy`.
func (o *options) serveProxy(stdout, stderr io.Writer) (status int, err error) {
	p, err := parseProxy(o.args)
	if err != nil {
		return 0, err
	}
	if p.help {
		_, err = io.WriteString(stdout, proxyUsage+"flags:\n"+p.flags.FlagUsages())
		return 0, err
	}
	return p.serve(stdout)
}

func proxyFlags() *pflag.FlagSet { return newProxyFlags(&proxyOptions{}, &rawProxy{}) }

func newProxyFlags(o *proxyOptions, r *rawProxy) *pflag.FlagSet {
	f := newFlagSet("smolsh proxy")
	f.Var(&r.loss, "loss", "chance that a frame is lost, each way, `CHANCE` such as 1% or 0.01")
	f.Var(&r.delay, "delay", "time that a frame takes, each way, `DURATION` such as 40ms")
	f.Var(&r.jitter, "jitter", "largest random time by which a frame is earlier or later than --delay, `DURATION`, so that frames overtake each other")
	f.Var(&r.rate, "rate", "bits per second of the link, each way, `RATE` such as 10mbit")
	f.IntVar(&o.link.Queue, "queue", 100, "frames that wait while the link sends one at its --rate, `N`; further ones are lost")
	f.Var(&o.duplicate, "duplicate", "chance that a second copy of a frame follows it, `CHANCE`")
	f.Var(&o.reorder, "reorder", "chance that a frame is held back for 10 ms, so that later ones overtake it, `CHANCE`")
	f.StringVar(&o.faults, "faults", "", "run the script `FILE` before the first connection is accepted; tasks that it spawns go on")
	f.StringVar(&o.socks, "socks", "", "listen for SOCKS 5 and HTTP's CONNECT at `ADDRESS`, written like LISTEN")
	f.StringVar(&o.metrics, "metrics", "", "serve the counters for Prometheus at http://`ADDRESS`/metrics; ADDRESS is written like LISTEN")
	r.udpIdle = durationFlag(proxy.DefaultUDPIdle)
	f.Var(&r.udpIdle, "udp-idle", "time without a datagram after which a UDP flow ends, `DURATION`")
	f.StringVar(&o.pcap, "pcap", "", "write every packet of both hosts to `FILE`: pcapng, or classic pcap if the name ends in .pcap; - is standard output, and what is printed goes to standard error")
	f.StringArrayVar(&r.dns, "dns", nil, "a DNS server in the lab that scripts and the prompt ask for names, `IP`; repeatable. The machine resolves the targets' names")
	f.Uint64Var(&o.seed, "seed", 0, "seed of what happens by chance, `N` (default a random one)")
	f.BoolVar(&o.noPrompt, "no-prompt", false, "no prompt on a terminal")
	for _, name := range []string{"loss", "delay", "jitter", "duplicate", "reorder"} {
		f.Lookup(name).DefValue = "0" // which the usage leaves out
	}
	o.flags = f
	return f
}

func parseProxy(args []string) (*proxyOptions, error) {
	o, r := &proxyOptions{}, &rawProxy{}
	f := newProxyFlags(o, r)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, flagError("proxy ", f, err)
	}
	o.link.Loss, o.link.RateBps = float64(r.loss), uint64(r.rate)
	o.link.Delay, o.link.Jitter, o.udpIdle = time.Duration(r.delay), time.Duration(r.jitter), time.Duration(r.udpIdle)
	switch {
	case f.NArg() == 0 && !f.Changed("socks"):
		return nil, usageError("proxy: say what to carry: smolsh proxy 8080=127.0.0.1:80, or --socks 1080")
	case o.link.Queue < 1 || o.link.Queue > maxProxyQueue:
		return nil, usageError("proxy: --queue: %d is not within 1 to %d frames (%s without --queue)", o.link.Queue, maxProxyQueue, f.Lookup("queue").DefValue)
	case o.udpIdle < leastUDPIdle || o.udpIdle > mostUDPIdle:
		return nil, usageError("proxy: --udp-idle: %v is not within %v to %v", o.udpIdle, leastUDPIdle, mostUDPIdle)
	case f.Changed("queue") && o.link.RateBps == 0:
		return nil, usageError("proxy: --queue is for --rate: no frame waits for a link without one")
	}
	for name, d := range map[string]time.Duration{"delay": o.link.Delay, "jitter": o.link.Jitter} {
		if d < 0 || d > mostDelay {
			return nil, usageError("proxy: --%s: %v is not within 0 to %v", name, d, mostDelay)
		}
	}
	var err error
	if o.dns, err = nameservers("proxy: ", r.dns); err != nil {
		return nil, err
	}
	if err := o.parseAddresses(); err != nil {
		return nil, err
	}
	if err := o.checkFiles(); err != nil {
		return nil, err
	}
	return o, nil
}

// parseAddresses reads the routes, and the addresses of --socks and --metrics. No two may be one.
func (o *proxyOptions) parseAddresses() error {
	type user struct{ what, network, at string }
	var users []user
	for _, s := range o.flags.Args() {
		route, err := proxy.ParseRoute(s)
		if err != nil {
			return usageError("proxy: %v", err)
		}
		o.routes = append(o.routes, route)
		users = append(users, user{s, route.Network, route.Listen})
	}
	for _, a := range []struct {
		name string
		at   *string
	}{{"socks", &o.socks}, {"metrics", &o.metrics}} {
		if !o.flags.Changed(a.name) {
			continue
		}
		at, err := proxy.ParseListen(*a.at)
		if err != nil {
			return usageError("proxy: --%s: %v", a.name, err)
		}
		users = append(users, user{"--" + a.name + " " + *a.at, "tcp", at})
		*a.at = at
	}
	for i, u := range users {
		for _, other := range users[:i] {
			if u.network == other.network && proxy.Clash(u.at, other.at) {
				return usageError("proxy: %s and %s listen at one port (take another one, or 0 for a free one)", other.what, u.what)
			}
		}
	}
	return nil
}

// checkFiles checks the names of files.
func (o *proxyOptions) checkFiles() error {
	for _, name := range []string{"faults", "pcap"} {
		if f := o.flags.Lookup(name); f.Changed && f.Value.String() == "" {
			return usageError("proxy: --%s: say which file", name)
		}
	}
	switch {
	case o.pcap == standardOutput && isatty.IsTerminal(os.Stdout.Fd()):
		return usageError("proxy: --pcap -: standard output is a terminal; give it to a program such as: smolsh proxy --pcap - … | tcpdump -r -")
	case o.faults == "":
		return nil
	case o.faults == "-":
		return usageError("proxy: --faults: say which file (/dev/stdin is standard input)")
	}
	info, err := os.Stat(o.faults)
	switch {
	case err != nil:
		var of *os.PathError
		if errors.As(err, &of) {
			err = of.Err
		}
		return usageError("proxy: --faults: %s: %v", proxy.Shown(o.faults), err)
	case info.IsDir():
		return usageError("proxy: --faults: %s is a folder, not a script", proxy.Shown(o.faults))
	}
	return nil
}
