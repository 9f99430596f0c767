package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"smolsh/script/task"
)

const (
	// maxOutput is the largest number of octets that are kept of a program's standard output and standard error
	// together.
	maxOutput = 64 << 20
	// maxPrograms is the largest number of programs that a set may have at once. A program counts while it runs, and
	// afterwards while a process that it left behind holds one of its outputs open.
	maxPrograms = 256
	// outputSettle is the time that Run waits after the program's end for its outputs to close. A process that the
	// program left behind may hold them open.
	outputSettle = 100 * time.Millisecond
)

// errOutput is the reason of Stop for a program that writes more than maxOutput octets.
var errOutput = fmt.Errorf("it wrote more than %d MiB", maxOutput>>20)

// A Set is the set of programs that one session has started. The zero Set is empty. Any goroutine may call its methods.
type Set struct {
	mu    sync.Mutex
	mark  string                // text in the environment of each program, as newMark returns it; "" before the first program
	count int                   // number of all programs so far
	live  map[*Program]struct{} // programs that run, or whose outputs are open
}

// marks counts the Sets of this process.
var marks atomic.Uint64

// markOf returns the beginning of the marks of all programs that the process pid has started.
func markOf(pid int) string { return fmt.Sprintf(";%d.", pid) }

// newMark returns a text that is in the environment of a Set's programs and of the processes that they start.
func newMark() string { return fmt.Sprintf("%s%d.", markOf(os.Getpid()), marks.Add(1)) }

// markVariable is the environment variable with the marks of programs. If a program of a script runs smolsh, whose
// script runs a second program, the second one has the marks of both.
const markVariable = "SMOLSH_PROGRAM"

// Used reports whether the set has had any program.
func (s *Set) Used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count > 0
}

// Len returns the number of programs that run, or whose outputs a process that they left behind holds open.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}

// A Program is a program of the operating system, in a process group and a session of its own. It ends with its
// process, which may leave other processes behind. Any goroutine may call its methods. The caller sets the exported
// fields, except Out and Err, before Run.
type Program struct {
	Line    string        // command in the form in which messages show it
	Input   []byte        // octets of its standard input; nil for an empty one
	Timeout time.Duration // time after which Run kills the program, by the wall clock; task.Forever for no bound
	KeepsOn bool          // true if the outputs also keep the octets that processes left behind write after the program's end
	Out     Output
	Err     Output

	cmd    *exec.Cmd
	mark   string
	stdin  *os.File     // writing end of the pipe for Input; nil without Input
	room   atomic.Int64 // octets of output that may still be kept
	parts  atomic.Int32 // number of outputs and processes that have not ended
	forget func()       // called when parts becomes 0

	started chan struct{} // closed when the program runs, or fail is set
	over    chan struct{} // closed when the program has ended and its outputs are read
	fail    error         // error of the start; nil if it succeeded

	mu     sync.Mutex
	pid    int // 0 before it has started
	ended  bool
	status int
	why    error // reason that Stop was given; nil without Stop
}

// New returns a program that has not been started, which the caller must Run. args has the program's name and its arguments. The set
// bounds the number of programs.
func (s *Set) New(line string, args []string) (*Program, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.live) >= maxPrograms {
		return nil, fmt.Errorf("%d programs run already", maxPrograms)
	}
	attr, err := childAttr()
	if err != nil {
		return nil, err
	}
	Adopt()
	if s.mark == "" {
		s.mark, s.live = newMark(), map[*Program]struct{}{}
	}
	s.count++
	p := &Program{Line: line, Timeout: task.Forever, cmd: exec.Command(args[0], args[1:]...),
		mark: fmt.Sprintf("%s%d;", s.mark, s.count), started: make(chan struct{}), over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), markVariable+"="+os.Getenv(markVariable)+p.mark)
	p.cmd.SysProcAttr = attr
	p.room.Store(maxOutput)
	p.Out.ended, p.Err.ended = make(chan struct{}), make(chan struct{})
	p.parts.Store(3)
	p.forget = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, p)
	}
	s.live[p] = struct{}{}
	return p, nil
}

// part counts one of the program's parts as ended.
func (p *Program) part() {
	if p.parts.Add(-1) == 0 {
		p.forget()
	}
}

// Run starts the program and returns when it has ended. The caller's goroutine keeps the thread, because the kernel kills the
// program when the thread that started it ends (PR_SET_PDEATHSIG).
func (p *Program) Run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.over)
	defer p.part()
	p.fail = p.start()
	close(p.started)
	if p.fail != nil {
		return
	}
	if p.Timeout >= 0 {
		defer time.AfterFunc(p.Timeout, func() { p.Stop(task.ErrTimedOut) }).Stop()
	}
	p.await()
	p.ended, p.status = true, exitStatus(p.cmd.ProcessState)
	p.mu.Unlock()
	disown(p.pid)
	p.settle()
	reap()
}

// exitStatus returns the status that a shell would report.
func exitStatus(state *os.ProcessState) int {
	if state == nil {
		return Missing
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// start makes the pipes and starts the process.
func (p *Program) start() (err error) {
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			p.abandon()
			p.part()
			p.part()
		}
	}()
	for _, o := range []*Output{&p.Out, &p.Err} {
		var w *os.File
		if o.pipe, w, err = os.Pipe(); err != nil {
			return err
		}
		theirs = append(theirs, w)
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	if p.Input != nil {
		var r *os.File
		if r, p.stdin, err = os.Pipe(); err != nil {
			return err
		}
		theirs = append(theirs, r)
		p.cmd.Stdin = r
	}
	if err = p.Reason(); err != nil {
		return err
	}
	if err = Start(p.cmd); err != nil {
		return startError(err)
	}
	p.mu.Lock()
	p.pid = p.cmd.Process.Pid
	if p.why != nil {
		signalGroup(p.pid, syscall.SIGKILL)
	}
	p.mu.Unlock()
	for _, o := range []*Output{&p.Out, &p.Err} {
		task.Background(func() { o.read(&p.room, func() { p.Stop(errOutput) }) }, p.part)
	}
	if p.stdin != nil {
		task.Background(func() {
			_, _ = p.stdin.Write(p.Input) // an error is ignored, since the program need not read its input
			p.stdin.Close()
		}, func() {})
	}
	return nil
}

// startError returns the reason why a program can't be started.
func startError(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		if errors.Is(e.Err, exec.ErrNotFound) {
			return errors.New("command not found")
		}
		return e.Err
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// settle waits, after the program's end, until its outputs are read. If a process that the program left behind holds
// them open, settle waits no longer than outputSettle.
func (p *Program) settle() {
	late := time.NewTimer(outputSettle)
	defer late.Stop()
	for _, o := range []*Output{&p.Out, &p.Err} {
		select {
		case <-o.ended:
		case <-late.C:
			late.Reset(0)
		}
		if !p.KeepsOn {
			o.finish()
		}
	}
	if p.stdin != nil {
		p.stdin.Close()
	}
}

// Stop kills the program's process group and the processes that the program has left behind. Reason then returns the
// error why, or that of an earlier Stop. If the program is about to start, Stop's kill follows its start. Any goroutine
// may call it.
func (p *Program) Stop(why error) {
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	if p.why == nil {
		p.why = why
	}
	if p.pid != 0 {
		signalGroup(p.pid, syscall.SIGKILL)
	}
	p.mu.Unlock()
	killMarked(p.mark)
}

// Signal sends a signal to the program's process group.
func (p *Program) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.pid == 0:
	case !p.ended:
		signalGroup(p.pid, sig)
	default: // the number of the group may have been reused
		signalMarked(p.mark, sig)
	}
}

// Result returns the program's status; ended is false while the program runs, or while its outputs are not read yet.
func (p *Program) Result() (status int, ended bool) {
	select {
	case <-p.over:
		return p.status, true
	default:
		return 0, false
	}
}

// Reason returns the error for which Stop has killed the program, nil if it ended by itself.
func (p *Program) Reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// PID returns the number of the program's process, 0 before it has started.
func (p *Program) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// abandon closes this process's ends of the pipes, even if other processes hold the other ends.
func (p *Program) abandon() {
	p.Out.abandon()
	p.Err.abandon()
	if p.stdin != nil {
		p.stdin.Close()
	}
}

// Started returns a channel that is closed when the program runs, or could not be started.
func (p *Program) Started() <-chan struct{} { return p.started }

// Over returns a channel that is closed when the program has ended and its outputs are read.
func (p *Program) Over() <-chan struct{} { return p.over }

// Failure returns the error for which the program could not be started. It may be called when Started is closed.
func (p *Program) Failure() error { return p.fail }

// End ends the set's programs and every process that they have left behind.
func (s *Set) End() {
	s.mu.Lock()
	mark := s.mark
	s.mu.Unlock()
	if mark == "" {
		return
	}
	endMarked(mark)
	s.mu.Lock()
	var live []*Program
	for p := range s.live {
		live = append(live, p)
	}
	s.mu.Unlock()
	for _, p := range live {
		p.Stop(task.ErrCanceled) // a program that is about to start is killed when it has started
		select {
		case <-p.started:
			p.abandon()
		default:
		}
	}
	reap()
}
