package repl

import (
	"bufio"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/chzyer/readline"
)

// rawMode is the terminal's mode while lines are edited. Keys then send no signals.
type rawMode struct {
	fd   int
	old  *readline.State
	then func() // called just before the keyboard can interrupt again
}

func (r *rawMode) enter() error {
	old, err := readline.MakeRaw(r.fd)
	if err == nil {
		r.old = old
	}
	return err
}

func (r *rawMode) exit() error {
	if r.old == nil {
		return nil
	}
	old := r.old
	r.old = nil
	r.then()
	return readline.Restore(r.fd, old)
}

// plain reads lines and leaves the editing to the terminal's line discipline. It writes no escape codes. Shell.Run uses
// it if TERM is empty or dumb, or if stdout is no terminal.
type plain struct {
	sh    *Shell
	in    *input
	lines *bufio.Reader
}

func newPlain(sh *Shell) *plain {
	in, err := newInput(sh.cfg.Stdin)
	if err != nil {
		in = &input{ended: true}
	}
	return &plain{sh: sh, in: in, lines: bufio.NewReader(in)}
}

func (p *plain) stop() { p.in.stop() }

// line reads a line. Ctrl-C while the line is typed returns an interrupt.
func (p *plain) line(prompt string) (string, error) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	defer signal.Stop(c)
	io.WriteString(p.sh.screen, prompt)
	p.in.want(true)
	defer p.in.want(false)
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		l, err := p.lines.ReadString('\n')
		got <- result{l, err}
	}()
	select {
	case <-c:
		p.in.set(func() { p.in.out = append(p.in.out, '\n') })
		<-got
		io.WriteString(p.sh.screen, "\n")
		return "", readline.ErrInterrupt
	case r := <-got:
		if r.err != nil && r.line == "" {
			io.WriteString(p.sh.screen, "\n")
			return "", r.err
		}
		p.sh.s.Begin()
		return strings.TrimSuffix(r.line, "\n"), nil
	}
}
