// Gvisor is the program on two stacks of gVisor, joined by channel endpoints.
package main

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"size/web"
)

func main() {
	server, client := channel.New(256, 1500, ""), channel.New(256, 1500, "")
	s, c := newStack(server, "10.0.0.1"), newStack(client, "10.0.0.2")
	go carry(server, client)
	go carry(client, server)
	listener, err := gonet.ListenTCP(s, tcpip.FullAddress{Port: 80}, ipv4.ProtocolNumber)
	web.Check(err)
	web.Run(listener, func(ctx context.Context, _, address string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		return gonet.DialContextTCP(ctx, c, tcpip.FullAddress{Addr: tcpip.AddrFrom4(to.Addr().As4()), Port: to.Port()}, ipv4.ProtocolNumber)
	}, "http://10.0.0.1/world")
}

// newStack returns a stack with the protocols that a host of smolsh has.
func newStack(link stack.LinkEndpoint, addr string) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	check(s.CreateNIC(1, link))
	check(s.AddProtocolAddress(1, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(netip.MustParseAddr(addr).As4()), PrefixLen: 24},
	}, stack.AddressProperties{}))
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	return s
}

func check(err tcpip.Error) {
	if err != nil {
		web.Check(errors.New(err.String()))
	}
}

// carry passes packets from one link to the other.
func carry(from, to *channel.Endpoint) {
	for {
		out := from.ReadContext(context.Background())
		if out == nil {
			return
		}
		in := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: out.ToBuffer()})
		out.DecRef()
		to.InjectInbound(header.IPv4ProtocolNumber, in)
		in.DecRef()
	}
}
