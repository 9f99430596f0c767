package script

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/outfile"
	"smolsh/script/suggest"
	"smolsh/script/task"
)

func logBuiltins() []*builtin {
	return []*builtin{
		{Name: "log", Sig: "path, append=False", Kinds: "outfile bool",
			Args:   "path: the file, whose content is replaced; append: True appends to it",
			Result: "log", Doc: "From now on write each line of print() to a file as well, with the lab's time in seconds before it.",
			Example: `l = log("x.log"); print("begun"); l.stop()`, See: "write_file", Fn: builtinLog},
		{Name: "log.stop",
			Doc: "Finish the file.", Example: `log("x.log").stop()`, Fn: logStop},
	}
}

// logValue is a file that the lines of print() are written to.
type logValue struct {
	s       *Session
	path    string
	file    *os.File // nil once the log has been stopped
	release func()   // lets other calls write the file again
	pending []byte   // lines of functions that judge packets, which no task has written yet
}

// maxPending is the largest number of octets in pending.
const maxPending = 1 << 20

// logDrain is the time that close waits for the reader of a FIFO to take the pending lines.
const logDrain = time.Second

func (v *logValue) String() string        { return since("log "+v.path, v.file == nil, "stopped") }
func (v *logValue) Type() string          { return "log" }
func (v *logValue) Freeze()               {}
func (v *logValue) Truth() starlark.Bool  { return v.file != nil }
func (v *logValue) Hash() (uint32, error) { return starlark.String(v.path).Hash() }

// Attr returns a method of the log.
func (v *logValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(v, name, v.s.member("log", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *logValue) AttrNames() []string { return v.s.reg.Members["log"] }

func builtinLog(c *call) (starlark.Value, error) {
	open := c.t.create
	if arg[bool](c, "append") {
		open = c.t.append
	}
	path := arg[string](c, "path")
	f, release, err := open(path, outfile.Log)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	v := &logValue{s: c.s, path: path, file: f, release: release}
	c.s.logs = append(c.s.logs, v)
	return v, nil
}

// logLine writes the text msg of print() to all logs. In front of each line it writes the time of the task's world. A
// function that judges packets has no task (t is nil) and can't wait, so its lines are written together with the next
// lines of a task.
func (s *Session) logLine(t *taskValue, msg string) {
	now := s.home.Now()
	if t != nil {
		now = t.world().Now()
	}
	stamp := fmt.Sprintf("%.6f ", now.Seconds())
	text := stamp + strings.ReplaceAll(msg, "\n", "\n"+stamp) + "\n"
	for _, v := range slices.Clone(s.logs) {
		if v.file == nil { // the log was stopped while the line was written to another log
			continue
		}
		v.pending = append(v.pending, text...)
		if t == nil {
			v.pending = v.pending[:min(len(v.pending), maxPending)]
			continue
		}
		b := v.pending
		v.pending = nil
		if err := t.write(v.file, b); err != nil && t.Err() == nil && v.file != nil {
			_ = v.close()
			s.logLost = true
			s.out.Flush()
			fmt.Fprintf(s.cfg.Stderr, "log: %v; the log has ended\n", err)
		}
	}
}

// close writes the pending lines and closes the file. It does nothing for a log that is closed.
func (v *logValue) close() error {
	if v.file == nil {
		return nil
	}
	f := v.file
	v.file = nil
	v.s.logs = slices.DeleteFunc(v.s.logs, func(o *logValue) bool { return o == v })
	var err error
	if len(v.pending) > 0 {
		written := make(chan error, 1)
		task.Background(func() { _, err := f.Write(v.pending); written <- err }, func() {})
		select {
		case err = <-written:
		case <-time.After(logDrain):
			err = task.ErrTimedOut
		}
	}
	cerr := f.Close()
	v.release()
	if err == nil {
		err = cerr
	}
	if err != nil {
		return pathError(v.path, err)
	}
	return nil
}

func logStop(c *call) (starlark.Value, error) {
	if err := c.recv.(*logValue).close(); err != nil {
		return nil, c.errorf("%w", err)
	}
	return starlark.None, nil
}
