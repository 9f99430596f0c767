package script

import (
	"strconv"
	"testing"
)

// BenchmarkCall measures builtins that a script calls: builtins that do not wait, and an exchange of datagrams on the
// script's own host.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct{ name, loop string }{
		{"state", "c.state"},
		{"addr", "local.addr"},
		{"yield", "sleep(0)"},
		{"exchange", `u.send("x"); u.recv()`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newSim(b, 1)
			if err := s.RunCommand(`c = tcp.connect("192.168.69.100:7"); u = udp.connect("192.168.69.100:7")
def loop(n):
    for _ in range(n): ` + c.loop + "\n"); err != nil {
				b.Fatal(s.err.String())
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := s.RunCommand("loop(" + strconv.Itoa(b.N) + ")"); err != nil {
				b.Fatal(s.err.String())
			}
		})
	}
}
