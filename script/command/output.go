package command

import (
	"os"
	"sync"
	"sync/atomic"
)

// Output holds the octets that a program has written to its standard output or its standard error.
type Output struct {
	pipe  *os.File
	ended chan struct{} // closed when no process holds the other end of the pipe

	mu       sync.Mutex
	b        []byte
	finished bool // true if further octets are discarded
}

// read reads the output to its end. When room is used up, it calls full and discards the following octets.
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

// keep appends b to the output. If room has fewer octets left, it appends only those, finishes the output and returns
// false.
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

// finish makes keep discard all further octets.
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
