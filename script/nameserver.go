package script

import (
	crypto "crypto/rand"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/dns"
)

// Bounds of the servers of a host.
const (
	MaxNameservers  = 16 // largest number that --dns and dns.add name
	maxAdvertisedNS = 3  // that are asked of those which routers advertise, however many that are
)

// noEnd lets the stack choose an address and a port, or leaves a connected socket's peer as it is.
var noEnd netip.AddrPort

// nameserverBuiltins returns the builtins that change which servers a host asks.
func nameserverBuiltins() []*builtin {
	return []*builtin{
		{Name: "dns.add", Sig: "server", Kinds: "ip", Args: "server: its address, or a host, which is asked on port 53", Host: true, See: "resolve",
			Doc: "Ask a DNS server for names, after those added before. --dns adds it to every host.", Example: `dns.add("192.168.69.100"); dns()[0].server`, Fn: dnsAdd},
		{Name: "dns.delete", Sig: "server", Kinds: "ip", Args: "server: an address that --dns or dns.add named", Host: true,
			Doc: "Ask a DNS server no more.", Example: `dns.add("192.168.69.100"); dns.delete("192.168.69.100")`, Fn: dnsDelete},
	}
}

func dnsAdd(c *call) (starlark.Value, error) {
	h, a := c.on(), arg[netip.Addr](c, "server")
	if err := stack.CheckStation(a); err != nil {
		return nil, c.errorf("%v is %v", a, err)
	}
	switch {
	case slices.Contains(h.dns, a):
		return nil, failed(c.t, "dns add", a, errors.New("it is there already"))
	case len(h.dns) >= MaxNameservers:
		return nil, c.errorf("at most %d servers are asked", MaxNameservers)
	}
	h.dns = append(slices.Clip(h.dns), a)
	return starlark.None, nil
}

func dnsDelete(c *call) (starlark.Value, error) {
	h, a := c.on(), arg[netip.Addr](c, "server")
	k := slices.Index(h.dns, a)
	if k < 0 {
		return nil, failed(c.t, "dns delete", a, errors.New("neither --dns nor dns.add named it"))
	}
	h.dns = slices.Delete(slices.Clone(h.dns), k, k+1)
	return starlark.None, nil
}

// nameservers returns the servers that the host asks, in this order: those that --dns and dns.add named, or else the first of those that
// routers advertise (RFC 8106).
func (h *hostValue) nameservers() (list []netip.AddrPort) {
	for _, a := range h.dns {
		list = append(list, netip.AddrPortFrom(a, dns.Port))
	}
	if len(list) > 0 {
		return list
	}
	h.do(func(now clock.Instant) {
		for _, info := range h.h.DNSInfos(now) {
			at := netip.AddrPortFrom(info.Server, dns.Port)
			if info.Server.IsValid() && len(list) < maxAdvertisedNS && !slices.Contains(list, at) {
				list = append(list, at)
			}
		}
	})
	return list
}

// unguessable returns an identifier for a question. In a virtual lab it follows from the lab's seed, so that runs repeat. On a live host
// it is the system's, so that nobody on the network can compute it from earlier ones (RFC 5452 §9.2). Only the owner calls it.
func (h *hostValue) unguessable() uint16 {
	if !h.w.Virtual() {
		var b [2]byte
		crypto.Read(b[:])
		return binary.BigEndian.Uint16(b[:])
	}
	if h.ids == nil {
		sum := fnv.New64a()
		sum.Write([]byte(h.name))
		h.ids = rand.New(rand.NewPCG(mixSeed(h.lab.lab.Seed(), sum.Sum64()), idsOfSeed))
	}
	return uint16(h.ids.Uint32())
}
