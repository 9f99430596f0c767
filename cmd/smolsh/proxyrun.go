package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"

	"smolsh/cmd/smolsh/proxy"
	"smolsh/repl"
	"smolsh/script"
	"smolsh/script/command"
	"smolsh/stack/lab"
)

// scriptPatience is the time after which a line says that the connections wait for the script of --faults.
const scriptPatience = 3 * time.Second

// proxyServer is a running proxy: the lab, the routes, the server of metrics, and the session.
type proxyServer struct {
	o       *proxyOptions
	l       *shellLab
	link    *lab.Link
	proxy   *proxy.Proxy
	metrics net.Listener // nil without --metrics
	server  *http.Server
	prompt  bool
}

// serve runs the proxy until a signal or the prompt ends it.
func (o *proxyOptions) serve(stdout io.Writer) (status int, err error) {
	v := &proxyServer{o: o, prompt: !o.noPrompt && isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd()) && inForeground()}
	if err := v.open(); err != nil {
		v.close()
		return 0, err
	}
	defer v.close()
	config := script.Config{
		Runner: v.l.runner, Lab: v.l.lab, Local: v.l.local, Peer: v.l.peer, Link: v.link, Seed: v.l.runSeed, DNS: o.dns, Stdout: os.Stdout, Stderr: os.Stderr,
		Terminal: isatty.IsTerminal(os.Stdout.Fd()), ErrTerminal: isatty.IsTerminal(os.Stderr.Fd()),
		Width: columns(), Size: terminal, Interactive: v.prompt, Colour: isatty.IsTerminal(os.Stdout.Fd()) && coloured(os.Getenv),
	}
	if o.pcap == standardOutput {
		config.Stdout, config.Terminal, config.Colour, config.Width, stdout = os.Stderr, config.ErrTerminal, false, 0, os.Stderr
	}
	var shell *repl.Shell
	notes := io.Writer(os.Stderr)
	if v.prompt {
		command.Adopt()
		defer command.End()
		shell = repl.New(repl.Config{Stdin: os.Stdin, Stdout: os.Stdout, Prompt: "smolsh (proxy)", History: repl.HistoryFile()})
		config.Terminal, config.ErrTerminal = true, true
		config.Stdout, config.Stderr, config.Heading = shell.Stdout(), shell.Stderr(), repl.Heading
		notes = folded{config.Stderr}
	}
	v.l.notes.start(notes)
	s := script.New(config)
	if v.prompt {
		status, err = v.runPrompt(s, shell)
	} else {
		status, err = v.run(s, stdout)
	}
	v.proxy.Close()
	if cerr := s.Close(); cerr != nil && err == nil {
		err = cerr
	}
	v.l.notes.close()
	if werr := s.OutputError(); werr != nil && !v.prompt {
		err = outputError(werr)
	}
	return status, err
}

// open makes the lab and the sockets.
func (v *proxyServer) open() error {
	o := v.o
	l := &shellLab{notes: newNotes(), seed: o.seed}
	v.l = l
	if !o.flags.Changed("seed") {
		l.seed, l.drawn = rand.Uint64(), true
	}
	l.runSeed = l.seed
	w := lab.NewWorld()
	w.OnPanic = func(p *lab.Panic) { l.notes.say("it %s: %v\n%s", p.Doing, p.Panic, p.Trace(6)) }
	l.lab = lab.New(w, l.seed)
	changes := v.prompt || o.faults != "" // somebody may change the link later
	// Only a link on which nothing depends on the number of frames may carry super-segments.
	o.link.Offload = !changes && o.pcap == "" && o.link.Loss == 0 && o.link.RateBps == 0 && o.link.Jitter == 0 && o.duplicate == 0 && o.reorder == 0
	var err error
	host := func(name string, addrs []netip.Prefix) (h *lab.Host) {
		if err == nil {
			h, err = l.lab.AddHost(lab.HostConfig{Name: name, Addrs: addrs})
		}
		return h
	}
	l.local, l.peer = host("local", defaultAddrs), host("peer", []netip.Prefix{defaultPeer, defaultPeer6})
	if err == nil {
		v.link, err = l.lab.Link(l.local, l.peer, o.link)
	}
	if err != nil {
		return usageError("proxy: %v", err)
	}
	if l.runner, err = proxyRunner(w, changes || o.link.Delay > 0 || o.link.RateBps > 0 || o.reorder > 0); err != nil {
		return deviceError(err)
	}
	v.proxy, err = proxy.New(proxy.Config{Runner: l.runner, Local: l.local, Peer: l.peer, Link: v.link, UDPIdle: o.udpIdle,
		Say: func(text string) { l.notes.say("%s", text) }})
	if err != nil {
		return err
	}
	return v.listen()
}

// listen opens the sockets of the routes and of the metrics.
func (v *proxyServer) listen() (err error) {
	for _, r := range v.o.routes {
		if err := v.proxy.Add(r); err != nil {
			return listenError(strings.TrimPrefix(r.Network+":", "tcp:")+r.Listen, err)
		}
	}
	if v.o.socks != "" {
		if err := v.proxy.AddSOCKS(v.o.socks); err != nil {
			return listenError("--socks: "+v.o.socks, err)
		}
	}
	if v.o.metrics == "" {
		return nil
	}
	if v.metrics, err = net.Listen("tcp", v.o.metrics); err != nil {
		return listenError("--metrics: "+v.o.metrics, err)
	}
	v.server = v.proxy.MetricsServer()
	go func() { _ = v.server.Serve(v.metrics) }() // returns when close closes it
	return nil
}

// listenError returns the error for a route whose sockets can't be opened.
func listenError(at string, err error) error {
	var dns *net.DNSError
	var target *proxy.TargetError
	why := err.Error()
	switch {
	case errors.As(err, &target):
		why += " (an address needs no lookup)"
	case errors.As(err, &dns):
		why = dns.Error() + " (an address of this machine, such as 127.0.0.1, needs no lookup)"
	case errors.Is(err, syscall.EMFILE):
		why += " (ulimit -n raises the limit)"
	case errors.Is(err, syscall.EADDRINUSE):
		why = "another program has the port (take another one, or 0 for a free one)"
	case errors.Is(err, syscall.EACCES):
		why = "ports below 1024 need a privilege (take a higher one)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "the address is none of this machine's"
	}
	return &statusError{statusDevice, "proxy: " + at + ": " + why, err}
}

// close ends the server of metrics, the proxy and the lab. It may be called again.
func (v *proxyServer) close() {
	if v.server != nil {
		_ = v.server.Close()
	}
	if v.proxy != nil {
		v.proxy.Close()
	}
	if v.l.runner != nil {
		_ = v.l.runner.Close()
	}
}

// prepare begins the capture, adds the faults of the flags, and runs the script of --faults.
func (v *proxyServer) prepare(s *script.Session) error {
	if v.o.pcap == standardOutput {
		if err := s.CaptureTo(os.Stdout); err != nil {
			return usageError("proxy: --pcap -: %v", err)
		}
	} else if v.o.pcap != "" {
		if err := s.Capture(v.o.pcap); err != nil {
			return usageError("proxy: --pcap: %v", err)
		}
	}
	if v.o.duplicate > 0 || v.o.reorder > 0 {
		if err := s.RunCommand(fmt.Sprintf("_ = fault(link, duplicate=%v, reorder=%v)\n", float64(v.o.duplicate), float64(v.o.reorder))); err != nil {
			return err
		}
	}
	if v.o.faults == "" {
		return nil
	}
	slow := time.AfterFunc(scriptPatience, func() {
		v.l.notes.say("connections wait until %s ends (spawn(fn) makes a task that goes on)", v.o.faults)
	})
	defer slow.Stop()
	return s.RunFile(v.o.faults)
}

// run serves until a signal, or until the script of --faults fails or calls exit().
func (v *proxyServer) run(s *script.Session, stdout io.Writer) (status int, err error) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(endingSignals(), os.Interrupt)...)
	stop, got := make(chan struct{}), make(chan os.Signal, 1)
	go func() {
		sig := <-signals
		got <- sig
		close(stop)
		time.AfterFunc(parting, func() { os.Exit(signalStatus(sig)) }) // a script may compute for ever
		s.Interrupt()
		<-signals
		os.Exit(signalStatus(sig))
	}()
	over := func() (int, bool) {
		select {
		case sig := <-got:
			return signalStatus(sig), true
		default:
			return 0, false
		}
	}
	if err := v.prepare(s); err != nil {
		if status, ok := over(); ok {
			return status, nil
		}
		var exit *script.ExitError
		if errors.As(err, &exit) {
			return exit.Code, nil
		}
		return 0, err
	}
	v.proxy.Serve()
	fmt.Fprintln(stdout, strings.Join(append(v.lines(), "ready"), "\n"))
	ended := make(chan struct{})
	s.Await(func() {
		select {
		case <-stop:
		case <-ended:
		}
	}, func() { close(ended) })
	if status, ok := over(); ok {
		return status, nil
	}
	code, _ := s.Ended()
	return code, nil
}

// runPrompt serves while the prompt runs.
func (v *proxyServer) runPrompt(s *script.Session, shell *repl.Shell) (status int, err error) {
	watchSignals(s, shell)
	if err := v.prepare(s); err != nil {
		var exit *script.ExitError
		if errors.As(err, &exit) {
			return exit.Code, nil
		}
		return 0, err
	}
	v.proxy.Serve()
	fmt.Print(fold(fmt.Sprintf("smolsh %s   help() for help, Ctrl-D to leave, which ends the proxy", version), columns()))
	fmt.Print(fold(fmt.Sprintf("local %v and peer %v on link: fault(link, loss=0.1), link.set(delay=\"40ms\"), ss(), peer.ss(), trace()",
		defaultAddrs[0].Addr(), defaultPeer.Addr()), columns()))
	for _, line := range v.lines() {
		fmt.Print(fold(line, columns()))
	}
	return cmp.Or(shell.Run(s), status), nil
}
