package scenario

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"smolsh/script"
	"smolsh/script/command"
)

// pool holds the idle workers.
type pool struct {
	mu   sync.Mutex
	idle []*worker
}

// worker is the runner's end of the pipes to a worker.
type worker struct {
	requests io.WriteCloser
	mu       sync.Mutex // guards out
	out      *gob.Encoder
	replies  chan reply    // closed when the worker has ended
	position *Position     // nil if the worker is in the runner's own process
	pid      int           // number of the worker's process; 0 if the worker is in the runner's own process
	kill     func()        // ends the worker at once
	end      func() string // waits until the worker has ended, and returns the cause of the end
}

// An interrupted test has the time grace to end. Its worker then has the time overdue to send the reply.
const (
	grace   = 2 * time.Second
	overdue = 2 * time.Second
)

// Close ends the idle workers and waits for their end.
func (c *Config) Close() {
	c.pool.mu.Lock()
	idle := c.pool.idle
	c.pool.idle = nil
	c.pool.mu.Unlock()
	for _, w := range idle {
		w.requests.Close()
		w.end()
		if w.position != nil {
			w.position.close()
		}
	}
}

// take returns an idle worker, or a new one.
func (c *Config) take() (*worker, error) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if n := len(c.pool.idle); n > 0 {
		w := c.pool.idle[n-1]
		c.pool.idle = c.pool.idle[:n-1]
		return w, nil
	}
	if c.Worker == nil {
		return c.here(), nil
	}
	return c.start()
}

func (c *Config) put(w *worker) {
	c.pool.mu.Lock()
	c.pool.idle = append(c.pool.idle, w)
	c.pool.mu.Unlock()
}

// start starts a worker process and returns the worker.
func (c *Config) start() (*worker, error) {
	requests, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer requests.Close()
	out, replies, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer replies.Close()
	position, page, err := newPosition()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	defer page.Close()
	cmd := c.Worker()
	said := &head{}
	carry(cmd, requests, replies, page, said)
	if err := command.Start(cmd); err != nil {
		in.Close()
		out.Close()
		position.close()
		return nil, err
	}
	w := newWorker(in, out)
	w.position, w.pid = position, cmd.Process.Pid
	w.kill = func() { _ = cmd.Process.Kill() }
	w.end = func() string {
		err := command.Wait(cmd)
		out.Close()
		if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == ExitMemory {
			return c.tooMuchMemory()
		}
		return said.cause(err)
	}
	return w, nil
}

// here starts a worker in the runner's own process. It can't be killed, so a test that does not end keeps running.
func (c *Config) here() *worker {
	requests, in := io.Pipe()
	out, replies := io.Pipe()
	go func() {
		err := c.Serve(requests, replies, nil)
		requests.Close()
		replies.CloseWithError(errors.Join(err, io.EOF))
	}()
	w := newWorker(in, out)
	w.kill = func() { out.Close() }
	w.end = func() string { return "ended" }
	return w
}

// newWorker returns a worker whose replies are read from in.
func newWorker(requests io.WriteCloser, in io.Reader) *worker {
	w := &worker{requests: requests, out: gob.NewEncoder(requests), replies: make(chan reply, 1)}
	go func() {
		defer close(w.replies)
		for d := gob.NewDecoder(in); ; {
			var a reply
			if d.Decode(&a) != nil {
				return
			}
			w.replies <- a
		}
	}()
	return w
}

func (w *worker) send(r request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(r) // an error means that the worker has ended, and then w.replies is closed
}

// ask sends a request to a worker and returns the reply. If the worker dies, the reply is a failure of the test with
// the cause.
func (c *Config) ask(r request) reply {
	w, err := c.take()
	if err != nil {
		return reply{Outcome: outcome{Failure: &script.Failure{Message: "no worker: " + err.Error()}, Crashed: true}}
	}
	start := time.Now()
	if w.position != nil {
		w.position.clear()
	}
	w.send(r)
	a, why, interrupted := c.await(w)
	if why == "" && !a.Last {
		c.put(w)
		return a
	}
	w.requests.Close()
	w.kill()
	cause := w.end()
	if w.pid != 0 {
		command.EndOf(w.pid) // the worker may not have ended the programs of its tests
	}
	if why != "" {
		if why == hasEnded {
			if why = cause; cause != c.tooMuchMemory() {
				why = hasEnded + cause
			}
		}
		a = reply{Outcome: outcome{Failure: &script.Failure{Message: why}, Hung: true, Crashed: true, Took: time.Since(start)}}
	}
	a.Outcome.Interrupted = a.Outcome.Interrupted || interrupted
	if w.position != nil {
		if f := a.Outcome.Failure; f != nil && f.File == "" && a.Outcome.Crashed {
			f.File, f.Line = w.position.get()
		}
		w.position.close()
	}
	return a
}

// hasEnded is the reason of a missing answer if the worker has ended by itself. The cause of its end follows in the
// text.
const hasEnded = "the test ended its worker: "

// residentChecks is the interval at which the runner reads a worker's memory. The worker checks itself too, but may be
// too busy.
const residentChecks = 50 * time.Millisecond

// await waits for a worker's answer. Without an answer, await returns the reason why, and the caller must end the
// worker if it still runs. interrupted is true if Config.Stop was closed before the answer.
func (c *Config) await(w *worker) (a reply, why string, interrupted bool) {
	limit := time.NewTimer(c.Timeout + grace + overdue)
	defer limit.Stop()
	memory := time.NewTicker(residentChecks)
	defer memory.Stop()
	stop := c.Stop
	var last <-chan time.Time
	for {
		select {
		case a, ok := <-w.replies:
			if !ok {
				why = hasEnded
			}
			return a, why, interrupted
		case <-memory.C:
			if c.Memory > 0 && w.pid != 0 && residentSize(w.pid) > 2*c.Memory {
				return a, c.tooMuchMemory(), interrupted
			}
		case <-stop:
			stop, interrupted = nil, true
			w.send(request{Interrupt: true})
			last = time.After(grace + overdue)
		case <-limit.C:
			return a, c.tooMuchTime() + ", nor when it was interrupted", interrupted
		case <-last:
			return a, "not ended when it was interrupted", interrupted
		}
	}
}

// head keeps the first maxHead octets of a worker's standard error, where the Go runtime writes the cause of a fatal
// error.
type head struct {
	mu sync.Mutex
	b  []byte
}

const maxHead = 8 << 10

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p[:min(len(p), maxHead-len(h.b))]...)
	return len(p), nil
}

// cause returns why a worker ended: the line of the runtime's fatal error or panic, or the exit status in err.
func (h *head) cause(err error) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for line := range bytes.Lines(h.b) {
		line = bytes.TrimSpace(line)
		if what, ok := bytes.CutPrefix(line, []byte("fatal error: ")); ok {
			if string(what) == "stack overflow" {
				return "stack overflow: calls, or a value that is printed, are nested too deep"
			}
			return string(what)
		}
		if bytes.HasPrefix(line, []byte("panic: ")) {
			return string(line)
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ProcessState.String()
	}
	return "it ended by itself"
}
