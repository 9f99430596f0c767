//go:build !portable

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/unixport"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

const (
	// maxStrangers is the largest number of processes that have not sent their hello. Further ones are not accepted
	// yet.
	maxStrangers = 32
	// maxLeft is the number of ports in the table whose process has left.
	maxLeft = 32
	// acceptPause is the time that the switch waits before the next accept if the system has no file descriptor left.
	acceptPause = 100 * time.Millisecond
)

// switchServer is a live world with one switch, and a port for each process.
type switchServer struct {
	o      *switchOptions
	ln     *unixport.Listener
	runner lab.Runner
	sw     *lab.Switch
	out    *notes

	// Only the world's owner uses the fields below.
	numbers map[*lab.SwitchPort]int
	next    int // number of the latest port
	left    []portRow
}

// serve runs the switch. The status shows which signal ended it.
func (o *switchOptions) serve(stdout, stderr io.Writer) (status int, err error) {
	ln, err := unixport.Listen(o.path, o.mtu)
	if err != nil {
		return 0, listenFault(o.path, err)
	}
	defer ln.Close()
	w := lab.NewWorld()
	s := &switchServer{o: o, ln: ln, sw: lab.New(w, rand.Uint64()).Switch("switch"), out: newNotes(), numbers: map[*lab.SwitchPort]int{}}
	s.sw.SetFlood(o.flood)
	w.OnSwitchError = s.leaves
	w.OnPanic = func(p *lab.Panic) { s.print("the switch goes on after it %s: %v\n%s", p.Doing, p.Panic, p.Trace(6)) }
	if s.runner, err = live.New(w); err != nil {
		return 0, deviceError(err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	s.out.start(stdout)
	s.print("switch at %s, mtu %d, %d ports; kill -USR1 %d prints them, Ctrl-C ends it\n", o.path, o.mtu, o.ports, os.Getpid())
	go s.accept(stderr)
	sig := <-signals
	for ; sig == syscall.SIGUSR1; sig = <-signals {
		s.table()
	}
	go func() { // a reader that does not read the output must not delay the switch
		for again := range signals {
			if again != syscall.SIGUSR1 {
				ln.Close()
				os.Exit(128 + int(again.(syscall.Signal)))
			}
		}
	}()
	ln.Close()
	s.table()
	_ = s.runner.Close()
	s.out.close()
	return 128 + int(sig.(syscall.Signal)), nil
}

// print queues a line for standard output. It never waits: if the queue is full, the line is lost.
func (s *switchServer) print(format string, args ...any) {
	select {
	case s.out.lines <- strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"):
	default:
	}
}

// accept makes a port for every process that sends a valid hello, until the switch ends.
func (s *switchServer) accept(stderr io.Writer) {
	strangers := make(chan struct{}, maxStrangers)
	failing := false
	for {
		strangers <- struct{}{}
		g, err := s.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !failing {
				fmt.Fprintf(stderr, "smolsh: %v\n", err)
			}
			failing = true
			time.Sleep(acceptPause)
			<-strangers
			continue
		}
		failing = false
		go func() {
			defer func() { <-strangers }()
			s.welcome(g)
		}()
	}
}

func (s *switchServer) welcome(g *unixport.Guest) {
	if err := g.Hello(); err != nil {
		s.print("refused  pid %d  uid %d  %s", g.PID, g.UID, guestFault(s.o.path, err))
		return
	}
	s.runner.Do(func(clock.Instant) {
		if len(s.numbers) >= s.o.ports {
			g.Refuse(s.o.ports)
			s.print("refused  pid %d  uid %d  all %d ports are taken", g.PID, g.UID, s.o.ports)
			return
		}
		dev, err := g.Admit(fmt.Sprintf("port %d", s.next+1))
		if err != nil {
			return // the process has left already
		}
		p, err := s.sw.AttachDevice(dev)
		if err != nil {
			dev.Close()
			return
		}
		s.next++
		s.numbers[p] = s.next
		s.print("port %d joins  pid %d  uid %d", s.next, dev.PID, dev.UID)
	})
}

// leaves removes a port. The world calls it when the port's process has ended.
func (s *switchServer) leaves(p *lab.SwitchPort, _ error) {
	row := s.row(p)
	row.state = "left"
	_ = p.Device().Close()
	delete(s.numbers, p)
	if len(s.left) == maxLeft {
		s.left = slices.Delete(s.left, 0, 1)
	}
	s.left = append(s.left, row)
	s.print("port %d leaves  pid %d  uid %d  rx %d  tx %d  dropped %s  %s", row.number, row.pid, row.uid, row.rx, row.tx, reasons(&row.dropped), row.addresses)
}

func (s *switchServer) row(p *lab.SwitchPort) portRow {
	dev := p.Device().(*unixport.Port)
	here, there := dev.Stats(), p.Stats()
	in, _ := p.Received()
	r := portRow{number: s.numbers[p], pid: dev.PID, uid: dev.UID, state: "up",
		rx: here.Frames, rxOctets: here.Octets, tx: here.Sent, txOctets: here.SentOctets, dropped: here.Drops}
	for why, n := range there.Drops {
		r.dropped[why] += n + in.Drops[why]
	}
	var list []string
	for _, a := range dev.Sources() {
		list = append(list, a.String())
	}
	r.addresses = strings.Join(list, " ")
	return r
}

// table prints the table of ports, in the order of their numbers. It includes the ports in s.left, whose processes have
// left.
func (s *switchServer) table() {
	s.runner.Do(func(clock.Instant) {
		rows := slices.Clone(s.left)
		for _, p := range s.sw.Ports() {
			rows = append(rows, s.row(p))
		}
		slices.SortFunc(rows, func(a, b portRow) int { return a.number - b.number })
		s.print("%s", portTable(rows, s.sw.Stats()))
	})
}

// listenFault returns the error for a socket that can't be served.
func listenFault(path string, err error) error {
	d := device{Kind: "switch", Name: path}
	switch {
	case errors.Is(err, unixport.ErrPath):
		return &statusError{statusUsage, doctor.Explain(doctor.Device(d), err).Text(), err}
	case errors.Is(err, unixport.ErrNotFound):
		return &statusError{statusDevice, fmt.Sprintf("there is no directory for %s (make it, or take another path)", path), err}
	case errors.Is(err, unixport.ErrOther):
		return &statusError{statusDevice, fmt.Sprintf("%s exists, and is no switch's socket (take another path, or remove it)", path), err}
	}
	return deviceFault(d, err)
}

// guestFault returns a few words that say why the switch refused a process.
func guestFault(path string, err error) string {
	var e *unixport.Error
	if errors.As(err, &e) {
		switch e.Err {
		case unixport.ErrMTU:
			return fmt.Sprintf("wants an MTU of %d", e.Theirs)
		case unixport.ErrVersion:
			return fmt.Sprintf("speaks version %d of the protocol", e.Theirs)
		case unixport.ErrSilent:
			return "says nothing"
		}
	}
	return "is no host"
}

// switchUserIDs returns the numbers of the users that --switch-user names.
func (o *options) switchUserIDs() (ids []int, err error) {
	for _, name := range o.switchUsers {
		id, err := strconv.Atoi(name)
		if err != nil {
			u, err := user.Lookup(name)
			if err != nil {
				return nil, usageError("--switch-user: there is no user %s", name)
			}
			if id, err = strconv.Atoi(u.Uid); err != nil {
				return nil, usageError("--switch-user: %s has no number", name)
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// onSwitch attaches the host to a switch that another process serves.
func (o *options) onSwitch(l *shellLab, d device, addrs []netip.Prefix) error {
	users, err := o.switchUserIDs()
	if err != nil {
		return err
	}
	refused := func(err error) { l.notes.say("%s", deviceFault(d, err)) }
	dev, err := unixport.Dial(d.Name, unixport.Options{MTU: o.mtu, Users: users, Refused: refused})
	if err != nil {
		if errors.Is(err, unixport.ErrPath) {
			return &statusError{statusUsage, "--device: " + doctor.Explain(doctor.Device(d), err).Text(), err}
		}
		return deviceFault(d, err)
	}
	l.devices = append(l.devices, dev)
	if _, err := l.local.Attach(dev, addrs...); err != nil {
		return usageError("%v", err)
	}
	return nil
}
