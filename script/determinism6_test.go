package script

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// autoconfigured is a script whose hosts make their own addresses, on links that lose, copy and reorder packets.
const autoconfigured = `
l = lab(seed=3)
l.capture(args[0])
s = l.switch("s")
r, q = l.host("r", "fd00:1::1/64", advertise=dict(max_interval="20s")), l.host("q", "fd00:2::1/64", advertise=dict(preference="high"))
hosts = [l.host(n) for n in ("a", "b", "c")]
for h in hosts + [r, q]:
    fault(s.attach(h, delay="1ms", jitter="1ms"), loss=0.05, duplicate=0.05, reorder=0.05)
l.run("2m")
hosts[1].serve("tcp", 7, echo)
c = hosts[0].tcp.connect((hosts[1], 7))
c.send("hello")
print(c.recv(), c.local, c.peer)
c.close()
q.ifaces()[0].advertise(False)
l.run("5m")
print(l.hosts())
`

// TestEqualSeedsConfigureEqually: with hosts that configure themselves, equal seeds still write equal captures, and different seeds
// different ones.
func TestEqualSeedsConfigureEqually(t *testing.T) {
	run := func(seed uint64) ([]byte, string) {
		file := filepath.Join(t.TempDir(), "x.pcapng")
		s := newSim(t, seed, file)
		if got := status(s.RunSource("autoconfigured.star", autoconfigured)); got != 0 {
			t.Fatalf("seed %d: exit status %d, said %q", seed, got, s.err.String())
		}
		for _, c := range s.watching.captures {
			if err := c.close(s.Session); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b, s.out.String()
	}
	var before []byte
	for seed := uint64(1); seed <= 100; seed++ {
		first, said := run(seed)
		again, saidAgain := run(seed)
		if !bytes.Equal(first, again) || said != saidAgain {
			t.Errorf("seed %d gave captures of %d and %d octets and\n%s%s", seed, len(first), len(again), said, saidAgain)
		}
		if bytes.Equal(first, before) {
			t.Errorf("seed %d gave the capture of the one before", seed)
		}
		before = first
	}
}
