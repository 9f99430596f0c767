package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"smolsh/stack/gonet"
)

// A program is a function that Host.Go runs.
type program struct {
	host  *Host
	where string // file and line of the call of Host.Go
}

// Go runs a program of the host in a goroutine of its own. ctx is cancelled when the host crashes and when the test function has returned. fn
// must then return: Run waits for it. On a crashed host ctx has ended already.
func (h *Host) Go(fn func(ctx context.Context, n *gonet.Net)) {
	p := &program{host: h, where: "an unknown place"}
	if _, file, line, ok := runtime.Caller(1); ok {
		p.where = fmt.Sprintf("%s:%d", filepath.Base(file), line)
	}
	h.l.mu.Lock()
	ctx, n := h.ctx, h.net
	h.l.running = append(h.l.running, p)
	h.l.mu.Unlock()
	h.l.programs.Go(func() {
		defer h.l.forget(p)
		defer h.l.guard("a program of host " + h.Name())
		fn(ctx, n)
	})
}

// forget removes a program that has returned.
func (l *Lab) forget(p *program) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = slices.DeleteFunc(l.running, func(o *program) bool { return o == p })
}

// stillRunning returns a line for each program that has not returned since the test function has. The caller holds l.mu.
func (l *Lab) stillRunning() (text string) {
	if !l.told.Load() {
		return ""
	}
	for _, p := range l.running {
		text += fmt.Sprintf("a program of host %s has not returned since the test ended; Host.Go started it at %s\n", p.host.Name(), p.where)
	}
	return text
}

// waitPrograms waits until the programs have returned. After the time of -lab.within it ends the program with a report, since a bubble can't
// end before its goroutines.
func (l *Lab) waitPrograms() {
	all := make(chan struct{})
	go func() {
		l.programs.Wait()
		close(all)
	}()
	var over <-chan time.Time
	if *withinFlag > 0 {
		timer := time.NewTimer(*withinFlag)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-all:
	case <-over:
		number := bubbleNumber()
		l.watcher.outside(func() {
			l.lastWords(fmt.Sprintf("programs go on %v after the end of the test (-lab.within)", *withinFlag))
			fmt.Fprintf(os.Stderr, "\n%s", stacksText(bubbleStacks(number)))
		})
		panic("labtest: programs of " + l.name + " do not end")
	}
}
