package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// A dialogue is what host B, 10.0.0.2, receives from station A, 10.0.0.1, and sends, one frame per line:
//
//	> udp 10.0.0.1:9 > 10.0.0.2:9 = port unreachable    a frame to B, and B's verdict
//	< icmp 10.0.0.2 > 10.0.0.1 port unreachable         the next frame of B; without such a line, B sends none
//	+1s                                                 time passes
//
// The notation of frames is that of show; broadcast frames to B are those whose destination is no address of B.
type dialogue struct {
	name, text string
}

var dialogues = []dialogue{
	{"ARP answers a request and learns its sender (RFC 826)", `
		> arp who-has 10.0.0.2 tell 10.0.0.3 = arp reply
		< arp reply 10.0.0.2 is-at 02:00:00:00:00:02
		> icmp 10.0.0.3 > 10.0.0.2 echo request = echo reply
		< icmp 10.0.0.2 > 10.0.0.3 echo reply`},
	{"ARP: a request for another station changes nothing (RFC 826)", `
		> arp who-has 10.0.0.9 tell 10.0.0.3 = dropped: arp not for us`},
	{"ARP answers a probe without learning (RFC 5227 §2.1.1)", `
		> arp who-has 10.0.0.2 tell 0.0.0.0 = arp reply
		< arp reply 10.0.0.2 is-at 02:00:00:00:00:02
		> icmp 10.0.0.3 > 10.0.0.2 echo request = echo reply
		< arp who-has 10.0.0.3 tell 10.0.0.2`},
	{"ARP defends its address once in ten seconds (RFC 5227 §2.4)", `
		> arp reply 10.0.0.2 is-at 02:00:00:00:00:01 = dropped: arp conflict
		< arp who-has 10.0.0.2 tell 10.0.0.2
		+9s
		> arp reply 10.0.0.2 is-at 02:00:00:00:00:01 = dropped: arp conflict
		+2s
		> arp reply 10.0.0.2 is-at 02:00:00:00:00:01 = dropped: arp conflict
		< arp who-has 10.0.0.2 tell 10.0.0.2`},
	{"ICMP: an echo waits for the requester's hardware address", `
		> icmp 10.0.0.3 > 10.0.0.2 echo request = echo reply
		< arp who-has 10.0.0.3 tell 10.0.0.2
		> arp reply 10.0.0.3 is-at 02:00:00:00:00:03 = arp
		< icmp 10.0.0.2 > 10.0.0.3 echo reply`},
	{"UDP: port unreachable (RFC 1122 §4.1.3.1)", `
		> udp 10.0.0.1:9 > 10.0.0.2:9 = port unreachable
		< icmp 10.0.0.2 > 10.0.0.1 port unreachable`},
	{"ICMP errors: none about a broadcast, a group, or a source that is no host (RFC 1122 §3.2.2)", `
		> udp 10.0.0.1:9 > 10.0.0.255:9 = dropped: no socket
		> udp 10.0.0.1:9 > 255.255.255.255:9 = dropped: no socket
		> udp 10.0.0.1:9 > 224.0.0.1:9 = dropped: no socket
		> udp 0.0.0.0:9 > 255.255.255.255:9 = dropped: no socket`},
	{"ICMP: no echo reply to a broadcast (RFC 1122 §3.2.2.6)", `
		> icmp 10.0.0.1 > 10.0.0.255 echo request = dropped: icmp to broadcast`},
}

// TestDialogues holds host B to each dialogue.
func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			h, i := lone(t)
			now, sent := clock.Instant(0), []string(nil)
			rest := func(at string) {
				if len(sent) > 0 {
					t.Fatalf("before %q B sends %q", at, sent)
				}
			}
			for _, line := range strings.Split(strings.TrimSpace(d.text), "\n") {
				line = strings.TrimSpace(line)
				switch line[0] {
				case '>':
					rest(line)
					frame, want, _ := strings.Cut(line[2:], " = ")
					if v := h.Receive(now, i, parseFrame(t, frame)); v.String() != want {
						t.Fatalf("%s: %q", line, v)
					}
				case '+':
					rest(line)
					d, err := time.ParseDuration(line[1:])
					must(t, err)
					now = now.Add(d)
					h.Tick(now)
				case '<':
					if len(sent) == 0 || sent[0] != line[2:] {
						t.Fatalf("B sends %q, want %q", sent, line[2:])
					}
					sent = sent[1:]
					continue
				}
				for _, f := range drain(h, now, i) {
					sent = append(sent, show(t, f))
				}
			}
			rest("the end")
		})
	}
}

// parseFrame makes the frame of a line.
func parseFrame(t *testing.T, s string) *phy.Frame {
	t.Helper()
	f := strings.Fields(s)
	if f[0] == "arp" {
		a := wire.ARP{Op: wire.ARPRequest, SenderHW: macC, TargetIP: netip.MustParseAddr(f[2])}
		if f[1] == "reply" {
			a = wire.ARP{Op: wire.ARPReply, SenderIP: netip.MustParseAddr(f[2]), TargetHW: macB, TargetIP: ipB}
			for k := range a.SenderHW {
				_, err := fmt.Sscanf(f[4][3*k:3*k+2], "%02x", &a.SenderHW[k])
				must(t, err)
			}
			return arpFrame(macB, a.SenderHW, a)
		}
		a.SenderIP = netip.MustParseAddr(f[4])
		return arpFrame(wire.Broadcast, macC, a)
	}
	var packet []byte
	var dst netip.Addr
	switch f[0] {
	case "udp":
		to := netip.MustParseAddrPort(f[3])
		packet, dst = udpPacket(netip.MustParseAddrPort(f[1]), to, nil), to.Addr()
	case "icmp":
		dst = netip.MustParseAddr(f[3])
		packet = icmpPacket(netip.MustParseAddr(f[1]), dst, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, nil)
	default:
		t.Fatalf("no such frame: %s", s)
	}
	hw := macB
	if dst.IsMulticast() {
		hw = wire.GroupMAC(dst)
	} else if dst != ipB {
		hw = wire.Broadcast
	}
	return crafted{hw, macA, wire.EtherTypeIPv4, packet}.frame()
}

// show is the line of a frame that B has sent.
func show(t *testing.T, f *phy.Frame) string {
	t.Helper()
	eth, b, err := wire.ParseEthernet(f.Bytes())
	must(t, err)
	if eth.Type == wire.EtherTypeARP {
		a, err := wire.ParseARP(b)
		must(t, err)
		if a.Op == wire.ARPReply {
			return fmt.Sprintf("arp reply %v is-at %v", a.SenderIP, a.SenderHW)
		}
		return fmt.Sprintf("arp who-has %v tell %v", a.TargetIP, a.SenderIP)
	}
	ip, p, err := wire.ParseIPv4(b)
	must(t, err)
	m, _, err := wire.ParseICMP(p, true)
	must(t, err)
	return fmt.Sprintf("icmp %v > %v %v", ip.Src, ip.Dst, &m)
}
