package printer

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

// A slowWriter's Write blocks until open is closed. The first Write closes entered.
type slowWriter struct {
	strings.Builder
	enter         sync.Once
	entered, open chan struct{}
}

func newSlowWriter() *slowWriter {
	return &slowWriter{entered: make(chan struct{}), open: make(chan struct{})}
}

func (w *slowWriter) Write(b []byte) (int, error) {
	w.enter.Do(func() { close(w.entered) })
	<-w.open
	return w.Builder.Write(b)
}

// Lines are written in order, and Flush returns when they are.
func TestOrder(t *testing.T) {
	var out strings.Builder
	p := New(&out)
	mark := p.Mark()
	p.Print("one\ntwo")
	p.Offer([]byte("three"))
	if p.Mark() == mark {
		t.Error("Mark did not change")
	}
	p.Flush()
	if got := out.String(); got != "one\ntwo\nthree\n" {
		t.Errorf("written %q", got)
	}
	p.Print("four")
	p.Close()
	if got := out.String(); !strings.HasSuffix(got, "three\nfour\n") {
		t.Errorf("written %q", got)
	}
}

// While the writer blocks, Offer returns at once and drops lines for which there is no room, and Print waits. Later a
// line has the number of dropped lines.
func TestSlowWriter(t *testing.T) {
	w := newSlowWriter()
	p := New(w)
	p.Print("first")
	<-w.entered // everything below waits in the buffer
	line := []byte(strings.Repeat("x", 1023))
	const fit = room/1024 + 1 // the line that crosses the limit still fits
	for range fit + 7 {
		p.Offer(line)
	}
	line[0] = 'y' // the Printer has copied it
	printed := make(chan struct{})
	go func() {
		p.Print("last")
		close(printed)
	}()
	close(w.open)
	<-printed
	p.Close()
	got := w.String()
	if want := "first\n" + strings.Repeat(strings.Repeat("x", 1023)+"\n", fit) + "… 7 lines lost: the terminal is too slow\nlast\n"; got != want {
		t.Errorf("written %d octets, want %d, ending with %q", len(got), len(want), got[max(0, len(got)-100):])
	}
	if p.lost != 0 || len(p.buf) != 0 {
		t.Errorf("%d lines are lost and %d octets left", p.lost, len(p.buf))
	}
}

// A fullWriter's Write fails.
type fullWriter struct{ writes int }

func (w *fullWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, errors.New("full")
}

// After a write has failed, the Printer says so once, writes nothing more, and nobody waits.
func TestFailure(t *testing.T) {
	w := &fullWriter{}
	p := New(w)
	calls := 0
	p.OnFailure(func() { calls++ })
	for range 3 {
		p.Print(strings.Repeat("x", room+1))
		p.Flush()
	}
	p.Close()
	if w.writes != 1 || calls != 1 || p.Err() == nil || p.Err().Error() != "full" {
		t.Errorf("%d writes, %d calls, %v", w.writes, calls, p.Err())
	}
}
