package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/stack/drop"
)

func TestFlagsString(t *testing.T) {
	for want, f := range map[string]Flags{
		"none": 0, "S": SYN, "S.": SYN | ACK, ".": ACK, "P.": PSH | ACK, "F.": FIN | ACK, "FP.": FIN | PSH | ACK,
		"R": RST, "R.": RST | ACK, "P.U": PSH | ACK | URG, "SEW": SYN | ECE | CWR, "S.E": SYN | ACK | ECE,
		"FS": FIN | SYN, "FSRP.UEW": 0xff,
	} {
		if got := f.String(); got != want {
			t.Errorf("flags %#02x = %q, want %q", uint8(f), got, want)
		}
	}
	if !(SYN | ACK).Has(SYN) || !(SYN | ACK).Has(SYN|ACK) || SYN.Has(SYN|ACK) || !SYN.Has(0) {
		t.Error("Has asks for every bit")
	}
}

// TestFlagsAsTcpdump: every combination of flags has the notation that tcpdump prints.
func TestFlagsAsTcpdump(t *testing.T) {
	tool, err := exec.LookPath("tcpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tcpdump is not there: apt-get install tcpdump")
		}
		t.Skip("tcpdump is not there: apt-get install tcpdump")
	}
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for f := range 256 {
		b := make([]byte, IPv4Len+TCPLen)
		(&IPv4{TTL: 64, Protocol: ProtocolTCP, Src: src4, Dst: dst4, PayloadLen: TCPLen}).Put(b)
		(&TCP{SrcPort: 1, DstPort: 2, Flags: Flags(f)}).Put(b[IPv4Len:])
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(b), Length: len(b)}
		if err := w.WritePacket(ci, b); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, "-n", "-t", "-r", "-")
	cmd.Stdin = &file
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	printed := regexp.MustCompile(`Flags \[([^]]*)\]`).FindAllStringSubmatch(string(out), -1)
	if len(printed) != 256 {
		t.Fatalf("tcpdump printed %d packets, want 256:\n%s", len(printed), out)
	}
	for f, m := range printed {
		if got := Flags(f).String(); got != m[1] {
			t.Errorf("flags %#02x = %q, tcpdump has %q", f, got, m[1])
		}
	}
}

// A SYN as Linux sends it, with the options mss, sackOK, TS, nop and wscale.
const linuxSYN = "0204 05b4 0402 080a 00112233 00000000 01 030307"

func TestTCPOptions(t *testing.T) {
	for _, c := range []struct {
		what, octets string
		want         TCPOptions
	}{
		{"none", "", TCPOptions{}},
		{"Linux's SYN", linuxSYN,
			TCPOptions{MSS: 1460, SACKPermitted: true, HasTimestamps: true, TSVal: 0x112233, HasWindowScale: true, WindowScale: 7}},
		{"a SYN without SACK", "0204 05b4 0101 080a 00112233 00000000 01 030307",
			TCPOptions{MSS: 1460, HasTimestamps: true, TSVal: 0x112233, HasWindowScale: true, WindowScale: 7}},
		{"a SYN without timestamps", "0204 05b4 0101 0402 01 030307",
			TCPOptions{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 7}},
		{"MSS alone", "0204 0218", TCPOptions{MSS: 536}},
		{"a scale of zero", "01 030300", TCPOptions{HasWindowScale: true}},
		{"timestamps", "0101 080a fffffffe 12345678", TCPOptions{HasTimestamps: true, TSVal: 0xfffffffe, TSEcr: 0x12345678}},
		{"timestamps and three blocks of SACK", "0101 080a 00000001 00000002" +
			"0101 051a 00000010 00000020 00000030 00000040 fffffff0 00000005",
			TCPOptions{HasTimestamps: true, TSVal: 1, TSEcr: 2, NumSACK: 3,
				SACK: [4]SACKBlock{{0x10, 0x20}, {0x30, 0x40}, {0xfffffff0, 5}}}},
		{"four blocks of SACK", "0101 0522 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008",
			TCPOptions{NumSACK: 4, SACK: [4]SACKBlock{{1, 2}, {3, 4}, {5, 6}, {7, 8}}}},
	} {
		wire := octets(c.octets)
		h := TCP{SrcPort: 0xc001, DstPort: 80, Seq: 0x01020304, Ack: 0xfcfdfeff, Flags: ACK, Window: 502, Urgent: 3, Options: c.want}
		if got := c.want.Len(); got != len(wire) || h.HeaderLen() != TCPLen+len(wire) {
			t.Errorf("%s: Len = %d, want %d", c.what, got, len(wire))
			continue
		}
		out := bytes.Repeat([]byte{0xee}, h.HeaderLen())
		if n := h.Put(out); n != len(out) {
			t.Errorf("%s: Put = %d, want %d", c.what, n, len(out))
		}
		fixed := octets("c001 0050 01020304 fcfdfeff 0010 01f6 0000 0003")
		fixed[12] = byte(5+len(wire)/4) << 4
		wantOctets(t, c.what, out, append(fixed, wire...))
		got, p, err := ParseTCP(append(out, "data"...))
		if err != nil || got != h || string(p) != "data" {
			t.Errorf("%s: got %+v, %q, %v", c.what, got, p, err)
		}
	}
}

// TestTCPOptionsTolerated: options may have any order, unknown kinds, an end of the list in the middle, and repeated
// kinds.
func TestTCPOptionsTolerated(t *testing.T) {
	for _, c := range []struct {
		what, octets string
		want         TCPOptions
	}{
		{"an end, and rubbish behind it", "00 02ffff", TCPOptions{}},
		{"no end at all", "01010101", TCPOptions{}},
		{"an unknown option", "fe04 dead 0204 05b4", TCPOptions{MSS: 1460}},
		{"an unknown option without data", "1e02 0402", TCPOptions{SACKPermitted: true}},
		{"an unknown option up to the end", "0204 05b4 0101 1d12 00000000 00000000 00000000 00000000", TCPOptions{MSS: 1460}},
		{"Fast Open's cookie", "2202 0101", TCPOptions{}},
		{"the last MSS counts", "0204 05b4 0204 0218", TCPOptions{MSS: 536}},
		{"the last SACK counts", "0101 0512 00000001 00000002 00000003 00000004 0101 050a 00000005 00000006",
			TCPOptions{NumSACK: 1, SACK: [4]SACKBlock{{5, 6}}}},
		{"unaligned", "030307 0402 0204 05b4 080a 00000001 00000002 00",
			TCPOptions{MSS: 1460, SACKPermitted: true, HasTimestamps: true, TSVal: 1, TSEcr: 2, HasWindowScale: true, WindowScale: 7}},
	} {
		h, _, err := ParseTCP(withOptions(octets(c.octets)))
		if err != nil || h.Options != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.what, h.Options, err, c.want)
		}
	}
}

// withOptions returns a segment with the given options, padded with zeros.
func withOptions(o []byte) []byte {
	b := make([]byte, TCPLen+(len(o)+3)&^3)
	b[12] = byte(len(b)/4) << 4
	copy(b[TCPLen:], o)
	return b
}

func TestTCPBadOptions(t *testing.T) {
	for _, o := range []string{
		"0200 0000", "0201 0000", "0203 0000", "0205 0000 00", "0206 0000 0000", "0208", // MSS
		"0302", "0304 0000", "030307 0302", // window scale
		"0403 00", "0401", // SACK permitted
		"0502", "0503 00", "0509 00000000000000", "050b 000000000000000000", "0512 0000000000000000", // SACK
		"0802", "0809 00000000000000", "080b 000000000000000000", "080a 0000", // timestamps
		"fe00", "fe01", "0101 fe03", "feff", "fe06 0000", // unknown
		"010101 02", "010101 fe", "01010101 010101 08", // the option ends before its length
	} {
		_, p, err := ParseTCP(withOptions(octets(o)))
		wantErr(t, o, err, drop.BadOption)
		if p != nil {
			t.Errorf("%s: a payload", o)
		}
	}
}

func tcpPacket(t *testing.T, src, dst netip.Addr, data string) []byte {
	seg := &layers.TCP{
		SrcPort: 49153, DstPort: 80, Seq: 0x89abcdef, Ack: 0x01234567, PSH: true, ACK: true, CWR: true, Window: 0xfaf0,
		Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: octets("00000007 00000008")},
		},
	}
	var network gopacket.NetworkLayer = &layers.IPv4{SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Protocol: layers.IPProtocolTCP}
	if src.Is6() {
		network = &layers.IPv6{SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), NextHeader: layers.IPProtocolTCP}
	}
	if err := seg.SetNetworkLayerForChecksum(network); err != nil {
		t.Fatal(err)
	}
	return serialized(t, seg, gopacket.Payload(data))
}

func TestTCP(t *testing.T) {
	want := TCP{
		SrcPort: 49153, DstPort: 80, Seq: 0x89abcdef, Ack: 0x01234567, Flags: PSH | ACK | CWR, Window: 0xfaf0,
		Options: TCPOptions{HasTimestamps: true, TSVal: 7, TSEcr: 8},
	}
	for _, c := range []struct{ src, dst netip.Addr }{{src4, dst4}, {src6, dst6}} {
		for _, data := range []string{"", "an odd one", strings.Repeat("x", 1448)} {
			packet := tcpPacket(t, c.src, c.dst, data)
			h, p, err := ParseTCP(packet)
			if err != nil || h != want || string(p) != data {
				t.Fatalf("got %+v, %q, %v; want %+v", h, p, err, want)
			}
			if !VerifyTCP(packet, c.src, c.dst) || VerifyTCP(packet, c.dst, netip.MustParseAddr("192.168.69.2")) {
				t.Errorf("%v: the checksum is not verified", c.src)
			}
			out := append(bytes.Repeat([]byte{0xee}, h.HeaderLen()), data...)
			h.Put(out)
			PutTCPChecksum(out, c.src, c.dst)
			wantOctets(t, "written", out, packet)
			for bit := 0; bit < 8*len(packet); bit += 37 {
				b := bytes.Clone(packet)
				b[bit/8] ^= 1 << (bit % 8)
				if VerifyTCP(b, c.src, c.dst) {
					t.Errorf("bit %d inverted, and the checksum adds up", bit)
				}
			}
		}
	}
}

// TestTCPPartialChecksum completes a partial checksum as a device does: it stores the complement of the sum from the
// start of the transport header.
func TestTCPPartialChecksum(t *testing.T) {
	packet := tcpPacket(t, src4, dst4, "hello")
	b := changed(packet, 16, 0, 0)
	PutTCPPartialChecksum(b, src4, dst4, len(b))
	if got, want := be.Uint16(b[16:]), naive(octets("c0a84501 c0a84564 0006 0025")); got != want {
		t.Errorf("partial %#04x, want %#04x", got, want)
	}
	be.PutUint16(b[16:], Checksum(b))
	wantOctets(t, "finished", b, packet)
}

func TestTCPErrors(t *testing.T) {
	packet := tcpPacket(t, src4, dst4, "hello")
	for n := range 32 {
		_, p, err := ParseTCP(packet[:n])
		wantErr(t, fmt.Sprint("cut at ", n), err, drop.Truncated)
		if p != nil {
			t.Errorf("cut at %d: a payload", n)
		}
	}
	for offset := range byte(5) {
		_, _, err := ParseTCP(changed(packet, 12, offset<<4))
		wantErr(t, fmt.Sprint("data offset ", offset), err, drop.BadHeaderLen)
	}
	_, _, err := ParseTCP(changed(packet, 12, 0xf0)) // 60 of 37 octets
	wantErr(t, "data offset beyond the segment", err, drop.Truncated)
	if h, _, err := ParseTCP(changed(packet, 12, 0x8f)); err != nil || h.Flags != PSH|ACK|CWR {
		t.Errorf("reserved bits are not to be looked at: %+v, %v", h, err)
	}
}
