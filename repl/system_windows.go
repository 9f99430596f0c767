package repl

import (
	"bytes"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// canEdit is false: the console edits the line, and has a history of its own. Output stands where it arrives.
const canEdit = false

// noWait is 0, because no open waits on this system.
const noWait = 0

// TerminalSize returns the size of a console's window, zeros if f is none.
func TerminalSize(f *os.File) (columns, rows int) {
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info); err != nil {
		return 0, 0
	}
	return int(info.Window.Right-info.Window.Left) + 1, int(info.Window.Bottom-info.Window.Top) + 1
}

// resized is SIGTERM, which watch receives anyway: this system reports no new size by a signal.
const resized = syscall.SIGTERM

// suspend does nothing, because this system has no job control.
func (e *editor) suspend() {}

// reading is the state of read.
type reading struct {
	begin  sync.Once
	woken  chan struct{} // has an element if wake was written since the last read
	chunks chan chunk
	asked  bool // true while a goroutine reads the terminal
}

// chunk is the result of one read of the terminal.
type chunk struct {
	b   []byte
	err error
}

// read waits until a state has changed, the terminal has octets, or the time is over. It reads the terminal only if open is set; after
// a change of state that read continues, and the next call returns its octets. A negative timeout, in milliseconds, is none. The
// result late is true if the time is over.
func (in *input) read(open bool, timeout int) (got []byte, late bool) {
	in.begin.Do(func() {
		in.woken, in.chunks = make(chan struct{}, 1), make(chan chunk)
		go in.awaitWake()
	})
	var chunks <-chan chunk
	if open {
		chunks = in.chunks
		if !in.asked {
			in.asked = true
			go func() {
				b := make([]byte, 4096)
				n, err := in.terminal.Read(b)
				in.chunks <- chunk{bytes.ReplaceAll(b[:n], []byte("\r\n"), []byte("\n")), err}
			}()
		}
	}
	var over <-chan time.Time
	if timeout >= 0 {
		over = time.After(time.Duration(timeout) * time.Millisecond)
	}
	select {
	case <-in.woken:
		return nil, false
	case <-over:
		return nil, true
	case c := <-chunks:
		in.asked = false
		if c.err != nil {
			in.ended = !in.interrupted()
		}
		return c.b, false
	}
}

// interrupted reports whether the state changes soon. A console ends a read for Ctrl-C in the same way as for the end of the input, and
// Ctrl-C also changes the state.
func (in *input) interrupted() bool {
	select {
	case <-in.woken:
		return true
	case <-time.After(2 * escapeWait):
		return false
	}
}

// awaitWake passes on that wake was written, until wake is closed.
func (in *input) awaitWake() {
	for b := make([]byte, 64); ; {
		if _, err := in.wake[0].Read(b); err != nil {
			return
		}
		select {
		case in.woken <- struct{}{}:
		default:
		}
	}
}

// ready is false on this system, which then draws a line after each character of a paste.
func (in *input) ready() bool { return false }
