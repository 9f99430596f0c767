//go:build unix

package repl

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// canEdit is true because input can wait for the terminal and for other goroutines at once.
const canEdit = true

// noWait is the flag of an open that does not wait, even for a FIFO's other end.
const noWait = unix.O_NONBLOCK

// TerminalSize returns the size of a terminal, zeros if f is none.
func TerminalSize(f *os.File) (columns, rows int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(ws.Col), int(ws.Row)
}

// resized is the signal that reports a new size of the terminal.
const resized = syscall.SIGWINCH

// suspend stops the process group until SIGCONT, as a terminal does for Ctrl-Z. The system does not stop the group if
// no process could continue it.
func (e *editor) suspend() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCONT)
	defer signal.Stop(c)
	io.WriteString(e.sh.cfg.Stdout, pasteOff+"\n")
	e.rl.Terminal.ExitRawMode()
	syscall.Kill(0, syscall.SIGTSTP)
	select {
	case <-c:
	case <-time.After(escapeWait):
	}
	e.rl.Terminal.EnterRawMode()
	io.WriteString(e.sh.cfg.Stdout, pasteOn)
}

// read waits until a state has changed, the terminal has octets, or the time is over. It reads the terminal only if open is set. A
// negative timeout, in milliseconds, is none. The result late is true if the time is over.
func (in *input) read(open bool, timeout int) (got []byte, late bool) {
	fds := []unix.PollFd{{Fd: int32(in.wake[0].Fd()), Events: unix.POLLIN}}
	if open {
		fds = append(fds, unix.PollFd{Fd: int32(in.terminal.Fd()), Events: unix.POLLIN})
	}
	n, err := unix.Poll(fds, timeout)
	if err != nil && err != unix.EINTR {
		in.ended = true
		return nil, false
	}
	if fds[0].Revents != 0 {
		in.wake[0].Read(make([]byte, 64))
	}
	if open && fds[1].Revents != 0 {
		buf := make([]byte, 4096)
		k, err := unix.Read(int(in.terminal.Fd()), buf)
		if k <= 0 && err != unix.EINTR && err != unix.EAGAIN {
			in.ended = true
		}
		got = buf[:max(k, 0)]
	}
	return got, n == 0
}

// reading is the state of read, which needs none on this system.
//
//lint:ignore U1000 other systems need it
type reading struct{}

// ready reports whether the terminal has octets that nothing has read.
func (in *input) ready() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(in.terminal.Fd()), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}
