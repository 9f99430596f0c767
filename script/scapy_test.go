package script

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkCompose and BenchmarkDissect build and read packets in a script, and the same in Scapy where the machine has it
// (python3-scapy of Debian). Both sides do the same work: the octets of a packet with lengths and checksums, and two fields of a packet
// of octets.
func BenchmarkCompose(b *testing.B) {
	compare(b, `(IP(dst="10.0.0.2", src="10.0.0.1")/TCP(dport=80, flags="S", options=[("mss", 1460), "sackok"])/"data").bytes`,
		`raw(IP(dst="10.0.0.2", src="10.0.0.1")/TCP(dport=80, flags="S", options=[("MSS", 1460), ("SAckOK", b"")])/"data")`)
}

func BenchmarkDissect(b *testing.B) {
	compare(b, `parse(octets, first=IP).tcp.dport`, `IP(octets)[TCP].dport`)
}

// composed makes the octets that BenchmarkDissect reads, in both languages.
const composed = `octets = %s(IP(dst="10.0.0.2", src="10.0.0.1")/TCP(dport=80)/"data")%s`

// compare runs an expression of a script b.N times, and one of Scapy's.
func compare(b *testing.B, ours, scapys string) {
	b.Run("smolsh", func(b *testing.B) {
		s := newSim(b, 1)
		setup := fmt.Sprintf(composed, "", ".bytes")
		b.ResetTimer()
		if err := s.RunCommand(fmt.Sprintf("%s\ndef run(n):\n    for i in range(n): %s\nrun(%d)", setup, ours, b.N)); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("scapy", func(b *testing.B) {
		program := "import time\nfrom scapy.layers.inet import IP, TCP\nfrom scapy.compat import raw\n" + fmt.Sprintf(composed, "raw", "") +
			fmt.Sprintf("\nn = %d\nt = time.perf_counter()\nfor i in range(n): %s\nprint(time.perf_counter() - t)\n", b.N, scapys)
		out, err := exec.Command("/usr/bin/python3", "-c", program).Output()
		if err != nil {
			if os.Getenv("CI") == "true" {
				b.Fatal(err)
			}
			b.Skip("this machine has no Scapy")
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatalf("%q", out)
		}
		b.ReportMetric(seconds*1e9/float64(b.N), "ns/op")
	})
}
