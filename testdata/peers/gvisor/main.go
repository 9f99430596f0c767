// Gvisorpeer makes the measurements of `smolsh bench` with gVisor's netstack: it receives, sends or echoes on a TAP, or
// measures two stacks in one process. See README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	nic   = 1
	chunk = 64 << 10
)

type args map[string]string

func (a args) span(key string) time.Duration {
	f, _ := strconv.ParseFloat(a[key], 64)
	return time.Duration(f * float64(time.Second))
}

func (a args) number(key string) int {
	n, _ := strconv.Atoi(a[key])
	return n
}

func main() {
	a := args{}
	for _, s := range os.Args[min(2, len(os.Args)):] {
		k, v, _ := strings.Cut(s, "=")
		a[k] = v
	}
	result, err := run(a)
	if err != nil {
		tell("error", err.Error())
		os.Exit(1)
	}
	if result != nil {
		tell("result", result)
	}
}

func run(a args) (map[string]float64, error) {
	if len(os.Args) < 2 {
		return nil, errors.New("run it with tap or inside, then KEY=VALUE for each parameter")
	}
	switch os.Args[1] {
	case "tap":
		return onTAP(a)
	case "inside":
		return inside(a)
	}
	return nil, fmt.Errorf("no actor %q", os.Args[1])
}

func tell(key string, v any) {
	b, _ := json.Marshal(map[string]any{key: v})
	os.Stdout.Write(append(b, '\n'))
}

// newStack returns a stack with one interface and one address.
func newStack(link stack.LinkEndpoint, addr string) (*stack.Stack, error) {
	opts := stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	}
	s := stack.New(opts)
	sack := tcpip.TCPSACKEnabled(true)
	cubic := tcpip.CongestionControlOption("cubic")
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 4 << 20, Max: 8 << 20}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 4 << 20, Max: 8 << 20}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &cubic, &send, &receive} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return nil, fmt.Errorf("option: %v", err)
		}
	}
	if err := s.CreateNIC(nic, link); err != nil {
		return nil, fmt.Errorf("NIC: %v", err)
	}
	ip := parse(addr)
	if err := s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: ip, PrefixLen: 24},
	}, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("address: %v", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	return s, nil
}

func parse(s string) tcpip.Address {
	var b [4]byte
	fmt.Sscanf(s, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
	return tcpip.AddrFrom4(b)
}

// fullAddress returns ADDRESS:PORT as gVisor's address.
func fullAddress(s string) (tcpip.FullAddress, error) {
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.Atoi(port)
	if !ok || err != nil {
		return tcpip.FullAddress{}, fmt.Errorf("%q is no ADDRESS:PORT", s)
	}
	return tcpip.FullAddress{NIC: nic, Addr: parse(host), Port: uint16(n)}, nil
}
