package packetvalue

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/stack/packet"
)

// repeated runs an expression in a script's loop, n times.
func repeated(b *testing.B, expr string, extra starlark.StringDict) {
	b.Helper()
	g := words()
	g["parse"] = starlark.NewBuiltin("parse", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return Parse(noMethods{}, []byte(args[0].(starlark.Bytes)), packet.IP), nil
	})
	for name, v := range extra {
		g[name] = v
	}
	set, err := starlark.ExecFileOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", "def f(n):\n    for _ in range(n):\n        "+expr+"\n", g)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := starlark.Call(&starlark.Thread{}, set["f"], starlark.Tuple{starlark.MakeInt(b.N)}, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}

// BenchmarkCompose composes and builds a segment in a script's loop.
func BenchmarkCompose(b *testing.B) {
	repeated(b, `(IP(dst="10.0.0.2")/TCP(dport=80)/"x").bytes`, nil)
}

// BenchmarkDissect reads a field of octets in a script's loop.
func BenchmarkDissect(b *testing.B) {
	p, err := composed(b, `IP(dst="10.0.0.2")/TCP(dport=80)/"x"`).Built()
	if err != nil {
		b.Fatal(err)
	}
	repeated(b, `parse(b).tcp.dport`, starlark.StringDict{"b": starlark.Bytes(p.Octets)})
}

// BenchmarkPattern matches a pattern against a frame that is dissected for it.
func BenchmarkPattern(b *testing.B) {
	p, err := composed(b, `Ether()/IP(dst="10.0.0.2")/TCP(dport=80, flags="PA")/"x"`).Built()
	if err != nil {
		b.Fatal(err)
	}
	pt, err := NewPattern(noMethods{}, composed(b, `IP(dst="10.0.0.2")/TCP(dport=[80, 443], flags="PA")`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := pt.MatchFrame(p.Octets, len(p.Octets), phy.MediumEthernet); !ok {
			b.Fatal("no match")
		}
	}
}
