// Package printer writes lines to a terminal, a pipe or a file that may be slow, without making a lab that runs by the wall
// clock wait.
package printer

import (
	"fmt"
	"io"
	"sync"

	"smolsh/script/task"
)

// A Printer writes whole lines, in the order in which it got them, on a goroutine of its own. Any goroutine may call its
// methods.
type Printer struct {
	mu      sync.Mutex
	cond    sync.Cond
	w       io.Writer
	buf     []byte
	spare   []byte
	lines   uint64 // number of lines got so far
	lost    int    // number of offered lines dropped since the last message about them
	writing bool
	closed  bool
	err     error  // the first error of a write, after which nothing is written
	failed  func() // called after that error; nil for none
}

// room is the number of octets that may wait to be written. Beyond it Print waits and Offer drops the line.
const room = 1 << 20

// New returns a Printer to w, which the Printer's goroutine alone uses. The caller closes it.
func New(w io.Writer) *Printer {
	p := &Printer{w: w}
	p.cond.L = &p.mu
	task.Background(p.run, func() {})
	return p
}

func (p *Printer) run() {
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
		if p.err == nil {
			p.write(b)
		}
		p.spare = b
		p.cond.Broadcast()
	}
}

// write writes b. The caller holds the lock, which write releases meanwhile.
func (p *Printer) write(b []byte) {
	p.writing = true
	p.mu.Unlock()
	_, err := p.w.Write(b)
	p.mu.Lock()
	p.writing = false
	if p.err = err; err != nil && p.failed != nil {
		p.failed()
	}
}

// OnFailure makes the Printer call failed, on its own goroutine and with its lock held, when a write fails. It must be called before anything is printed.
func (p *Printer) OnFailure(failed func()) { p.failed = failed }

// Err returns the error of the write that failed, nil if none did. The Printer drops everything after it.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Print writes the text and a line end. It waits for room.
func (p *Printer) Print(text string) {
	p.mu.Lock()
	for len(p.buf) > room {
		p.cond.Wait()
	}
	p.buf = append(append(p.buf, text...), '\n')
	p.lines++
	p.cond.Broadcast()
	p.mu.Unlock()
}

// Offer writes the line and a line end, or drops the line if there is no room. A later message has the number of lines
// dropped. Offer does not wait, and does not keep the line's octets.
func (p *Printer) Offer(line []byte) {
	p.mu.Lock()
	if len(p.buf) > room {
		p.lost++
	} else {
		p.buf = append(append(p.buf, line...), '\n')
		p.lines++
		p.cond.Broadcast()
	}
	p.mu.Unlock()
}

// Mark returns a number that differs from an earlier one if a line came between.
func (p *Printer) Mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines
}

// Flush returns when everything printed so far has been written.
func (p *Printer) Flush() {
	p.mu.Lock()
	for len(p.buf) > 0 || p.writing {
		p.cond.Wait()
	}
	p.mu.Unlock()
}

// Close flushes and ends the goroutine. The Printer writes nothing that it gets afterwards.
func (p *Printer) Close() {
	p.Flush()
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
}
