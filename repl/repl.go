// Package repl is the prompt: it reads lines from a terminal, runs them in a script.Session and prints the output. Output that
// arrives while a line is being typed appears above that line.
//
// readline edits the line. Three files add features around it: input.go stands between readline and the terminal and recognises
// pasted text, screen.go delays output while a line is typed, edit.go adds keys, completion and history. A terminal that can't
// move its cursor (TERM=dumb) has no editing.
//
// One goroutine makes a Shell and its session, and runs it; any goroutine may write to Stdout and Stderr.
package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/chzyer/readline"
	"github.com/fatih/color"
	"github.com/mattn/go-isatty"

	"smolsh/script"
	"smolsh/stack/crash"
)

// Config holds the terminal and the names that New needs.
type Config struct {
	Stdin   *os.File // the terminal, which must also be Stdout
	Stdout  *os.File
	Prompt  string // "smolsh" or "smolsh (virtual)"; the shell adds the host in use and "> "
	History string // path of the history's file; "" for none
}

// A Shell reads lines from one terminal and runs them.
type Shell struct {
	cfg     Config
	screen  *screen
	s       *script.Session
	history *history
	warning string // warning about the history's file
	edit    *editor
	plain   *plain
	stopped atomic.Int32    // exit status set by Leave
	rescued atomic.Int32    // number of panics of the prompt's own code
	before  *readline.State // the terminal's mode when the shell began; nil if Stdin is not a terminal
	empty   int             // number of consecutive interrupts of an empty line
}

// New returns a Shell. The caller makes the session, which prints to the Shell's Stdout and Stderr, and passes it to Run.
func New(cfg Config) *Shell {
	sh := &Shell{cfg: cfg, screen: &screen{w: cfg.Stdout, wake: func() {}}}
	sh.history, sh.warning = loadHistory(cfg.History)
	if state, err := readline.GetState(int(cfg.Stdin.Fd())); err == nil {
		sh.before = state
	}
	return sh
}

// Leave makes Run return the status when the running statement or command ends. Any goroutine may call it.
func (sh *Shell) Leave(status int) { sh.stopped.Store(int32(status)) }

// Restore restores the terminal's mode from before the shell. It is for a program that ends after Leave while Run has
// not returned. Any goroutine may call it.
func (sh *Shell) Restore() {
	if sh.before == nil {
		return
	}
	_ = readline.Restore(int(sh.cfg.Stdin.Fd()), sh.before) // fails if the terminal is gone
	if sh.edit != nil {
		io.WriteString(sh.cfg.Stdout, pasteOff+"\r\n")
	}
}

// Stdout returns the writer for the session's output.
func (sh *Shell) Stdout() io.Writer { return sh.screen }

// Stderr returns the writer for the session's errors.
func (sh *Shell) Stderr() io.Writer { return alarm{sh.screen} }

// Heading formats the first line of a table.
func Heading(line string) string { return color.New(color.Bold).Sprint(line) }

// width returns the terminal's width in columns.
func (sh *Shell) width() int {
	if columns, _ := sh.size(); columns > 0 {
		return columns
	}
	return 80
}

// size returns the terminal's size, zeros if it is unknown.
func (sh *Shell) size() (columns, rows int) {
	return TerminalSize(sh.cfg.Stdout)
}

// Run reads and runs lines until the end of the input, exit() or SIGTERM, and returns the exit status.
func (sh *Shell) Run(s *script.Session) int {
	sh.s = s
	var stop func() // makes the reader return
	if term := os.Getenv("TERM"); term == "dumb" || term == "" || !canEdit || !isatty.IsTerminal(sh.cfg.Stdout.Fd()) {
		sh.plain = newPlain(sh)
		stop = sh.plain.stop
	} else {
		e, err := newEditor(sh)
		if err != nil {
			io.WriteString(sh.Stderr(), err.Error()+"\n")
			return 1
		}
		defer e.close()
		sh.edit, stop = e, e.in.stop
	}
	defer sh.watch(stop)()
	if sh.warning != "" {
		io.WriteString(sh.Stderr(), "history: "+sh.warning+"\n")
	}
	for {
		s.SetWidth(sh.width())
		var src string
		var err error
		s.Await(func() {
			defer sh.rescue("reading a line")
			err = errPanicked
			if src, err = sh.chunk(); errors.Is(err, readline.ErrInterrupt) {
				sh.s.InterruptSpinning() // Await returns only when that task waits or ends
			}
		}, stop)
		if code := sh.stopped.Load(); code != 0 {
			return int(code)
		}
		if code, ended := s.Ended(); ended {
			return code
		}
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			sh.interrupted(src)
			continue
		case errors.Is(err, errPanicked) && sh.rescued.Load() < maxRescued:
			continue
		case err != nil:
			return 0
		}
		sh.empty = 0
		if code, ended := sh.run(src); ended {
			return code
		}
		s.Flush()
		if code := sh.stopped.Load(); code != 0 {
			return int(code)
		}
	}
}

// errPanicked means that a line could not be read. rescue has printed the panic.
var errPanicked = errors.New("panicked")

// maxRescued is the number of panics after which the shell stops reading.
const maxRescued = 10

// rescue recovers a panic of the prompt's own code and prints it; callers defer it. The shell and its hosts continue.
func (sh *Shell) rescue(doing string) {
	v := recover()
	if v == nil {
		return
	}
	p := crash.Caught(v)
	if sh.rescued.Add(1) <= maxRescued {
		fmt.Fprintf(sh.Stderr(), "%s: %v\n%s\n", doing, p, p.Trace(6))
	}
}

// statusTerminated is the exit status after SIGTERM, as in other shells.
const statusTerminated = 128 + int32(syscall.SIGTERM)

// watch ends the shell on SIGTERM, and tells readline about a new width. The returned function ends the watch.
func (sh *Shell) watch(stop func()) func() {
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGTERM, resized)
	go func() {
		for sig := range c {
			if sig == syscall.SIGTERM {
				sh.stopped.Store(statusTerminated)
				stop()
			} else if sh.edit != nil {
				sh.edit.resized.Store(true)
				sh.edit.in.poke()
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(c)
	}
}

// interrupted handles Ctrl-C at the prompt, which discards the line. After a second Ctrl-C at an empty line it prints
// how to leave.
func (sh *Shell) interrupted(line string) {
	if strings.TrimSpace(line) != "" {
		sh.empty = 0
		return
	}
	if sh.empty++; sh.empty == 2 {
		io.WriteString(sh.screen, "Ctrl-D or exit() leaves the shell\n")
	}
}

// asked matches x?, ?x or a single ?.
var asked = regexp.MustCompile(`^\s*(?:\?\s*([\w.]*)|([\w.]+)\s*\?)\s*$`)

// run runs one input. ended is true if the shell ends; code is then the exit status.
func (sh *Shell) run(src string) (code int, ended bool) {
	line := strings.TrimSpace(src)
	if line == "" {
		return 0, false
	}
	if sh.history.add(strings.TrimRight(src, "\n")) && sh.edit != nil {
		sh.edit.stale = true
	}
	switch m := asked.FindStringSubmatch(line); {
	case line[0] == '!':
		status := sh.s.Shell(line[1:])
		sh.freshLine()
		if status != 0 && status != 128+int(syscall.SIGINT) { // the terminal has shown ^C
			fmt.Fprintf(sh.screen, "status %d\n", status)
		}
		return 0, false
	case m != nil:
		src = sh.s.HelpFor(m[1] + m[2])
	case line == "help" || line == "exit" || line == "quit":
		src = line + "()"
	}
	err := sh.s.Typed(src)
	var exit *script.ExitError
	if errors.As(err, &exit) {
		if sh.s.Exited() {
			return exit.Code, true
		}
		if exit.Code == 128+int(syscall.SIGINT) {
			sh.freshLine() // the terminal has shown ^C
		}
	}
	return 0, false
}

// freshLine moves the cursor to the beginning of a line. It prints as many blanks as the terminal is wide. They wrap
// only if a command has left the cursor within a line. A plain terminal gets a line end.
func (sh *Shell) freshLine() {
	if sh.edit == nil {
		io.WriteString(sh.cfg.Stdout, "\n")
	} else {
		io.WriteString(sh.cfg.Stdout, strings.Repeat(" ", sh.width()-1)+" \r\x1b[K")
	}
}

// prompt returns the prompt of the first line of an input, and the prompt of its continuation lines.
func (sh *Shell) prompt() (first, next string) {
	p := sh.cfg.Prompt
	if h := sh.s.HostInUse(); h != "" {
		p += " " + h
	}
	return color.New(color.Bold).Sprint(p+">") + " ", strings.Repeat(".", len(p)+1) + " "
}

// line reads one line, which initially contains begin. block is pasted text after the end of the first line.
func (sh *Shell) line(prompt, begin, before string) (line, block string, err error) {
	if sh.plain != nil {
		line, err = sh.plain.line(prompt)
		return line, "", err
	}
	return sh.edit.line(prompt, begin, before)
}

// chunk reads lines until the input is complete: a line, a statement ended by an empty line, or a whole paste.
func (sh *Shell) chunk() (string, error) {
	prompt, next := sh.prompt()
	text, begin, whole := "", "", false
	for {
		line, block, err := sh.line(prompt, begin, text)
		if err != nil {
			return text + line, err
		}
		begin = ""
		if block != "" || strings.Contains(line, "\n") {
			whole = true // an empty line within a paste does not end the statement
		}
		text += line
		if block != "" {
			text += "\n" + block
			i := strings.LastIndexByte(text, '\n')
			shown := block[:max(0, len(block)-len(text)+i)]
			for l := range strings.Lines(shown) {
				io.WriteString(sh.cfg.Stdout, next+strings.TrimSuffix(l, "\n")+"\n")
			}
			if text, begin = text[:i+1], text[i+1:]; begin != "" {
				prompt = next
				continue
			}
		} else {
			text += "\n"
		}
		if special(text) || whole && !script.Unfinished(text) || !whole && !script.Incomplete(text) {
			return text, nil
		}
		prompt = next
	}
}

// special reports whether the text is a command of the shell, not of the language.
func special(text string) bool {
	line := strings.TrimSpace(text)
	return line == "" || line[0] == '!' || asked.MatchString(line)
}
