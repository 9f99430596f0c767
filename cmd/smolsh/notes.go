package main

import (
	"fmt"
	"io"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy"
	"smolsh/script"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// notes prints lines about devices from its own goroutine, because the lab's owner must not wait for a terminal.
type notes struct {
	lines      chan string
	stop, done chan struct{}
}

// maxNotes is the largest number of pending lines. Further lines are lost.
const maxNotes = 64

func newNotes() *notes {
	return &notes{make(chan string, maxNotes), make(chan struct{}), make(chan struct{})}
}

func (n *notes) say(format string, args ...any) {
	select {
	case n.lines <- fmt.Sprintf("smolsh: "+format, args...):
	default:
	}
}

// start writes the pending and all later lines to w, until close.
func (n *notes) start(w io.Writer) {
	go func() {
		defer close(n.done)
		for {
			select {
			case line := <-n.lines:
				fmt.Fprintln(w, line)
				continue
			default:
			}
			select {
			case line := <-n.lines:
				fmt.Fprintln(w, line)
			case <-n.stop:
				if len(n.lines) == 0 {
					return
				}
			}
		}
	}()
}

// close writes all pending lines, and then ends the goroutine.
func (n *notes) close() {
	close(n.stop)
	<-n.done
}

// watchDevices prints a line for each link that is down, and for every later change. It does nothing for a virtual lab,
// which has no devices and must not run an event before the session does.
func (l *shellLab) watchDevices() {
	if l.runner.Virtual() {
		return
	}
	l.runner.Do(func(clock.Instant) {
		for _, p := range l.local.Ports() {
			if d, ok := p.Device().(phy.Watcher); ok && !d.Up() {
				l.notes.say("%s", doctor.LinkText(d))
			}
		}
		l.local.Events(l.linkChanged)
		l.local.WatchConflicts(l.conflict) // until an interactive session prints them
	})
}

// conflict prints a line about another station that uses an address of the host.
func (l *shellLab) conflict(ev stack.Event) {
	l.notes.say("%v address conflict: %s", ev.Now, script.ConflictText(&ev))
}

func (l *shellLab) linkChanged(ev stack.Event) {
	if ev.Kind != stack.EventLink {
		return
	}
	for _, p := range l.local.Ports() {
		d, ok := p.Device().(phy.Watcher)
		switch {
		case !ok || p.Iface() != ev.Iface:
		case ev.New == "NO-CARRIER" && ev.Old == "UP":
			l.notes.say("%s", doctor.LinkText(d))
		case ev.New == "UP" && ev.Old == "NO-CARRIER":
			l.notes.say("%s: the link is up again", d.Name())
		case ev.New == ev.Old:
			l.notes.say("%s: the MTU is %d now", d.Name(), ev.MTU)
		}
	}
}

// deviceFailed prints a line about a device that failed.
func (l *shellLab) deviceFailed(p *lab.Port, err error) {
	l.notes.say("%s is out of service: %v", p.Iface().Name(), err)
}
