package script

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	starmath "go.starlark.net/lib/math"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"smolsh/phy/fault"
	"smolsh/script/command"
	"smolsh/script/escape"
	"smolsh/script/kernel"
	"smolsh/script/outfile"
	"smolsh/script/packetvalue"
	"smolsh/script/printer"
	"smolsh/script/screen"
	"smolsh/script/service"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/packet"
	"smolsh/stack/tcp"
)

// Config is the configuration of a Session.
type Config struct {
	Runner lab.Runner   // runner of the world of Local
	Lab    *lab.Lab     // lab that contains Local
	Local  *lab.Host    // the shell's own host
	Peer   *lab.Host    // the host named peer of a virtual lab; may be nil
	Link   *lab.Link    // the link named link, of the lab; may be nil
	Seed   uint64       // seed of the run, which labs made by the script mix with their own seeds
	Args   []string     // the script's arguments
	DNS    []netip.Addr // DNS servers that every host asks, in this order; none: those that routers advertise
	Stdout io.Writer
	Stderr io.Writer
	// Terminal and ErrTerminal are true if Stdout and Stderr are terminals. Control characters in output and messages
	// are then escaped.
	Terminal, ErrTerminal bool

	Width int // width of tables in columns; 0: unlimited
	// Size returns the terminal's present size, for output that is redrawn. It may be nil, and returns 0 without a
	// terminal.
	Size func() (columns, rows int)
	// Interactive makes Interrupt end only the statement that was typed last, and no other task.
	Interactive bool
	Heading     func(string) string // formats the first line of a table at the prompt; may be nil
	Plan        *fault.Plan         // plan that selects which faults of scripts stay in force; nil: all
	Colour      bool                // true to colour packets' lines by protocol and direction
	// Crashed is called with a panic of the scheduler and its stack. The session can't be used or closed afterwards. If
	// Crashed is nil, such a panic ends the program. Panics of builtins and hosts become errors of the script instead.
	Crashed func(v any, stack []byte)
	// NoFiles forbids scripts to use files and programs. They may still load() from the script's own folder, and read
	// the files that the command line names: the script and Args.
	NoFiles bool
	Again   string  // the command that repeats a virtual run, for reports of panics; may be empty
	Bounds  *Bounds // limits of what the tasks compute; nil for none but the depth of calls
	Shared  *Shared // state that this session shares with the sessions before and after it; may be nil
}

// Session is one script or shell: a scheduler, hosts and Starlark's globals.
type Session struct {
	cfg     Config
	reg     *builtinRegistry
	out     *printer.Printer
	tasks   *task.Scheduler
	main    *taskValue
	globals starlark.StringDict // predeclared in every file, and shared with typed input
	test    *testRun
	judging *starlark.Thread // runs a function that judges packets; nil while none runs; guarded by the interpreter
	steps   uint64           // computation steps of all tasks so far, for Bounds

	home   *task.World // world of Local
	virt   *task.World // world of the labs that the script makes; equals home if that is virtual
	local  *hostValue
	kernel *kernel.Stack
	hosts  map[*lab.Host]*hostValue
	links  map[*lab.Link]*linkValue
	open   []*connValue // open connections of the session's own live host; used on the host's owner
	sweep  int          // length of open at which the ended connections are removed from it

	files    sessionFiles
	prompt   promptState
	watching packetWatch
	faulted  faultState
	servers  serverState
	programs command.Set
	crashes  crashState
	ending   endState
	logs     []*logValue // logs that are written
	claims   map[*claimValue]bool
	// catalogue holds the protocols that scripts have defined. Traces read it on goroutines of their own.
	catalogue atomic.Pointer[packet.Catalogue]
	logLost   bool // true if a log ended because it could not be written
}

// sessionFiles holds the session's files.
type sessionFiles struct {
	given   map[string]bool // files that the command line names, as absolute paths
	folder  string          // the script's folder; "" without a script
	sources map[string]string
	loaded  map[string]*loadedFile
	outputs outfile.Set
}

// promptState is the state of the prompt between statements.
type promptState struct {
	inputs  []typedInput
	running syntax.Position // the statement that is running, in the chunk that is running
	runs    []ranFile       // the files run by the chunk that is running
	lasts   int             // number of times that a result was bound to _
	ran     string          // the file that run() ran last, and its arguments
	ranArgs []starlark.Value

	builtins starlark.StringDict // the names that every session has, but for _
	shown    string              // text of the value that a builtin has printed and returned
	printed  starlark.Value      // value that a builtin has printed and returned
	told     string              // text of that value if print() must not repeat it
	toldAt   uint64              // the printer's mark after that text
}

// packetWatch holds the traces, records and captures of packets.
type packetWatch struct {
	tracers   map[*hostValue]*tracer
	recent    map[*hostValue]*recent
	order     atomic.Uint64 // counter of the packets recorded
	width     atomic.Int32  // width of the terminal in columns, 0 without one
	verdictAt atomic.Int32  // column of the verdict in a trace
	captures  []*captureValue

	middleware middleware
}

// faultState holds the session's fault rules, and its part of a fault plan.
type faultState struct {
	rules   []*ruleValue
	stated  int              // number of faults stated under a plan
	planned []*fault.Planned // every effect that the plan has kept, also those of removed rules, and drawn fields
	drawn   int              // number of drawn fields among them
	fuzzed  uint64           // number of packets that fuzz() has drawn
}

// serverState holds the servers, and the bound on the handlers that one server runs at a time.
type serverState struct {
	list     []*server
	handlers task.Bound
}

// crashState counts the panics that were recovered.
type crashState struct {
	mu       sync.Mutex
	pending  []*lab.Panic // panics that are not reported yet; guarded by mu
	total    int          // number of panics of hosts and builtins
	reported int          // number of hosts' panics reported
}

// endState records whether and how the session ends.
type endState struct {
	exit        *exitError
	exited      bool
	interrupted bool // true if the last run was interrupted, so that the exit status is 130
}

// New makes a Session. The caller closes it.
func New(cfg Config) *Session {
	s := &Session{
		cfg:     cfg,
		out:     printer.New(cfg.Stdout),
		hosts:   map[*lab.Host]*hostValue{},
		links:   map[*lab.Link]*linkValue{},
		home:    &task.World{Runner: cfg.Runner},
		files:   sessionFiles{given: map[string]bool{}, sources: map[string]string{}, loaded: map[string]*loadedFile{}},
		servers: serverState{handlers: task.Bound{Limit: maxHandlers}},
	}
	if cfg.ErrTerminal {
		width := func() int { return int(s.watching.width.Load()) }
		s.cfg.Stderr = escape.Writer{To: screen.Writer{To: cfg.Stderr, Width: width, Hang: hang}}
	}
	s.watching.tracers, s.watching.recent = map[*hostValue]*tracer{}, map[*hostValue]*recent{}
	for _, a := range cfg.Args {
		s.files.given[abs(a)] = true
	}
	s.SetWidth(cfg.Width)
	s.tasks = s.newScheduler()
	s.reg = cfg.Shared.registry()
	s.watchPanics(s.home)
	if cfg.Runner.Virtual() {
		s.virt = s.home
	}
	shellLab := &labValue{s: s, w: s.home, lab: cfg.Lab}
	s.local = s.hostOf(cfg.Local, shellLab, "local")
	if cfg.Interactive { // scripts use on("conflict", fn) instead
		s.sayConflicts()
	}
	s.kernel = kernel.New(kernelEnvironment{environment{s}}, !cfg.Runner.Virtual())
	s.main = s.newTask("main", s.local)
	if !cfg.Interactive {
		s.out.OnFailure(s.tasks.Interrupt)
	}
	s.globals = s.predeclared()
	s.prompt.builtins = maps.Clone(s.globals)
	delete(s.prompt.builtins, "_") // None until a result is bound to it
	return s
}

// virtual returns the world of the labs that the script makes.
func (s *Session) virtual() *task.World {
	if s.virt == nil {
		s.virt = &task.World{Runner: lab.NewVirtual(lab.NewWorld()), Held: true}
		s.tasks.AddWorld(s.virt)
		s.watchPanics(s.virt)
		s.captureWorld(s.virt)
	}
	return s.virt
}

func (s *Session) predeclared() starlark.StringDict {
	g := starlark.StringDict{
		"json":   jsonModule(),
		"math":   starmath.Module,
		"time":   startime.Module,
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"local":  s.local,
		"kernel": s.kernel,
		"_":      starlark.None,
	}
	for name, b := range s.reg.ByName {
		if !hasDot(name) {
			g[name] = &function{s, b, nil}
		}
	}
	for ns := range s.reg.Members {
		if topNamespaces[ns] {
			g[ns] = &namespace{s, ns, nil}
		}
	}
	for _, p := range packet.Protocols() {
		g[p.Name] = packetvalue.NewProtocol(environment{s}, p)
	}
	g["ANY"] = packetvalue.Any{}
	g["arp"], g["ss"] = g["neighbors"], g["sockets"]
	g["quit"] = g["exit"]
	for _, h := range []service.Kind{service.Echo, service.Discard, service.Chargen} {
		g[string(h)] = h
	}
	if s.cfg.Link != nil {
		g["link"] = s.linkOf(s.cfg.Link, s.local.w)
	}
	if s.cfg.Peer != nil {
		g["peer"] = s.hostOf(s.cfg.Peer, s.local.lab, "peer")
	}
	s.SetArgs(g)
	return g
}

// SetArgs sets the global args in a dictionary of globals to the script's arguments.
func (s *Session) SetArgs(g starlark.StringDict) {
	args := make([]starlark.Value, len(s.cfg.Args))
	for i, a := range s.cfg.Args {
		args[i] = starlark.String(a)
	}
	g["args"] = starlark.NewList(args)
}

// topNamespaces are the namespaces that are globals. Other prefixes of builtins are types or builtins.
var topNamespaces = map[string]bool{"raw": true, "frames": true, "tcp": true, "udp": true, "icmp": true, "http": true, "assert": true}

func hasDot(s string) bool {
	for i := range len(s) {
		if s[i] == '.' {
			return true
		}
	}
	return false
}

func (s *Session) print(thread *starlark.Thread, msg string) {
	if s.prompt.told == "" || msg != s.prompt.told || s.prompt.toldAt != s.out.Mark() {
		s.out.Print(s.clean(msg))
	}
	if len(s.logs) > 0 {
		t, _ := thread.Local("task").(*taskValue)
		s.logLine(t, msg)
	}
}

// clean returns text that may have a peer's words in it as standard output gets it: escaped on a terminal.
func (s *Session) clean(text string) string {
	if !s.cfg.Terminal {
		return text
	}
	return escape.Controls(text)
}

// Print prints a line on the session's standard output.
func (s *Session) Print(text string) { s.out.Print(text) }

// say prints a line of a builtin's, folded at words.
func (s *Session) say(line string) { s.out.Print(screen.Fold(line, s.cfg.Width, hang)) }

// OutputError returns the error with which standard output failed, nil if it did not. A session that is not interactive
// ends when its output fails. Any goroutine may call it.
func (s *Session) OutputError() error { return s.out.Err() }

// Flush returns when everything printed has been written.
func (s *Session) Flush() { s.out.Flush() }

// end ends the script with exit's status, by ending the main task's wait.
func (s *Session) end(e *exitError) {
	if s.ending.exit == nil {
		s.ending.exit = e
	}
	s.main.Cancel(e)
}

// RunFile runs a script to its end. If it returns an ExitError, errors have been reported on Stderr.
func (s *Session) RunFile(path string) error {
	s.name(path)
	return s.result(s.execFile(s.main, path))
}

// RunSource runs source text. name is the name of the source in messages.
func (s *Session) RunSource(name, src string) error {
	_, err := s.exec(s.main, name, src)
	return s.result(err)
}

// result reports the error that ended the main task, and converts it to an exit status.
func (s *Session) result(err error) error {
	s.tasks.DeliverInterrupt()
	s.reportPanics()
	s.tasks.InterruptOver()
	fail := s.main.Revive()
	var exit *exitError
	if e := s.ending.exit; e != nil {
		s.ending.exit, exit = nil, e
	} else if errors.As(err, &exit) {
	} else if fail != nil && err != nil {
		if fail == task.ErrInterrupted || fail == task.ErrCanceled {
			s.out.Flush()
			s.ending.interrupted = true
			return &ExitError{130}
		}
		err = s.withCause(err, fail)
	}
	s.out.Flush()
	switch {
	case exit != nil && (exit.code != 0 || !s.logLost):
		s.ending.exited = true
		return &ExitError{exit.code}
	case err != nil:
		fmt.Fprintln(s.cfg.Stderr, s.report(err))
		return &ExitError{1}
	case s.logLost && !s.tasks.Foreground: // which has been said
		return &ExitError{1}
	case s.crashes.total > 0 && !s.tasks.Foreground:
		return &ExitError{1}
	}
	return nil
}

// withCause returns fail with the backtrace of err. The text of err is dropped, because an interpreter that was stopped
// between two calls reports only that it was stopped.
func (s *Session) withCause(err, fail error) error {
	var eval *starlark.EvalError
	if errors.As(err, &eval) {
		return &starlark.EvalError{Msg: fail.Error(), CallStack: eval.CallStack}
	}
	return fail
}

// lingering is the time that a session waits at its end for its sent data to be acknowledged.
const lingering = 10 * time.Second

// hangUp closes the connections of a live host that the script left open, as an operating system does when a program
// ends. It returns when the peers have acknowledged the sent data.
func (s *Session) hangUp() {
	if s.home.Virtual() || s.local.broken() != nil {
		return
	}
	s.tasks.Do(s.home, func(now clock.Instant) {
		for _, v := range slices.Clone(s.open) {
			v.close(now)
		}
		for _, v := range s.servers.list {
			if v.h != s.local {
				continue
			}
			for _, c := range slices.Clone(v.conns) { // a close that resets removes the connection from the list
				c.Close(now)
			}
		}
	})
	sent := func(now clock.Instant) bool {
		for _, i := range s.cfg.Local.SocketInfos(now) {
			if i.TCP != nil && i.TCP.SendQ > 0 && i.TCP.State != tcp.Established && i.TCP.State != tcp.CloseWait {
				return false
			}
		}
		return true
	}
	limit := s.home.Now().Add(lingering)
	for !s.ending.interrupted && s.home.Now() < limit {
		err := s.main.Await(s.home, "what was sent to arrive", nil, 5*time.Millisecond, sent)
		if err != task.ErrTimedOut {
			return
		}
	}
}

// Close ends every task, closes connections, and stops captures and the runner.
func (s *Session) Close() error {
	var first error
	s.tasks.CancelAll(task.ErrCanceled)
	s.main.Revive()
	s.kernel.Close()
	s.programs.End()
	s.hangUp()
	s.main.Revive()
	_ = s.main.Until("the tasks to end", func() bool { return s.tasks.Others() <= 0 })
	s.releaseClaims()
	for _, c := range s.watching.captures {
		if err := c.close(s); err != nil && first == nil {
			first = err
		}
	}
	for _, v := range slices.Clone(s.logs) {
		if err := v.close(); err != nil && first == nil {
			first = err
		}
	}
	for _, v := range s.servers.list {
		s.complainRest(v)
	}
	s.out.Close()
	if err := s.cfg.Runner.Close(); err != nil && first == nil {
		first = err
	}
	return first
}

// Exited reports whether the last run ended by exit().
func (s *Session) Exited() bool { return s.ending.exited }

// Now returns the time of the session's own world.
func (s *Session) Now() clock.Instant { return s.home.Now() }

// abs returns an absolute path, or path itself if that fails.
func abs(path string) string {
	if p, err := filepath.Abs(path); err == nil {
		return p
	}
	return path
}
