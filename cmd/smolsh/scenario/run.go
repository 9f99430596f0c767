package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
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
	Crashed func(v any, stack []byte) // called for a panic
	Plan    *fault.Plan               // faults to keep; nil for all
}

// Opener makes a new session in its own lab. The caller calls release after it has closed the session.
type Opener func(Setup) (s *script.Session, release func(), err error)

// Config selects the tests and how they run.
type Config struct {
	Tests   []Test
	Seeds   Seeds
	Shard   Shard
	Jobs    int           // number of tests at once, 1 or more
	Timeout time.Duration // longest time of one test with one seed, by the wall clock
	Live    bool          // true if the sessions are not virtual, so that nothing can be repeated
	Keep    *fault.Plan   // faults of tests to keep; nil for all
	Shrink  bool          // true to look for the fewest faults with which a failing test fails
	Folder  string        // folder for captures; "" for the working directory
	Open    Opener
	Stdout  io.Writer
	JSON    bool      // true to print lines of JSON instead of text
	JUnit   io.Writer // receives JUnit's XML; may be nil
	// Terminal enables a progress line on Stdout. Columns is the terminal's width.
	Terminal bool
	Columns  int
	// Stop ends the run when it is closed.
	Stop <-chan struct{}
}

// outcome is the result of a test with one seed.
type outcome struct {
	test        int
	seed        uint64
	failure     *script.Failure
	took        time.Duration
	simulated   time.Duration
	packets     []string       // the last packets, if it failed
	output      []byte         // the end of its output, if it failed
	troubles    []fault.Report // reports of the faults, under a plan
	touched     []string       // packets that faults have hit, under a plan
	interrupted bool
	hung        bool
	crashed     bool
}

// DefaultTimeout is the default of Config.Timeout.
const DefaultTimeout = time.Minute

const (
	lastPackets = 12
	// grace is how long an interrupted test may take to end.
	grace = 3 * time.Second
)

// tail keeps the end of the output that is written to it.
type tail struct {
	mu  sync.Mutex
	b   []byte
	cut bool
}

const maxTail = 16 << 10

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
	b := bytes.Clone(t.b)
	if t.cut {
		_, b, _ = bytes.Cut(b, []byte("\n"))
		b = append([]byte("…\n"), b...)
	}
	return b
}

// once runs a test with a seed. If capture is not empty, it writes every packet to that file.
func (c *Config) once(test int, seed uint64, plan *fault.Plan, capture string) outcome {
	t := c.Tests[test]
	o := outcome{test: test, seed: seed}
	if t.Wrong != nil {
		o.failure = t.Wrong
		return o
	}
	start := time.Now()
	printed := &tail{}
	done := make(chan *script.Failure, 1)
	crash := make(chan *script.Failure, 1)
	crashed := func(v any, stack []byte) {
		select {
		case crash <- &script.Failure{Message: fmt.Sprintf("panic: %v\n%s", v, firstFrames(stack))}:
		default:
		}
	}
	s, release, err := c.Open(Setup{Seed: seed, Output: printed, Crashed: crashed, Plan: plan})
	if err != nil {
		o.failure = &script.Failure{Message: err.Error()}
		return o
	}
	if capture != "" {
		if err := s.CaptureAll(capture); err != nil {
			o.failure = &script.Failure{Message: "the capture: " + err.Error()}
			_ = s.Close()
			release()
			return o
		}
	}
	go func() {
		defer guard(crashed)
		done <- s.RunTest(t.Path, t.Name)
	}()
	o.failure, o.crashed, o.hung, o.interrupted = c.watch(s, done, crash)
	if o.crashed {
		o.took, o.output = time.Since(start), printed.end()
		return o // the session must not be used after a crash
	}
	o.simulated = time.Duration(s.Now())
	if o.failure != nil {
		o.packets = s.LastPackets(lastPackets, false)
	}
	if plan != nil {
		o.troubles, o.touched = s.FaultReports(), s.LastPackets(lastPackets, true)
	}
	if err := s.Close(); err != nil && o.failure == nil && !errors.Is(err, os.ErrClosed) {
		o.failure = &script.Failure{Message: err.Error()}
	}
	release()
	if o.failure != nil {
		o.output = printed.end()
	}
	o.took = time.Since(start)
	return o
}

// watch waits until the test has ended, its time is over, or Stop is closed.
func (c *Config) watch(s *script.Session, done, crash <-chan *script.Failure) (f *script.Failure, crashed, hung, interrupted bool) {
	limit := time.NewTimer(c.Timeout)
	defer limit.Stop()
	stop := c.Stop
	var last <-chan time.Time
	for {
		select {
		case f = <-done:
			if hung {
				if f == nil {
					f = &script.Failure{}
				}
				f.Message = fmt.Sprintf("not ended after %v by the clock on the wall (--timeout)", c.Timeout)
			}
			return f, false, hung, interrupted
		case f = <-crash:
			return f, true, false, false
		case <-limit.C:
			hung = true
			last = time.After(grace)
			s.Interrupt()
		case <-stop:
			stop, interrupted = nil, true
			last = time.After(grace)
			s.Interrupt()
		case <-last:
			f = &script.Failure{Message: fmt.Sprintf("not ended after %v by the clock on the wall, nor when it was interrupted", c.Timeout)}
			return f, true, true, interrupted
		}
	}
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

// captureName returns the file for a failing test's packets.
func (c *Config) captureName(t Test, seed uint64, plan *fault.Plan) string {
	base := strings.ReplaceAll(strings.TrimSuffix(t.Shown, filepath.Ext(t.Shown)), string(filepath.Separator), "_")
	kept := ""
	if plan != nil {
		kept = ".kept"
	}
	return filepath.Join(c.Folder, fmt.Sprintf("%s.%s.seed%d%s.pcapng", base, t.Name, seed, kept))
}

// again returns the command that repeats a test with a seed and these faults.
func (c *Config) again(t Test, seed uint64, plan *fault.Plan) string {
	words := []string{"smolsh", "test"}
	if c.Live {
		words = append(words, "--live")
	}
	if c.Timeout != DefaultTimeout {
		words = append(words, "--timeout", c.Timeout.String())
	}
	if t.Name != "" {
		words = append(words, "--run", quote(chooser(t)), "--seed", fmt.Sprint(seed))
	}
	if plan != nil {
		words = append(words, "--keep", quote(Keeping(plan)))
	}
	return strings.Join(append(words, quote(t.Path)), " ")
}
