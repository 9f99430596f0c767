//go:build linux

package live

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// TestKernelECN transfers octets in each direction between us and a kernel, over a path that marks packets instead of
// dropping them (RFC 3168). Both ends negotiate ECN, both react to the marks, and neither retransmits.
func TestKernelECN(t *testing.T) {
	r, h, port := onTAP(t)
	sysctl(t, "tcp_ecn", "1")
	cfg := tcp.Config{ECN: tcp.ECNRequest}
	taptest.Hurry(t, "tap0", kernelAddr, 0)
	r.Do(func(clock.Instant) {
		port.Faults().Add(&fault.Rule{Match: matchECT, Loss: 0.02, ECN: true})
	})
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	bothWays(t, r, h, cfg, data)
	r.Do(func(clock.Instant) {
		if n := counterOf(h.Host, "IpExtInCEPkts"); n == 0 {
			t.Error("no packet of the kernel's was marked: it does not speak ECN with us")
		}
	})
	if n := kernelCounter(t, "IpExt", "InCEPkts"); n == 0 {
		t.Error("no packet of ours was marked")
	}
}

// matchECT reports whether a frame is a segment that may be marked, so that the rule marks segments and drops none. If
// its SYN were dropped, the kernel would not ask for ECN in the next SYN (RFC 3168 §6.1.1.1).
func matchECT(f []byte, m phy.Medium) bool { return matchTCP(f, m) && f[15]&3 != 0 }

func counterOf(h *stack.Host, name string) uint64 {
	list := h.CounterInfos()
	i := slices.IndexFunc(list, func(c stack.CounterInfo) bool { return c.Name == name })
	return list[i].Value
}

// kernelCounter returns a counter of the calling goroutine's namespace from /proc/thread-self/net/netstat.
func kernelCounter(t testing.TB, group, name string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if f[0] != group+":" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		n, err := strconv.Atoi(f[slices.Index(names, name)])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("no counter %s of %s", name, group)
	return 0
}
