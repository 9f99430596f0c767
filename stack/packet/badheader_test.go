package packet

import (
	"encoding/hex"
	"strings"
	"testing"

	"smolsh/phy"
)

// TestBadHeaders: the line of a packet says what contradicts itself in its IP header, as a file has no verdict that would.
func TestBadHeaders(t *testing.T) {
	const v4, udp = "0000 4000 4011 0000 0a000001 0a000002", "0001 0002 0009 0000 61"
	for octets, want := range map[string]string{
		"4500 001d" + v4 + udp: "10.0.0.1.1 > 10.0.0.2.2: UDP, length 1",
		"4500 0000" + v4 + udp: "10.0.0.1.1 > 10.0.0.2.2: UDP, length 1",
		"4400 001d" + v4 + udp: "10.0.0.1 > 10.0.0.2: udp, length 9 [bad IP hdr length 16]",
		"4500 000a" + v4 + udp: "10.0.0.1.1 > 10.0.0.2.2: UDP, length 1 [bad IP length 10]",
		"4500 03e8" + v4 + udp: "10.0.0.1.1 > 10.0.0.2.2: UDP, length 1 [971 octets missing]",
		"4500 0035" + strings.Replace(v4, "4011", "4033", 1) + "1104 0000 00000005 00000001" + strings.Repeat("00", 12) + udp: "10.0.0.1.1 > 10.0.0.2.2: AH (spi=0x00000005,seq=0x1) UDP, length 1",
		"4500 0014" + strings.Replace(v4, "4011", "4000", 1):                                                                  "10.0.0.1 > 10.0.0.2: ip-proto-0, length 0",
		"6000 0000 0011 1140" + strings.Repeat("00", 32) + udp:                                                                "::.1 > ::.2: UDP, length 1 [8 octets missing]",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(octets, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := (*Sequences)(nil).Describe(Dissect(b, len(b), First(b, phy.MediumIP))); got != want {
			t.Errorf("%s\n got %q\nwant %q", octets, got, want)
		}
	}
}

// TestOptionsCutOff: the line of a SYN whose options the capture has cut off says so.
func TestOptionsCutOff(t *testing.T) {
	b, err := hex.DecodeString(strings.ReplaceAll("4500 0034 0000 4000 4006 0000 0a000001 0a000002 0001 0002 00000000 00000000 8002 ffff 0000 0000 0204 05b4 0402 0101 0303 0700", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	for known, want := range map[int]string{
		52: "mss 1460,sackOK,wscale 7", 46: "mss 1460,sackOK,[|tcp]", 40: "[|tcp]",
	} {
		want = "10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 0, win 65535, options [" + want + "], length 0"
		if got := Summary(b[:known], phy.MediumIP); got != want {
			t.Errorf("%d octets\n got %q\nwant %q", known, got, want)
		}
	}
}
