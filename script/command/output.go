package command

import (
	"os"
	"sync"
	"sync/atomic"
)

// Output is what a program has written to one of its outputs.
type Output struct {
	pipe  *os.File
	ended chan struct{} // closed when no process has the other end any more

	mu       sync.Mutex
	b        []byte
	finished bool // nothing more is kept
}

// read reads the output to its end. It calls full when there is no room left, and discards the octets from then on.
func (o *Output) read(room *atomic.Int64, full func()) {
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
func (o *Output) keep(b []byte, room *atomic.Int64) bool {
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
func (o *Output) finish() {
	o.mu.Lock()
	o.finished = true
	o.mu.Unlock()
}

// Text returns the output so far. Any goroutine may call it.
func (o *Output) Text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// abandon closes this end of the pipe.
func (o *Output) abandon() {
	if o.pipe != nil {
		o.pipe.Close()
	}
}
