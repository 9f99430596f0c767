package script

import (
	"fmt"
	"io"
	"sync"

	"smolsh/script/task"
)

// printer writes whole lines in the order of the calls, from its own goroutine. A slow terminal then delays the task
// that prints, but never a live lab.
type printer struct {
	mu      sync.Mutex
	cond    sync.Cond
	w       io.Writer
	buf     []byte
	spare   []byte
	lines   uint64 // lines printed so far
	lost    int    // trace lines dropped for lack of room
	writing bool
	closed  bool
}

// maxPrinted is the number of octets that can wait for the terminal.
const maxPrinted = 1 << 20

func newPrinter(w io.Writer) *printer {
	p := &printer{w: w}
	p.cond.L = &p.mu
	task.Background(p.run, func() {})
	return p
}

func (p *printer) run() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.buf) == 0 && !p.closed {
			p.cond.Wait()
		}
		if len(p.buf) == 0 {
			return
		}
		b := p.buf
		p.buf = p.spare[:0]
		if p.lost > 0 {
			b = fmt.Appendf(b, "… %d lines lost: the terminal is too slow\n", p.lost)
			p.lost = 0
		}
		p.writing = true
		p.mu.Unlock()
		p.w.Write(b)
		p.mu.Lock()
		p.writing = false
		p.spare = b
		p.cond.Broadcast()
	}
}

// print queues a line. It waits until there is room.
func (p *printer) print(text string) {
	p.mu.Lock()
	for len(p.buf) > maxPrinted {
		p.cond.Wait()
	}
	p.buf = append(append(p.buf, text...), '\n')
	p.lines++
	p.cond.Broadcast()
	p.mu.Unlock()
}

// offer queues a line. If there is no room it drops and counts the line.
func (p *printer) offer(line []byte) {
	p.mu.Lock()
	if len(p.buf) > maxPrinted {
		p.lost++
	} else {
		p.buf = append(append(p.buf, line...), '\n')
		p.lines++
		p.cond.Broadcast()
	}
	p.mu.Unlock()
}

// mark returns a number that changes with every printed line.
func (p *printer) mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines
}

// flush waits until everything printed so far has been written.
func (p *printer) flush() {
	p.mu.Lock()
	for len(p.buf) > 0 || p.writing {
		p.cond.Wait()
	}
	p.mu.Unlock()
}

func (p *printer) close() {
	p.flush()
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
}
