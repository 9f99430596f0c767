package script

import (
	"strings"
	"testing"
)

// TestExamples runs the example of every builtin on a virtual lab.
func TestExamples(t *testing.T) {
	names := newSim(t, 1).reg.byName
	for name, b := range names {
		t.Run(name, func(t *testing.T) {
			if b.doc == "" || !strings.HasSuffix(b.doc, ".") {
				t.Errorf("%s has no line that says what it does, or one without a full stop", name)
			}
			if b.example == "" {
				if !noExample[name] {
					t.Errorf("%s has no example", name)
				}
				return
			}
			s := newSim(t, 1)
			if err := s.RunCommand(b.example); err != nil {
				t.Errorf("%s\n%s", b.example, s.err.String())
			}
			if got := s.err.String(); got != "" {
				t.Errorf("standard error has %q", got)
			}
		})
	}
}

// noExample are builtins that end the script or need a file; testdata has them.
var noExample = map[string]bool{
	"exit": true, "run": true, "reload": true, "save": true, "capture": true, "capture.stop": true, "lab.capture": true, "conn.sendfile": true,
}

// TestWrongArguments calls every builtin with a misspelt name, without what it needs and with a value of
// another type.
func TestWrongArguments(t *testing.T) {
	s := newSim(t, 1)
	for name, b := range s.reg.byName {
		if strings.Contains(name, ".") && !topNamespaces[strings.SplitN(name, ".", 2)[0]] {
			continue // methods of values are bound in the same way
		}
		if !b.opts {
			s.wrong(t, name+"(misspeltt=1)", name+": no argument misspeltt")
		}
		if len(b.params) == 0 {
			continue
		}
		if p := b.params[0]; p.required {
			s.wrong(t, name+"()", name+": argument 1 ("+p.name+") is missing")
		}
		for i, p := range b.params {
			if i == 0 && p.kind != kindAny && b.pos > 0 {
				s.wrong(t, name+"(struct())", name+": argument 1 ("+p.name+") is "+p.kind.describe()+", got struct")
			}
		}
	}
}

func (s *testSession) wrong(t *testing.T, src, want string) {
	t.Helper()
	s.err.mu.Lock()
	s.err.b.Reset()
	s.err.mu.Unlock()
	if got := status(s.RunCommand(src)); got != 1 {
		t.Errorf("%s: exit status %d, want 1", src, got)
	}
	if got := s.err.String(); !strings.HasPrefix(got, want) {
		t.Errorf("%s: said %q, want %q", src, got, want)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"ping", "spawn", "print", "sockets", "neighbors"}
	for _, c := range []struct{ slip, want string }{
		{"pign", "ping"}, {"pin", "ping"}, {"spwan", "spawn"}, {"socket", "sockets"}, {"neighbours", "neighbors"}, {"xyz", ""},
	} {
		if got := nearest(c.slip, names); got != c.want {
			t.Errorf("nearest(%q) is %q, want %q", c.slip, got, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunCommand("help(ping)"); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	for _, part := range []string{
		`ping(host, count=4, interval="1s", size=56, ttl=64, timeout="1s") -> sent received loss`,
		"Send ICMP echo requests and print each reply.", `ping("192.168.69.100", count=1).received`,
	} {
		if !strings.Contains(s.out.String(), part) {
			t.Errorf("help(ping) lacks %q: %s", part, s.out.String())
		}
	}
}
