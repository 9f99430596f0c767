package packetvalue

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/stack/packet"
)

// words are the globals of a script that composes packets.
func words() starlark.StringDict {
	g := starlark.StringDict{"ANY": Any{}}
	g["NOT"] = starlark.NewBuiltin("NOT", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return NewNot(args[0])
	})
	for _, p := range packet.Protocols() {
		g[p.Name] = NewProtocol(noMethods{}, p)
	}
	return g
}

// eval evaluates an expression of a script that composes packets.
func eval(expr string) (starlark.Value, error) {
	return starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", expr, words())
}

// composed evaluates an expression whose value is a packet.
func composed(t testing.TB, expr string) *Value {
	t.Helper()
	v, err := eval(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	p, ok := v.(*Value)
	if !ok {
		t.Fatalf("%s is a %s", expr, v.Type())
	}
	return p
}

// corpus returns the packets of every capture in testdata of the packages that have some.
func corpus(t testing.TB) (list []*Value) {
	t.Helper()
	paths, _ := filepath.Glob("../../stack/packet/testdata/*.pcap*")
	more, _ := filepath.Glob("../../testdata/*/*.pcap*")
	for _, path := range append(paths, more...) {
		r, err := capture.Open(path)
		if err != nil {
			t.Fatal(path, err)
		}
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(path, err)
			}
			first := map[capture.LinkType]*packet.Protocol{capture.LinkNull: packet.Null, capture.LinkLoop: packet.Null, capture.LinkSLL: packet.SLL, capture.LinkSLL2: packet.SLL2}[rec.Link]
			if first != nil {
				p := NewHead(noMethods{}, bytes.Clone(rec.Data), rec.Length, phy.MediumEthernet, nil)
				p.First = first
				list = append(list, p)
				continue
			}
			head, length, m := rec.Frame()
			list = append(list, NewHead(noMethods{}, bytes.Clone(head), length, m, nil))
		}
		r.Close()
	}
	if len(list) < 100 {
		t.Fatalf("only %d packets", len(list))
	}
	return list
}

// checkCode reports a packet whose code makes other octets.
func checkCode(t *testing.T, p *Value) {
	t.Helper()
	code := p.Code()
	v, err := eval(code)
	if err != nil {
		t.Fatalf("%s\n%v", code, err)
	}
	q, err := v.(*Value).Built()
	if err != nil || !bytes.Equal(q.Octets, p.Octets) {
		t.Fatalf("%s\n%v\nmade %x\nof   %x", code, err, q.Octets, p.Octets)
	}
	if again := v.(*Value).Code(); again != code {
		t.Fatalf("%s\nis written as\n%s", code, again)
	}
	e, err := p.Replace(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := e.Built(); err != nil || !bytes.Equal(b.Octets, p.Octets) {
		t.Fatalf("%s\nreplaced: %v", code, err)
	}
	_, _ = e.Show(), e.String()
}

// TestCode: the code of each packet of the captures, evaluated, makes the same octets, and is written the same again.
func TestCode(t *testing.T) {
	for _, p := range corpus(t) {
		checkCode(t, p)
	}
}

// FuzzCode: the code of any octets, evaluated, makes the same octets.
func FuzzCode(f *testing.F) {
	for _, p := range corpus(f) {
		f.Add([]byte(p.Octets), p.dissected().First.Name)
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if first := packet.ByName(name); first != nil && len(b) > 0 && len(b) < 1<<16 {
			checkCode(t, Parse(noMethods{}, b, first))
		}
	})
}

// TestCodeIsReadable: flags have letters, data is a str where it is printable, and what sending fills in is left out.
func TestCodeIsReadable(t *testing.T) {
	for _, code := range []string{
		`Ether(dst="02:00:00:00:00:01")/IP(ttl=3, dst="10.0.0.2", flags="DF")/TCP(dport=80, flags="SA")/"GET / HTTP/1.0\r\n\r\n"`,
		`IPv6(dst="fdaa::1")/UDP(sport=1, dport=2)/b"\x00\xff\"\\"`,
		`IP()/ICMP()/Raw("x" * 56)`,
		`Raw("hello")`,
		`Ether(type=0x88b5)/"x"/Padding(b"\x00" * 40)`,
		`IP(src=NOT("10.0.0.1"))/TCP(dport=[80, range(8000, 8100)], flags=["S", "SA"], options=ANY)`,
	} {
		p := composed(t, code)
		again := p.Code()
		q := composed(t, again)
		if same, err := starlark.Equal(p, q); !same || err != nil {
			t.Errorf("%s\nis written as\n%s: %v", code, again, err)
		}
		if p.Composed() && again != reordered[code] && again != code {
			t.Errorf("%s\nis written as\n%s", code, again)
		}
	}
}

// reordered has the code for those expressions whose fields are not in the order of the wire.
var reordered = map[string]string{
	`Ether(dst="02:00:00:00:00:01")/IP(ttl=3, dst="10.0.0.2", flags="DF")/TCP(dport=80, flags="SA")/"GET / HTTP/1.0\r\n\r\n"`: `Ether(dst="02:00:00:00:00:01")/IP(flags="DF", ttl=3, dst="10.0.0.2")/TCP(dport=80, flags="SA")/"GET / HTTP/1.0\r\n\r\n"`,
}
