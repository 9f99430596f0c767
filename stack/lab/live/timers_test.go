//go:build linux

package live

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// timerRepeats returns the number of segments that the host and the kernel of this namespace have retransmitted because
// a timer expired. On a busy machine this happens without a loss: an end that gets no processor for longer than its
// timeout retransmits segments that its peer has received, or is about to acknowledge.
func timerRepeats(t *testing.T, r lab.Runner, h *lab.Host) (n int) {
	t.Helper()
	names := []string{"TCPTimeouts", "TCPLossProbes"}
	r.Do(func(clock.Instant) {
		for _, c := range h.CounterInfos() {
			if slices.Contains(names, strings.TrimPrefix(c.Name, "TcpExt")) {
				n += int(c.Value)
			}
		}
	})
	text, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for k := 0; k+1 < len(lines); k += 2 { // lines come in pairs: names, then values
		values := strings.Fields(lines[k+1])
		for i, name := range strings.Fields(lines[k]) {
			if slices.Contains(names, name) {
				v, err := strconv.Atoi(values[i])
				if err != nil {
					t.Fatalf("netstat says %q", lines[k+1])
				}
				n += v
			}
		}
	}
	return n
}
