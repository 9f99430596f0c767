// Smolsh is an interactive, scriptable shell that owns a TCP/IP stack. This package parses the command line, opens devices
// and connects the other packages. The table of verbs in verbs.go is the command line; the README shows its use.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/mattn/go-isatty"

	"smolsh/repl"
	"smolsh/script"
	"smolsh/script/command"
)

const version = "0.1"

// Exit statuses.
const (
	statusFailed    = 1   // a script failed
	statusUsage     = 2   // wrong usage
	statusDevice    = 3   // the device or the privileges are missing
	statusInterrupt = 130 // Ctrl-C
)

func main() { os.Exit(execute(os.Args[1:])) }

// statusError is an error with an exit status.
type statusError struct {
	status int
	text   string
	cause  error
}

func (e *statusError) Error() string { return e.text }
func (e *statusError) Unwrap() error { return e.cause }

func usageError(format string, args ...any) error {
	return &statusError{statusUsage, fmt.Sprintf(format, args...), nil}
}

func deviceError(err error) error { return &statusError{statusDevice, err.Error(), err} }

// execute runs the command line and returns the exit status. It writes an error to standard error.
func execute(argv []string) int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write to a closed pipe is then an error
	out := &output{w: os.Stdout}
	status, err := runVerb(argv, out, os.Stderr)
	if out.err != nil {
		err = outputError(out.err)
	}
	if err == nil {
		return status
	}
	var se *statusError
	if errors.As(err, &se) {
		fmt.Fprintln(os.Stderr, "smolsh: "+se.text)
		return se.status
	}
	fmt.Fprintf(os.Stderr, "smolsh: %v\n", err)
	return statusFailed
}

// output is standard output. It keeps the first error of a write.
type output struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

// Write implements io.Writer; any goroutine may call it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// outputError returns the error for standard output that could not be written, such as a full disk or a closed pipe.
func outputError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("standard output: %w", err)
}

// runVerb runs the command line's verb, which is the shell or a script if none is named.
func runVerb(argv []string, stdout, stderr io.Writer) (status int, err error) {
	o, err := parseFlags(argv)
	switch {
	case err != nil:
		return 0, err
	case o.help:
		_, err = io.WriteString(stdout, o.usage())
		return 0, err
	case o.version:
		_, err = fmt.Fprintln(stdout, "smolsh "+version)
		return 0, err
	}
	for _, v := range verbs() {
		if v.name == o.verb && v.asksUsage(o) {
			_, err = io.WriteString(stdout, v.usage())
			return 0, err
		}
		if v.name == o.verb {
			return v.run(o, stdout, stderr)
		}
	}
	panic("no verb " + o.verb)
}

// coloured reports whether output to a terminal is coloured (no-color.org).
func coloured(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
}

// start makes the lab and the session, and runs the shell, the script or the command. The session writes to the
// process's own outputs, whose terminals it must query.
func (o *options) start(_, _ io.Writer) (status int, err error) {
	interactive := o.file == "" && !o.hasCommand && isatty.IsTerminal(os.Stdin.Fd())
	if o.file != "" && o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return 0, o.noFile(err)
		}
		info, err := f.Stat()
		f.Close()
		if err == nil && info.IsDir() {
			return 0, usageError("%s: is a folder, not a script (smolsh test runs the tests of one)", o.file)
		}
	}
	l, status, ran, err := o.openLab()
	if ran || err != nil {
		return status, err
	}
	defer l.close()
	streams := o.file == "" && !o.hasCommand && !interactive || o.file == "-"
	config := script.Config{
		Runner: l.runner, Lab: l.lab, Local: l.local, Peer: l.peer, Seed: l.runSeed, Args: o.args, DNS: o.dns,
		Stdout: os.Stdout, Stderr: os.Stderr, Terminal: isatty.IsTerminal(os.Stdout.Fd()), ErrTerminal: isatty.IsTerminal(os.Stderr.Fd()), Width: columns(), Size: terminal, Interactive: interactive, NoFiles: o.noFiles,
		Colour: isatty.IsTerminal(os.Stdout.Fd()) && coloured(os.Getenv),
	}
	if o.pcap == standardOutput {
		config.Stdout, config.Terminal, config.Colour, config.Width = os.Stderr, config.ErrTerminal, false, 0
	}
	if !interactive && !streams {
		config.Again = again(os.Args)
	}
	var shell *repl.Shell
	if interactive {
		command.Adopt()
		defer command.End()
		shell = repl.New(repl.Config{Stdin: os.Stdin, Stdout: os.Stdout, Prompt: l.prompt(), History: repl.HistoryFile()})
		config.Terminal, config.ErrTerminal = true, true
		config.Stdout, config.Stderr, config.Heading = shell.Stdout(), shell.Stderr(), repl.Heading
	}
	l.notes.start(config.Stderr)
	l.watchDevices()
	s := script.New(config)
	status, err = o.runSession(s, l, shell)
	if cerr := s.Close(); cerr != nil && err == nil {
		err = cerr
	}
	l.notes.close()
	if werr := s.OutputError(); werr != nil && !interactive {
		err = outputError(werr)
	}
	return status, err
}

// again returns the command line argv, quoted for a shell.
func again(argv []string) string {
	words := []string{"smolsh"}
	for _, w := range argv[1:] {
		if strings.ContainsFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=,@%+", r)
		}) || w == "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func (o *options) runSession(s *script.Session, l *shellLab, shell *repl.Shell) (int, error) {
	interactive := shell != nil
	if o.pcap == standardOutput {
		if err := s.CaptureTo(os.Stdout); err != nil {
			return 0, usageError("--pcap -: %v", err)
		}
	} else if o.pcap != "" {
		if err := s.Capture(o.pcap); err != nil {
			return 0, usageError("--pcap: %v", err)
		}
	}
	o.faults(s)
	if o.trace {
		s.Trace()
	}
	signaled := watchSignals(s, shell)
	if l.why != "" && !interactive { // the interactive shell's banner contains the reason
		fmt.Fprintln(os.Stderr, "smolsh: "+l.why)
	}
	var err error
	switch {
	case interactive:
		fmt.Print(l.banner(columns()))
		return shell.Run(s), nil
	case o.hasCommand:
		err = s.RunCommand(strings.Join(o.commands, "\n"))
	case o.file == "" || o.file == "-":
		err = runInput(s, os.Stdin)
	default:
		err = s.RunFile(o.file)
	}
	var exit *script.ExitError
	if errors.As(err, &exit) {
		if sig := syscall.Signal(signaled.Load()); exit.Code == statusInterrupt && sig != 0 {
			return signalStatus(sig), nil
		}
		if exit.Code == statusFailed && !s.Exited() && l.drawn && s.Busy() {
			fmt.Fprintf(os.Stderr, "smolsh: the seed of the host %s was drawn: --seed %d repeats it. Labs made by lab() had the run's seed 1.\n", l.local.Name(), l.seed)
		}
		return exit.Code, nil
	}
	if left := s.Unvisited(); left != "" && err == nil {
		fmt.Fprintln(os.Stderr, "smolsh: "+left)
	}
	return 0, err
}

// runInput runs standard input: a file as a whole, as one that is named, and anything else as it arrives. Only the process that runs the
// session may read it.
func runInput(s *script.Session, in *os.File) error {
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return s.RunStream(script.StdinName, in)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return s.RunSource(script.StdinName, strings.TrimPrefix(string(b), "\ufeff"))
}

// terminal returns the size of the terminal on standard output, 0 if there is none. rows is also 0 for a terminal that
// can't move its cursor.
func terminal() (columns, rows int) {
	if !isatty.IsTerminal(os.Stdout.Fd()) {
		return 0, 0
	}
	columns, rows = repl.TerminalSize(os.Stdout)
	if term := os.Getenv("TERM"); term == "dumb" || term == "" {
		rows = 0
	}
	return columns, rows
}

func columns() int {
	n, _ := terminal()
	return n
}
