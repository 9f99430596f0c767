package script

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

	"smolsh/script/registry"
	"smolsh/script/task"
)

const (
	// maxOutput bounds the octets that are kept of a program's outputs, both together.
	maxOutput = 64 << 20
	// maxChildren bounds a session's programs that run, or whose outputs a process of theirs holds open.
	maxChildren = 256
	// outputSettle is how long a program's outputs may stay open after its end, if a process that it left behind has them.
	outputSettle = 100 * time.Millisecond
)

// errOutput ends a program that writes too much.
var errOutput = fmt.Errorf("it wrote more than %d MiB", maxOutput>>20)

// programState has the programs that sh() has started.
type programState struct {
	mark string // in the environment of each, as newMark returns it
	used bool   // true if there was any

	mu    sync.Mutex
	count int                 // of all of them so far
	live  map[*child]struct{} // those that run, or whose outputs are open
}

// marks counts the sessions of this process.
var marks atomic.Uint64

// newMark returns a text that is in the environment of a session's programs and of the processes that they start.
func newMark() string { return fmt.Sprintf(";%d.%d.", os.Getpid(), marks.Add(1)) }

// markVariable is the environment variable with the marks of programs. A program inside a program has both marks.
const markVariable = "SMOLSH_PROGRAM"

// RanPrograms reports whether the script has called sh(), so that its run may not repeat.
func (s *Session) RanPrograms() bool { return s.programs.used }

// child is a program of the operating system, in a process group and a session of its own. Its process is the one whose
// end the child awaits; it may leave other processes behind.
type child struct {
	line    string // the command, as messages show it
	input   []byte // nil: its standard input is empty
	timeout time.Duration
	keepsOn bool // output that comes after its end is kept
	cmd     *exec.Cmd
	mark    string
	stdin   *os.File // the end of the pipe to which input is written; nil without input
	out     programOutput
	err     programOutput
	room    atomic.Int64 // octets of output that may still be kept
	parts   atomic.Int32 // number of outputs and processes that have not ended
	forget  func()       // called when none is left

	started chan struct{} // closed when it runs, or fail is set
	over    chan struct{} // closed when it has ended and its outputs are read
	fail    error         // why it could not be started

	mu     sync.Mutex
	pid    int // 0 before it has started
	ended  bool
	status int
	why    error // why stop has killed it
}

// newChild returns a program that has not been started.
func (s *Session) newChild(what registry.Command) (*child, error) {
	ps := &s.programs
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.live) >= maxChildren {
		return nil, fmt.Errorf("%d programs run already", maxChildren)
	}
	args := what.Args
	if args == nil {
		args = []string{"/bin/sh", "-c", what.Line}
	}
	attr, err := childAttr()
	if err != nil {
		return nil, err
	}
	AdoptCommands()
	ps.used = true
	ps.count++
	p := &child{line: what.String(), timeout: task.Forever, cmd: exec.Command(args[0], args[1:]...),
		mark: fmt.Sprintf("%s%d;", ps.mark, ps.count), started: make(chan struct{}), over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), markVariable+"="+os.Getenv(markVariable)+p.mark)
	p.cmd.SysProcAttr = attr
	p.room.Store(maxOutput)
	p.out.ended, p.err.ended = make(chan struct{}), make(chan struct{})
	p.parts.Store(3)
	p.forget = func() {
		ps.mu.Lock()
		defer ps.mu.Unlock()
		delete(ps.live, p)
	}
	if ps.live == nil {
		ps.live = map[*child]struct{}{}
	}
	ps.live[p] = struct{}{}
	return p, nil
}

// part counts one of the child's parts as ended.
func (p *child) part() {
	if p.parts.Add(-1) == 0 {
		p.forget()
	}
}

// run starts the program and returns when it has ended. Its goroutine keeps the thread, because the kernel kills the
// program when the thread that started it ends (PR_SET_PDEATHSIG).
func (p *child) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.over)
	defer p.part()
	p.fail = p.start()
	close(p.started)
	if p.fail != nil {
		return
	}
	if p.timeout >= 0 {
		defer time.AfterFunc(p.timeout, func() { p.stop(task.ErrTimedOut) }).Stop()
	}
	awaitExit(p.pid)
	p.mu.Lock()
	_ = p.cmd.Wait() // ProcessState has it all
	p.ended, p.status = true, exitStatus(p.cmd.ProcessState)
	p.mu.Unlock()
	disown(p.pid)
	p.settle()
}

// exitStatus returns the status that a shell would report.
func exitStatus(state *os.ProcessState) int {
	if state == nil {
		return shellMissing
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// start makes the pipes and starts the process.
func (p *child) start() (err error) {
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
	for _, o := range []*programOutput{&p.out, &p.err} {
		var w *os.File
		if o.pipe, w, err = os.Pipe(); err != nil {
			return err
		}
		theirs = append(theirs, w)
	}
	p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1]
	if p.input != nil {
		var r *os.File
		if r, p.stdin, err = os.Pipe(); err != nil {
			return err
		}
		theirs = append(theirs, r)
		p.cmd.Stdin = r
	}
	if err = p.reason(); err != nil {
		return err
	}
	if err = startOwn(p.cmd); err != nil {
		return startError(err)
	}
	p.mu.Lock()
	p.pid = p.cmd.Process.Pid
	if p.why != nil {
		signalGroup(p.pid, syscall.SIGKILL)
	}
	p.mu.Unlock()
	for _, o := range []*programOutput{&p.out, &p.err} {
		task.Background(func() { o.read(&p.room, func() { p.stop(errOutput) }) }, p.part)
	}
	if p.stdin != nil {
		task.Background(func() {
			_, _ = p.stdin.Write(p.input) // the program need not read it
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

// settle waits until the outputs are read after the program's end, unless a process that it left behind keeps them open.
func (p *child) settle() {
	late := time.NewTimer(outputSettle)
	defer late.Stop()
	for _, o := range []*programOutput{&p.out, &p.err} {
		select {
		case <-o.ended:
		case <-late.C:
			late.Reset(0)
		}
		if !p.keepsOn {
			o.finish()
		}
	}
	if p.stdin != nil {
		p.stdin.Close()
	}
}

// stop kills the program with its process group and the processes that it has left behind. why is the error of the call
// that waits for it. A program that is about to start is killed when it has. Any goroutine may call it.
func (p *child) stop(why error) {
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

// send sends a signal to the program's process group.
func (p *child) send(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.pid == 0:
	case !p.ended:
		signalGroup(p.pid, sig)
	default: // the number of the group may be another one's by now
		signalMarked(p.mark, sig)
	}
}

// result returns the program's status; ended is false while it runs, or its outputs are not read yet.
func (p *child) result() (status int, ended bool) {
	select {
	case <-p.over:
		return p.status, true
	default:
		return 0, false
	}
}

// reason returns the error for which stop has killed the program, nil if it ended by itself.
func (p *child) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// number returns the number of the program's process, 0 before it has started.
func (p *child) number() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// abandon closes the pipes, whoever holds their other ends.
func (p *child) abandon() {
	p.out.abandon()
	p.err.abandon()
	if p.stdin != nil {
		p.stdin.Close()
	}
}

// endPrograms ends the session's programs and every process that they have left behind.
func (s *Session) endPrograms() {
	if !s.programs.used {
		return
	}
	endMarked(s.programs.mark)
	s.programs.mu.Lock()
	var live []*child
	for p := range s.programs.live {
		live = append(live, p)
	}
	s.programs.mu.Unlock()
	for _, p := range live {
		select {
		case <-p.started:
			p.stop(task.ErrCanceled)
			p.abandon()
		default: // it is killed when it has started
			p.stop(task.ErrCanceled)
		}
	}
	reap()
}

// programOutput is what a program has written to one of its outputs.
type programOutput struct {
	pipe  *os.File
	ended chan struct{} // closed when no process has the other end any more

	mu       sync.Mutex
	b        []byte
	finished bool // nothing more is kept
}

// read reads the output to its end. It calls full when there is no room left, and discards the octets from then on.
func (o *programOutput) read(room *atomic.Int64, full func()) {
	defer close(o.ended)
	defer o.pipe.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := o.pipe.Read(buf)
		if !o.keep(buf[:n], room) {
			full()
		}
		if err != nil {
			return
		}
	}
}

// keep appends to the output; it reports false if that finishes it for want of room.
func (o *programOutput) keep(b []byte, room *atomic.Int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.finished || len(b) == 0 {
		return true
	}
	if room.Add(int64(-len(b))) < 0 {
		o.finished = true
		return false
	}
	o.b = append(o.b, b...)
	return true
}

// finish makes the output what it is now.
func (o *programOutput) finish() {
	o.mu.Lock()
	o.finished = true
	o.mu.Unlock()
}

// text returns the output so far.
func (o *programOutput) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// abandon closes this end of the pipe.
func (o *programOutput) abandon() {
	if o.pipe != nil {
		o.pipe.Close()
	}
}
