package repl

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
)

// screen is a session's output. While a line is being typed, it shows whole lines of output above it. It shows at most
// perWindow lines in a window of time, and then the number of the others.
type screen struct {
	w    io.Writer
	wake func() // makes the line editor call drain

	mu      sync.Mutex
	typing  bool
	column  bool   // true if the last output ended within a line
	partial []byte // the beginning of an unfinished output line while the user types
	pending []byte // whole lines to be shown above the typed line
	shown   int    // number of lines shown in this window
	held    int
	last    string // time of the last packet among the held lines, "" if there is none
	window  *time.Timer
}

const (
	windowLength = time.Second
	perWindow    = 20
)

// Write implements io.Writer; any goroutine may call it.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.typing {
		if len(p) > 0 {
			s.column = p[len(p)-1] != '\n'
		}
		return s.w.Write(p)
	}
	s.partial = append(s.partial, p...)
	for {
		i := bytes.IndexByte(s.partial, '\n')
		if i < 0 {
			break
		}
		s.line(s.partial[:i+1])
		s.partial = s.partial[i+1:]
	}
	if len(s.pending) > 0 {
		s.wake()
	}
	return len(p), nil
}

func (s *screen) line(l []byte) {
	if s.window == nil {
		s.window = time.AfterFunc(windowLength, s.next)
	}
	if s.shown < perWindow {
		s.shown++
		s.pending = append(s.pending, l...)
		return
	}
	s.held++
	if at, _, _ := strings.Cut(string(l), " "); strings.Contains(at, ".") && strings.Trim(at, "0123456789.") == "" {
		s.last = at
	}
}

// next starts another window, and adds a line with the number of lines held back in the previous window.
func (s *screen) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = nil
	s.shown = 0
	if s.held > 0 {
		s.pending = append(s.pending, s.summary()...)
		s.held, s.last = 0, ""
		if s.typing {
			s.wake()
		}
	}
}

// summary returns the line that replaces the held lines. If they included packets, it contains the time of the last
// packet.
func (s *screen) summary() string {
	text := fmt.Sprintf("… %d more lines in the last second", s.held)
	if s.last != "" {
		text = fmt.Sprintf("%s … %d more in the last second: trace(last=%d)", s.last, s.held, perWindow*10)
	}
	return color.New(color.Faint).Sprint(text) + "\n"
}

// begin is called when the user starts to type a line.
func (s *screen) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.column {
		fmt.Fprintln(s.w)
		s.column = false
	}
	s.typing = true
}

// end is called when the typed line is complete. It writes the pending output.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typing = false
	s.w.Write(s.pending)
	s.w.Write(s.partial)
	s.column = len(s.partial) > 0
	s.pending, s.partial = s.pending[:0], nil
}

// drain returns and clears the pending output, to be shown above the line.
func (s *screen) drain() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.pending
	s.pending = nil
	return b
}

// alarm is the screen's writer for errors: the first line of each message is red.
type alarm struct{ s *screen }

// Write implements io.Writer; any goroutine may call it.
func (a alarm) Write(p []byte) (int, error) {
	head, rest, _ := strings.Cut(strings.TrimSuffix(string(p), "\n"), "\n")
	text := color.RedString("%s", head)
	if rest != "" {
		text += "\n" + rest
	}
	if bytes.HasSuffix(p, []byte("\n")) {
		text += "\n"
	}
	_, err := a.s.Write([]byte(text))
	return len(p), err
}
