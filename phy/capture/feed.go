package capture

import (
	"errors"
	"os"
	"sync"
)

// maxFeed is the largest number of octets that may be pending for the reader of a pipe.
const maxFeed = 8 << 20

// ErrSlow means that the reader of a pipe left more than maxFeed octets pending. It ends the capture.
var ErrSlow = errors.New("the reader at the other end is too slow")

// feed writes to a file that may block, such as a FIFO, from its own goroutine, so that the caller never waits for the reader.
type feed struct {
	f     *os.File
	ended chan struct{} // closed when everything is written and the file is closed

	mu     sync.Mutex
	news   sync.Cond
	buf    []byte // octets to be written
	closed bool
	err    error // the file's first error
}

func newFeed(f *os.File) *feed {
	d := &feed{f: f, ended: make(chan struct{})}
	d.news.L = &d.mu
	go d.run()
	return d
}

func (d *feed) run() {
	defer close(d.ended)
	defer d.f.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	var spare []byte
	for {
		for len(d.buf) == 0 && !d.closed {
			d.news.Wait()
		}
		if len(d.buf) == 0 || d.err != nil {
			return
		}
		b := d.buf
		d.buf = spare[:0]
		d.mu.Unlock()
		_, err := d.f.Write(b)
		d.mu.Lock()
		spare = b
		if err != nil {
			d.err, d.buf = err, nil
			return
		}
	}
}

// Write implements io.Writer. It never waits.
func (d *feed) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return 0, d.err
	case len(d.buf)+len(p) > maxFeed:
		d.err = ErrSlow
		d.news.Signal()
		return 0, d.err
	}
	d.buf = append(d.buf, p...)
	d.news.Signal()
	return len(p), nil
}

// Close makes the goroutine write the rest and close the file. It does not wait for that.
func (d *feed) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.news.Signal()
	return d.err
}

// rest returns the file's first error, or ErrSlow if the goroutine has not ended.
func (d *feed) rest() error {
	select {
	case <-d.ended:
		return d.err
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		return ErrSlow
	}
	return d.err
}
