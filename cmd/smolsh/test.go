package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"smolsh/cmd/smolsh/scenario"
	"smolsh/phy/fault"
	"smolsh/script"
)

const testUsage = `usage: smolsh test [flags] PATH…

Runs the test_*() functions of *.star files, also of those in folders and their subfolders. The file is evaluated again
for each test. Labs are virtual: the same seed produces the same packets on any machine.

`

const testNotes = `
Without the flags, these environment variables apply. Of Bazel: TEST_TOTAL_SHARDS with TEST_SHARD_INDEX (--shard),
TEST_SHARD_STATUS_FILE, TESTBRIDGE_TEST_ONLY (--run), XML_OUTPUT_FILE (--junit), TEST_UNDECLARED_OUTPUTS_DIR (the folder
for captures). Of an indexed Job of Kubernetes: JOB_COMPLETION_INDEX (the index for --shard /N).

Exit status: 0; 1 a test failed; 2 wrong usage, or no test found; 3 no private lab for --live; 130 after Ctrl-C.
`

// testOptions are the flags of the verb test, checked.
type testOptions struct {
	flags *pflag.FlagSet

	help, json, live, list, shrink bool
	keep                           *fault.Plan
	match                          *regexp.Regexp
	seeds                          scenario.Seeds
	shard                          scenario.Shard
	jobs                           int
	timeout                        time.Duration
	junit                          string
	paths                          []string
}

func newTestFlags(o *testOptions, r *rawTest) *pflag.FlagSet {
	f := newFlagSet("smolsh test")
	f.StringVar(&r.match, "run", "", "run only tests whose name matches `REGEX`")
	f.Uint64Var(&r.seed, "seed", 1, "seed of all randomness, `N`")
	f.StringVar(&r.seeds, "seeds", "", "run each test with each seed from A to B, `A..B`")
	f.IntVar(&o.jobs, "jobs", runtime.GOMAXPROCS(0), "number of tests to run at once, `N`; the report does not depend on it")
	f.StringVar(&r.shard, "shard", "", "run only part I of N of all tests and seeds, `I/N`, counted from 0; /N in an indexed Job")
	f.DurationVar(&o.timeout, "timeout", scenario.DefaultTimeout, "longest time of one test with one seed, by the wall clock, `DURATION`")
	f.StringVar(&o.junit, "junit", "", "write JUnit's XML to `FILE`")
	f.BoolVar(&o.json, "json", false, "print a JSON object per case: file, test, seed, result, seconds, simulated, error, again, capture")
	f.BoolVar(&o.live, "live", false, "run on the private lab, or on the devices of --device before the verb, in real time")
	f.BoolVar(&o.shrink, "shrink", false, "remove the faults of a failing test one by one, until only those that make it fail remain")
	f.StringVar(&r.keep, "keep", "", "keep only the faults `WHAT` of a test, in the form that --shrink prints; none keeps no fault")
	f.BoolVar(&o.list, "list", false, "list the tests without running them")
	return f
}

// rawTest holds the values of flags that need more checks than their type.
type rawTest struct {
	match, seeds, shard, keep string
	seed                      uint64
}

func parseTest(args []string, getenv func(string) string) (*testOptions, error) {
	o, r := &testOptions{}, &rawTest{}
	o.flags = newTestFlags(o, r)
	if err := o.flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, usageError("test: %v (smolsh test --help lists the flags)", err)
	}
	o.paths = o.flags.Args()
	if len(o.paths) == 0 {
		return nil, usageError("test: say where the tests are, files or folders, such as: smolsh test examples/scenarios")
	}
	if r.match == "" {
		r.match = getenv("TESTBRIDGE_TEST_ONLY")
	}
	if o.junit == "" {
		o.junit = getenv("XML_OUTPUT_FILE")
	}
	var err error
	if r.match != "" {
		if o.match, err = regexp.Compile(r.match); err != nil {
			return nil, usageError("test: --run: %v", err)
		}
	}
	if o.shard, err = scenario.ParseShard(r.shard, getenv); err != nil {
		return nil, usageError("test: %v", err)
	}
	o.seeds = scenario.Seeds{First: r.seed, Last: r.seed}
	if r.seeds != "" {
		if o.flags.Changed("seed") {
			return nil, usageError("test: --seed or --seeds, not both")
		}
		if o.seeds, err = scenario.ParseSeeds(r.seeds); err != nil {
			return nil, usageError("test: %v", err)
		}
	}
	if r.keep != "" {
		if o.keep, err = scenario.ParseKeep(r.keep); err != nil {
			return nil, usageError("test: --keep: %v", err)
		}
	}
	if o.live && (o.shrink || o.keep != nil) {
		return nil, usageError("test: --shrink and --keep repeat a run exactly, which is for virtual labs: not with --live")
	}
	if o.jobs < 1 {
		return nil, usageError("test: --jobs: %d is not 1 or more", o.jobs)
	}
	if o.timeout <= 0 {
		return nil, usageError("test: --timeout: %v is not more than 0", o.timeout)
	}
	return o, nil
}

// test implements the verb test. o has the flags before the verb.
func (o *options) test(stdout, _ io.Writer) (status int, err error) {
	t, err := parseTest(o.args, os.Getenv)
	if err != nil {
		return 0, err
	}
	if t.help {
		_, err = io.WriteString(stdout, testUsage+"flags:\n"+t.flags.FlagUsages()+testNotes)
		return 0, err
	}
	if file := os.Getenv("TEST_SHARD_STATUS_FILE"); file != "" { // Bazel expects this file from a runner that supports shards
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			return 0, fmt.Errorf("TEST_SHARD_STATUS_FILE: %w", err)
		}
	}
	if err := o.checkBeforeTest(t); err != nil {
		return 0, err
	}
	tests, err := scenario.Find(t.paths, t.match)
	if err != nil {
		return 0, usageError("test: %v", err)
	}
	if len(tests) == 0 {
		what := "no test_*() function in"
		if t.match != nil {
			what = fmt.Sprintf("no test_*() function that matches %s in", t.match)
		}
		return 0, usageError("test: %s %s", what, list(t.paths))
	}
	if t.list {
		for _, x := range tests {
			fmt.Fprintf(stdout, "%s %s\n", x.Path, x.Name)
		}
		return 0, nil
	}
	return o.runTests(t, tests, stdout)
}

// list joins words with commas.
func list(words []string) string {
	text := ""
	for i, w := range words {
		if i > 0 {
			text += ", "
		}
		text += w
	}
	return text
}

// checkBeforeTest checks the flags before the verb.
func (o *options) checkBeforeTest(t *testOptions) error {
	wrong := ""
	o.flags.Visit(func(f *pflag.Flag) {
		if f.Name == "no-files" {
			return
		}
		if !t.live || f.Name == "pcap" || f.Name == "trace" || f.Name == "seed" {
			wrong = f.Name
		}
	})
	switch {
	case wrong == "seed":
		return usageError("test: --seed stands behind the verb: smolsh test --seed %d …", o.seed)
	case wrong != "":
		return usageError("test: --%s before the verb is not for it: its labs are virtual and made by the tests (smolsh test --help)", wrong)
	}
	return nil
}

func (o *options) runTests(t *testOptions, tests []scenario.Test, stdout io.Writer) (int, error) {
	c := &scenario.Config{
		Tests: tests, Seeds: t.seeds, Shard: t.shard, Jobs: t.jobs, Timeout: t.timeout, Live: t.live,
		Keep: t.keep, Shrink: t.shrink,
		Folder: os.Getenv("TEST_UNDECLARED_OUTPUTS_DIR"), Stdout: stdout, JSON: t.json,
		Terminal: isatty.IsTerminal(os.Stdout.Fd()) && os.Getenv("TERM") != "dumb", Columns: columns(),
		Open: o.openVirtual,
	}
	if t.live {
		c.Jobs, c.Open = 1, o.openLive // one job, because there is only one tap0
		if status, ran, err := o.enterLive(); ran || err != nil {
			return status, err
		}
	}
	if t.junit != "" {
		f, err := os.Create(t.junit)
		if err != nil {
			return 0, usageError("test: --junit: %v", err)
		}
		defer f.Close()
		c.JUnit = f
	}
	stop := make(chan struct{})
	c.Stop = stop
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	var got os.Signal
	go func() {
		got = <-signals
		close(stop)
		<-signals
		os.Exit(statusInterrupt)
	}()
	result, err := c.Run()
	switch {
	case err != nil:
		return 0, err
	case result.Interrupted && got == syscall.SIGTERM:
		return statusTerminate, nil
	case result.Interrupted:
		return statusInterrupt, nil
	case result.Failed > 0:
		return statusFailed, nil
	}
	return 0, nil
}

// session returns a session on the lab, for one test.
func (l *shellLab) session(u scenario.Setup) *script.Session {
	return script.New(script.Config{
		Runner: l.runner, Lab: l.lab, Local: l.local, Peer: l.peer, Seed: u.Seed,
		Stdout: u.Output, Stderr: u.Output, Crashed: u.Crashed, Plan: u.Plan, NoFiles: l.noFiles,
	})
}

// openVirtual returns a session on a new virtual lab, in which the session's host is linked to a peer.
func (o *options) openVirtual(u scenario.Setup) (*script.Session, func(), error) {
	one := *o
	one.seed, one.seeded = u.Seed, true
	l, err := one.open([]device{{Kind: "sim"}})
	if err != nil {
		return nil, nil, err
	}
	l.noFiles = o.noFiles
	return l.session(u), l.close, nil
}

// enterLive moves the process into the namespace of live tests. ran is true if a copy has run all tests.
func (o *options) enterLive() (status int, ran bool, err error) {
	if !o.wantsPrivate() {
		return 0, false, nil
	}
	l, status, ran, err := o.openLab()
	if ran || err != nil {
		return status, ran, err
	}
	defer l.close()
	defer l.runner.Close()
	if l.why != "" {
		return 0, false, deviceError(errors.New(l.why))
	}
	return 0, false, nil
}

// openLive returns a session on the private lab, or on the devices that the flags name.
func (o *options) openLive(u scenario.Setup) (*script.Session, func(), error) {
	one := *o
	one.seed, one.seeded = u.Seed, true
	devices := o.devices
	if o.wantsPrivate() {
		devices = []device{{Kind: "lab"}}
	}
	l, err := one.open(devices)
	if err != nil {
		return nil, nil, err
	}
	l.noFiles = o.noFiles
	s := l.session(u)
	one.faults(s)
	return s, l.close, nil
}
