package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// tool skips the test where a program is not installed. The project's own machine has them all.
func tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

// writePcap writes a capture file of frames.
func writePcap(t testing.TB, link uint32, frames [][]byte) (path string) {
	t.Helper()
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	b = le.AppendUint32(b, link)
	for i, f := range frames {
		b = le.AppendUint32(le.AppendUint32(b, uint32(i)), 0)
		b = append(le.AppendUint32(le.AppendUint32(b, uint32(len(f))), uint32(len(f))), f...)
	}
	path = filepath.Join(t.TempDir(), "composed.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tsharkLines returns tshark's values of fields, a line for each frame.
func tsharkLines(t testing.TB, link uint32, frames [][]byte, fields ...string) []string {
	t.Helper()
	args := []string{"-r", writePcap(t, link, frames), "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"}
	for _, on := range []string{"ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"} {
		args = append(args, "-o", on+":TRUE")
	}
	args = append(args, "-o", "ip.defragment:TRUE", "-o", "ipv6.defragment:TRUE")
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(frames) {
		t.Fatalf("tshark reads %d packets of %d", len(lines), len(frames))
	}
	return lines
}

// TestTsharkReadsComposed: tshark finds every composed packet well-formed, with right checksums.
func TestTsharkReadsComposed(t *testing.T) {
	tool(t, "tshark")
	links := map[*Protocol]uint32{Ether: 1, SLL: 113, SLL2: 276, Null: 0}
	verified := map[string]int{}
	for first, link := range links {
		var names []string
		var frames [][]byte
		for name, layers := range compositions(t) {
			if layers[0].table == first {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			p, err := draftOf(t, compositions(t)[name]...).Build()
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, p.Octets)
		}
		checksums := []string{"ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status", "igmp.checksum.status", "gre.checksum.status"}
		fields := append([]string{"frame.protocols", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message"}, checksums...)
		for i, line := range tsharkLines(t, link, frames, fields...) {
			values := strings.Split(line, "|")
			if strings.Contains(values[0], "malformed") || values[1] != "" {
				t.Errorf("%s: %s", names[i], line)
			}
			for _, severity := range strings.Split(values[2], ",") {
				if severity == "8388608" || severity == "6291456" { // error
					t.Errorf("%s: %s", names[i], values[3])
				}
			}
			for k, status := range values[4:] {
				for _, s := range strings.Split(status, ",") {
					if s == "0" {
						t.Errorf("%s: bad checksum, %s", names[i], line)
					} else if s == "1" {
						verified[checksums[k]]++
					}
				}
			}
		}
	}
	for _, name := range []string{"ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status", "igmp.checksum.status", "gre.checksum.status"} {
		if verified[name] == 0 {
			t.Errorf("tshark verifies no %s", name)
		}
	}
	t.Log(verified)
}

// TestGopacketReadsComposed: gopacket decodes IP, TCP and UDP of composed packets with the values that were set.
func TestGopacketReadsComposed(t *testing.T) {
	count := 0
	for name, ls := range compositions(t) {
		if ls[0].table != Ether || ls[1].table != IP && ls[1].table != IPv6 {
			continue
		}
		p, err := draftOf(t, ls...).Build()
		if err != nil {
			t.Fatal(err)
		}
		g := gopacket.NewPacket(p.Octets, layers.LayerTypeEthernet, gopacket.Default)
		num := func(table *Protocol, field string) uint64 {
			l, _ := p.Layer(table)
			n, _ := l.num(field)
			return n
		}
		var got, want string
		if l, ok := g.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && ls[1].table == IP {
			got = fmt.Sprint(l.SrcIP, l.DstIP, l.IHL, l.Length, l.TTL, l.Checksum, uint8(l.Protocol))
			src, dst, _ := p.Layers[1].addresses()
			want = fmt.Sprint(src, dst, num(IP, "ihl"), num(IP, "len"), num(IP, "ttl"), num(IP, "chksum"), num(IP, "proto"))
		}
		if l, ok := g.Layer(layers.LayerTypeIPv6).(*layers.IPv6); ok && ls[1].table == IPv6 {
			src, _ := netip.AddrFromSlice(l.SrcIP)
			got += fmt.Sprint(src, l.Length, l.HopLimit, uint8(l.NextHeader))
			a, _, _ := p.Layers[1].addresses()
			want += fmt.Sprint(a, num(IPv6, "plen"), num(IPv6, "hlim"), num(IPv6, "nh"))
		}
		_, quoted := p.Layer(UDP)
		if l, ok := g.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && quoted {
			got += fmt.Sprint(uint16(l.SrcPort), uint16(l.DstPort), l.Length, l.Checksum)
			want += fmt.Sprint(num(UDP, "sport"), num(UDP, "dport"), num(UDP, "len"), num(UDP, "chksum"))
			count++
		}
		_, quoted = p.Layer(TCP)
		if l, ok := g.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && quoted {
			got += fmt.Sprint(uint16(l.SrcPort), uint16(l.DstPort), l.Seq, l.Ack, l.DataOffset, l.Window, l.Checksum, l.Urgent, l.SYN, l.ACK)
			want += fmt.Sprint(num(TCP, "sport"), num(TCP, "dport"), num(TCP, "seq"), num(TCP, "ack"), num(TCP, "dataofs"), num(TCP, "window"), num(TCP, "chksum"), num(TCP, "urgptr"), num(TCP, "flags")&2 != 0, num(TCP, "flags")&16 != 0)
			count++
		}
		if got != want {
			t.Errorf("%s: gopacket reads %s, want %s", name, got, want)
		}
	}
	if count < 15 {
		t.Errorf("only %d transport headers", count)
	}
}
