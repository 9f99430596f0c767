package phy

import (
	"testing"
	"time"

	"smolsh/stack/drop"
)

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		m             Marks
		verdict, want string
	}{
		{Marks{}, "", ""}, {Marks{}, "ESTABLISHED", "ESTABLISHED"},
		{Marks{Held: 5 * time.Millisecond}, "", "held 5ms"},
		{Marks{Held: time.Second, Corrupted: true, Copy: true}, "dropped: bad checksum", "dropped: bad checksum; corrupted, a copy, held 1s"},
		{Marks{Copies: 2}, "", "copied (2)"},
		{Marks{Lost: drop.LinkQueueFull}, "", "lost on the link: link queue full"},
	} {
		if got := c.m.After(c.verdict); got != c.want {
			t.Errorf("%+v after %q: %q, want %q", c.m, c.verdict, got, c.want)
		}
	}
	// A frame and its copies keep their marks. The marks do not stay for the next frame in the buffer.
	f, g := NewFrame(10), NewFrame(10)
	f.Marks.Corrupted, f.Tag = true, 7
	if g.CopyFrom(f); !g.Marks.Corrupted || g.Tag != 7 {
		t.Error("a copy has no marks")
	}
	if f.Set([]byte("next")); f.Marks != (Marks{}) || f.Tag != 0 {
		t.Error("the next frame has the marks of the last")
	}
}
