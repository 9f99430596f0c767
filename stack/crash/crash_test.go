package crash

import (
	"strings"
	"testing"
)

type list []int

func (l list) at(i int) int { return l[i] }

func caught(fn func()) (p *Panic) {
	defer func() { p = Caught(recover()) }()
	fn()
	return nil
}

func TestCaught(t *testing.T) {
	p := caught(func() { list{}.at(3) })
	if got := p.Error(); !strings.HasPrefix(got, "panic: runtime error: index out of range [3] with length 0, in crash.list.at (crash_test.go:") {
		t.Errorf("said %q", got)
	}
	lines := strings.Split(p.Trace(2), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "  crash.TestCaught.func1 (crash_test.go:") {
		t.Errorf("the stack is %q", lines)
	}
	if !p.Within("smolsh/stack/lab", "smolsh/stack/crash") || p.Within("smolsh/stack/lab") {
		t.Error("the package that panicked is not known")
	}
	if q := caught(func() { panic(p) }); q != p {
		t.Error("raised again, it is another")
	}
	if p := caught(func() { panic("so") }); !strings.HasPrefix(p.Error(), "panic: so, in crash.TestCaught.func3 ") {
		t.Errorf("said %q", p.Error())
	}
}
