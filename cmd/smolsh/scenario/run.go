package scenario

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"smolsh/phy/fault"
	"smolsh/script"
)

// Setup holds the parameters of a session for one test.
type Setup struct {
	Seed    uint64
	Output  io.Writer                 // receives the test's output
	Crashed func(v any, stack []byte) // called after a panic, with its value and stack
	Plan    *fault.Plan               // faults to keep; nil for all
	Bounds  *script.Bounds
	Shared  *script.Shared
}

// Opener makes a new session in its own lab. The caller calls release after it has closed the session.
type Opener func(Setup) (s *script.Session, release func(), err error)

// Config selects the tests and the way in which they run. Close ends its workers.
type Config struct {
	Tests    []Test
	Seeds    Seeds
	Shard    Shard
	Jobs     int           // number of tests at once, 1 or more
	Timeout  time.Duration // bound of one test with one seed, by the wall clock
	Memory   int64         // bound of a worker's memory, in octets; 0 for none
	Steps    uint64        // bound of a test's computation steps; 0 for none
	FailFast bool          // run no further test after the first failure
	Live     bool          // the sessions are not virtual: nothing can be repeated
	Keep     *fault.Plan   // the faults of tests to keep; nil for all
	Shrink   bool          // look for the fewest faults with which a failing test fails
	Folder   string        // the captures' folder; "" for the working directory
	// NoCaptures leaves no captures of failing tests.
	NoCaptures bool
	Open       Opener           // makes the session of a test, in the worker
	Worker     func() *exec.Cmd // makes the command of a worker process; nil runs the workers in this process
	// ExitFull ends a worker's process, with the status ExitMemory, when memory is so full that an answer would take seconds. The
	// position is that of the statement that runs, if it is known. Nil in the runner's own process.
	ExitFull func(file string, line int)
	Before   []string // flags in front of the verb test in the command that repeats a test
	After    []string // flags after the verb in that command
	Stdout   io.Writer
	Stderr   io.Writer // receives remarks if Stdout receives JSON
	JSON     bool      // true for lines of JSON instead of text
	JUnit    io.Writer // receives JUnit's XML; may be nil
	Terminal bool      // Stdout is a terminal, on which control characters are escaped
	// Progress makes a line on Stdout show the progress; Columns is its width.
	Progress bool
	Columns  int
	// Stop ends the run when it is closed.
	Stop <-chan struct{}

	pool     pool
	began    time.Time // when the search for tests began
	naming   sync.Mutex
	captures map[string]string // test to which a capture file belongs, by the file's path; guarded by naming
}

// outcome is the result of a test with one seed. Its exported fields cross from the worker to the runner.
type outcome struct {
	test        int
	seed        uint64
	Failure     *script.Failure
	Skipped     bool   // true if skip() ended the test
	Expected    bool   // true if the test failed as xfail() expected
	Why         string // reason that skip() or xfail() was given
	Took        time.Duration
	Simulated   time.Duration
	Packets     []string       // the last packets, if it failed
	Output      []byte         // the end of its output, if it failed
	CaptureErr  string         // why the capture is missing or not whole; "" if it is
	Troubles    []fault.Report // the faults, under a plan
	Touched     []string       // packets that met one, under a plan
	Interrupted bool
	Hung        bool // true if the test exceeded a bound
	Crashed     bool // true if the session must not be used any more
	Programs    bool // true if the test has run programs of the operating system
}

// DefaultTimeout is the default of Config.Timeout.
const DefaultTimeout = time.Minute

const lastPackets = 12

// tail keeps the last maxTail octets that are written to it.
type tail struct {
	mu  sync.Mutex
	b   []byte
	cut bool
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - maxTail; n > 0 {
		t.b, t.cut = append(t.b[:0], t.b[n:]...), true
	}
	return len(p), nil
}

func (t *tail) end() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, cut := bytes.Clone(t.b), t.cut
	if at := bytes.IndexByte(b, '\n'); cut && at >= 0 && at < len(b)-1 {
		b = b[at+1:] // from the beginning of a line
	}
	if lines := bytes.SplitAfter(b, []byte("\n")); len(lines) > maxLines {
		b, cut = bytes.Join(lines[len(lines)-maxLines:], nil), true
	}
	if cut {
		b = append([]byte("…\n"), b...)
	}
	return b
}

// once runs a test with a seed in a worker and returns the outcome. test is an index of Config.Tests. If capture is not
// empty, every packet is written to that file.
func (c *Config) once(test int, seed uint64, plan *fault.Plan, capture string) outcome {
	t := c.Tests[test]
	o := outcome{Failure: t.Wrong, Skipped: t.Skipped, Why: t.Why}
	if t.Wrong == nil && !t.Skipped {
		o = c.ask(request{Path: t.Path, Name: t.Name, Index: t.Index, Seed: seed, Plan: plan, Capture: capture}).Outcome
	}
	o.test, o.seed = test, seed
	return o
}

func guard(crashed func(v any, stack []byte)) {
	if v := recover(); v != nil {
		crashed(v, debug.Stack())
	}
}

// firstFrames returns the functions at the top of a stack, where the panic occurred.
func firstFrames(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") && i+2 < len(lines) {
			lines = lines[i+2:]
			break
		}
	}
	return strings.Join(lines[:min(8, len(lines))], "\n")
}

// fileName replaces the characters of a name that a file's name should not have.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

// captureName returns the file for a failing test's packets. The file's name depends only on the test's path and name,
// so that the command that repeats the test writes the same file. If another test of the run already has that file,
// captureName adds a number.
func (c *Config) captureName(t Test, seed uint64, plan *fault.Plan) string {
	kept := ""
	if plan != nil {
		kept = ".kept"
	}
	file := t.base()
	file = fmt.Sprintf("%s.%s.seed%d%s", fileName(strings.TrimSuffix(file, filepath.Ext(file))), fileName(t.Name), seed, kept)
	c.naming.Lock()
	defer c.naming.Unlock()
	if c.captures == nil {
		c.captures = map[string]string{}
	}
	owner := t.Path + "\x00" + t.Name
	for n := 1; ; n++ {
		name := file
		if n > 1 {
			name += fmt.Sprintf(".%d", n)
		}
		if of, taken := c.captures[name]; !taken || of == owner {
			c.captures[name] = owner
			return filepath.Join(c.Folder, name+".pcapng")
		}
	}
}

// base returns the beginning of the name of a capture: the path of the test's file, or the path in reports if the
// file's path is absolute.
func (t *Test) base() string {
	path := filepath.Clean(t.Path)
	if filepath.IsAbs(path) {
		return t.Shown
	}
	return strings.TrimLeft(filepath.ToSlash(path), "./")
}

// again returns the command that repeats a test with a seed and the faults of the plan.
func (c *Config) again(t Test, seed uint64, plan *fault.Plan) string {
	words := []string{"smolsh"}
	for _, w := range c.Before {
		words = append(words, quote(w))
	}
	words = append(words, "test")
	for _, w := range c.After {
		words = append(words, quote(w))
	}
	if t.Name != "" {
		words = append(words, "--run", quote(chooser(t)), "--seed", fmt.Sprint(seed))
	}
	if plan != nil {
		words = append(words, "--keep", quote(Keeping(plan)))
	}
	path := t.Path
	if strings.HasPrefix(path, "-") {
		path = "./" + path // no flag
	}
	return strings.Join(append(words, quote(path)), " ")
}
