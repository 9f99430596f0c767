package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy/ifconfig"
)

// runLimit is the time that a run may take in addition to warm-up and measurement.
const runLimit = 20 * time.Second

// Config is the configuration of a run.
type Config struct {
	Version      string
	Measurements []Measurement
	Rounds       int           // number of runs of each side, at least 1
	Span         time.Duration // measured time of each run
	Warm         time.Duration // warm-up time before the measured time
	Small        bool          // true to use the smallest counts
	// Program is the command line of this program, to which an actor's arguments are appended.
	Program []string
	// Peers are the programs of peers, by side.
	Peers map[string]string
	// Absent maps a side that is missing to the reason, which becomes a line of the report.
	Absent map[string]string
	// NoNetwork is the reason why there is no namespace to measure in, "" if there is one.
	NoNetwork string
	// Profiles is a directory for CPU profiles of smolsh's runs, NAME.pprof; "" for no profiles.
	Profiles string
	// Progress, if set, is called before each run.
	Progress func(name, side string, run, runs int)
}

// Run takes the measurements. It locks the calling goroutine to its thread permanently, so that the processes it starts
// end with the thread.
func Run(cfg Config) *Report {
	runtime.LockOSThread()
	b := &bench{Config: cfg}
	r := &Report{Version: cfg.Version, Machine: machine(), Rounds: cfg.Rounds, Seconds: cfg.Span.Seconds(),
		Results: []Result{}, Absent: []string{}, Failures: []string{}}
	missing := map[string]bool{}
	absent := func(line string) {
		if !missing[line] {
			missing[line] = true
			r.Absent = append(r.Absent, line)
		}
	}
	if cfg.NoNetwork == "" {
		if err := ifconfig.SetUp("lo", true); err != nil {
			b.NoNetwork = err.Error()
		}
	}
	for _, m := range cfg.Measurements {
		if b.NoNetwork != "" && (m.kind == onTAP || m.kind == served) {
			absent(m.Name + ": " + b.NoNetwork)
			continue
		}
		var sides []string
		for _, s := range m.Sides {
			if why := cfg.Absent[s]; why != "" {
				absent(s + ": " + why)
			} else {
				sides = append(sides, s)
			}
		}
		values, failures := b.interleave(&m, sides)
		r.Failures = append(r.Failures, failures...)
		r.Results = append(r.Results, summarize(&m, values)...)
	}
	return r
}

type bench struct {
	Config
	veths int
}

// interleave runs the sides in turn. A side that fails twice is omitted from the rest of the measurement.
func (b *bench) interleave(m *Measurement, sides []string) (values map[string]map[string][]float64, failures []string) {
	values = map[string]map[string][]float64{}
	failed := map[string]int{}
	rounds := b.Rounds
	if m.most > 0 {
		rounds = min(rounds, m.most)
	}
	for round := range rounds {
		for i, side := range sides {
			if failed[side] >= 2 {
				continue
			}
			if b.Progress != nil {
				b.Progress(m.Name, side, round*len(sides)+i+1, rounds*len(sides))
			}
			result, err := b.once(m, side)
			if err != nil {
				failed[side]++
				failures = append(failures, fmt.Sprintf("%s, %s: %v", m.Name, side, err))
				continue
			}
			if values[side] == nil {
				values[side] = map[string][]float64{}
			}
			for metric, v := range result {
				values[side][metric] = append(values[side][metric], v)
			}
		}
	}
	return values, failures
}

// once runs one side once.
func (b *bench) once(m *Measurement, side string) (map[string]float64, error) {
	switch m.kind {
	case onTAP:
		if side == Kernel {
			return b.overVeth(m)
		}
		return b.overTAP(m, side)
	case served:
		return b.serving(m.Name, side)
	case inside:
		args := maps.Clone(m.args)
		if args["n"] != "" && b.Small {
			args["n"] = "100"
		}
		p, err := b.start(0, b.program(side, m.Name, "inside", args))
		if err != nil {
			return nil, err
		}
		defer p.end()
		return p.result()
	}
	var args []string
	if d := m.args["device"]; d != "" {
		args = []string{"--device", d}
	}
	v, err := startToPrompt(b.Program[0], args...)
	return map[string]float64{"": v}, err
}

// program returns the command line of a side's actor.
func (b *bench) program(side, name, actor string, args map[string]string, more ...string) []string {
	var argv []string
	if path := b.Peers[side]; path != "" {
		argv = []string{path, actor}
	} else {
		argv = append(slices.Clone(b.Program), actor)
		if b.Profiles != "" && (side == Smolsh || side == IPv6) {
			file := strings.ReplaceAll(name, "/", "-") + ".pprof"
			if side == IPv6 {
				file = "ipv6-" + file
			}
			argv = append(argv, "profile="+filepath.Join(b.Profiles, file))
		}
	}
	if side == IPv6 {
		argv = append(argv, "ipv6=1")
	}
	argv = append(argv, fmt.Sprintf("seconds=%g", b.Span.Seconds()), fmt.Sprintf("warm=%g", b.Warm.Seconds()))
	for _, k := range slices.Sorted(maps.Keys(args)) {
		argv = append(argv, k+"="+args[k])
	}
	return append(argv, more...)
}

// opposite maps a side's mode to that of the kernel's end.
var opposite = map[string]string{"sink": "source", "source": "sink", "echo": "ping"}

func (b *bench) kernelEnd(m *Measurement, more ...string) []string {
	args := map[string]string{"mode": opposite[m.args["mode"]], "proto": m.args["proto"]}
	return b.program(Kernel, "", "kernel", args, more...)
}

// overTAP runs a side on a TAP. Its peer is the kernel.
func (b *bench) overTAP(m *Measurement, side string) (map[string]float64, error) {
	at := ends(side == IPv6)
	remove, err := makeTAP(at)
	if err != nil {
		return nil, err
	}
	defer remove()
	k, err := b.start(0, b.kernelEnd(m, "listen="+netip.AddrPortFrom(at.kernel.Addr(), 0).String()))
	if err != nil {
		return nil, err
	}
	defer k.end()
	to, err := k.ready()
	if err != nil {
		return nil, err
	}
	p, err := b.start(0, b.program(side, m.Name, "tap", m.args, "tap="+tapName, "addr="+at.ours.String(), "to="+to))
	if err != nil {
		return nil, err
	}
	defer p.end()
	return either(k, p)
}

// overVeth runs the kernel on both ends of a veth pair. The ends are in two namespaces.
func (b *bench) overVeth(m *Measurement) (map[string]float64, error) {
	b.veths++
	dev := fmt.Sprint("bench", b.veths, "f")
	offload := "offload=" + m.args["offload"]
	k, err := b.start(unix.CLONE_NEWNET, b.kernelEnd(m, "listen="+farAddr.Addr().String()+":0", "dev="+dev, "addr="+farAddr.String(), offload))
	if err != nil {
		return nil, err
	}
	defer k.end()
	remove, err := makeVeth(k.cmd.Process.Pid, dev, m.args["offload"] == "1")
	if err != nil {
		return nil, err
	}
	defer remove()
	at, err := k.ready()
	if err != nil {
		return nil, err
	}
	p, err := b.start(0, b.program(Kernel, "", "kernel", map[string]string{"mode": m.args["mode"], "proto": m.args["proto"]}, "connect="+at))
	if err != nil {
		return nil, err
	}
	defer p.end()
	return either(k, p)
}

// serving measures a script's server on a TAP, with the kernel as the client, and returns the figures by metric.
func (b *bench) serving(name, side string) (map[string]float64, error) {
	remove, err := makeTAP(ends(side == IPv6))
	if err != nil {
		return nil, err
	}
	defer remove()
	p, err := b.start(0, b.program(side, name, "serve", nil, "tap="+tapName, "offload=1", "script="+side))
	if err != nil {
		return nil, err
	}
	defer p.end()
	at, err := p.ready()
	if err != nil {
		return nil, err
	}
	k, err := b.start(0, b.program(Kernel, "", "kernel", nil, "mode=ping", "connect="+at))
	if err != nil {
		return nil, err
	}
	defer k.end()
	return either(k, p)
}

// process is a running actor.
type process struct {
	cmd    *exec.Cmd
	lines  chan line
	stderr said
	limit  time.Duration
}

// start starts an actor, which ends with this thread. flags are clone flags for its own namespaces.
func (b *bench) start(flags uintptr, argv []string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan line, 4), limit: b.Warm + b.Span + runLimit}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Cloneflags: flags}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go readLines(out, p.lines)
	return p, nil
}

func readLines(r io.Reader, to chan<- line) {
	defer close(to)
	in := bufio.NewScanner(r)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			l.Error = fmt.Sprintf("it said %q", in.Text())
		}
		to <- l
	}
}

// end kills the actor if it is still running. An actor that writes a profile first has time to write it.
func (p *process) end() {
	var patience time.Duration
	if p.profiled() {
		patience = 2 * time.Second
	}
	guard := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer guard.Stop()
	for range p.lines {
	}
	_ = p.cmd.Wait()
}

func (p *process) profiled() bool {
	return slices.ContainsFunc(p.cmd.Args, func(s string) bool { return strings.HasPrefix(s, "profile=") })
}

var (
	errEnded   = errors.New("it ended without a result")
	errTooLong = errors.New("it took too long")
)

func (p *process) fail(l line, ok bool) error {
	switch {
	case l.Error != "":
		return errors.New(l.Error)
	case !ok:
		if text := p.stderr.first(); text != "" {
			return fmt.Errorf("%w: %s", errEnded, text)
		}
		return errEnded
	}
	return nil
}

// said collects the standard error of an actor.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

// first returns the first line of the standard error.
func (s *said) first() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _, _ := strings.Cut(strings.TrimSpace(s.b.String()), "\n")
	return text
}

// ready waits until the actor listens, and returns its address.
func (p *process) ready() (string, error) {
	select {
	case l, ok := <-p.lines:
		return l.Ready, p.fail(l, ok)
	case <-time.After(p.limit):
		return "", errors.New("it does not listen")
	}
}

func (p *process) result() (map[string]float64, error) { return either(p, &process{limit: p.limit}) }

// either waits for the result, which either process may print. If one process fails or ends without a result, the other
// has a short time to print a result or a better error.
func either(a, b *process) (map[string]float64, error) {
	from := [...]*process{a, b}
	lines := [...]<-chan line{a.lines, b.lines}
	limit := time.After(a.limit)
	failed := errTooLong
	for lines[0] != nil || lines[1] != nil {
		var l line
		var ok bool
		i := 0
		select {
		case l, ok = <-lines[0]:
		case l, ok = <-lines[1]:
			i = 1
		case <-limit:
			return nil, failed
		}
		if l.Result != nil {
			return l.Result, nil
		}
		if !ok {
			lines[i] = nil
		}
		if err := from[i].fail(l, ok); err != nil {
			if failed == errTooLong || !errors.Is(err, errEnded) {
				failed = err
			}
			limit = time.After(300 * time.Millisecond)
		}
	}
	return nil, failed
}

func machine() Machine {
	m := Machine{Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}
