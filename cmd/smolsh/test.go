package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"smolsh/cmd/smolsh/scenario"
	"smolsh/phy/fault"
	"smolsh/script"
	"smolsh/script/command"
)

const testUsage = `usage: smolsh test [flags] PATH…

Runs the tests of *.star files, and of those in folders and below: every top-level name that begins with test_ and
holds a function. Each runs in its own fresh evaluation of its file, in virtual labs: the same seed gives the same
packets on any machine. setup() runs before each test and teardown(net) after it, with what setup() returned; help()
explains cases, xfail, tagged and skip. Tests run in worker processes: one that exceeds a bound fails alone.

`

const testNotes = `
Without the flags, these environment variables apply. Of Bazel: TEST_TOTAL_SHARDS with TEST_SHARD_INDEX (--shard),
TEST_SHARD_STATUS_FILE, TESTBRIDGE_TEST_ONLY (--run), XML_OUTPUT_FILE (--junit), TEST_UNDECLARED_OUTPUTS_DIR (the folder
for captures). Of an indexed Job of Kubernetes: JOB_COMPLETION_INDEX (the index for --shard /N).

Exit status: 0; 1 a test failed; 2 wrong usage, or no test found; 3 no private lab or device for --live; 130 after Ctrl-C.
`

// testOptions are the flags of `smolsh test`, checked.
type testOptions struct {
	flags *pflag.FlagSet

	help, json, live, list, shrink bool
	failFast, lastFailed           bool
	tags                           []string
	captures                       string
	memory                         int64
	steps                          uint64
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
	f.StringArrayVar(&o.tags, "tag", nil, "run only tests with the tag `T`; repeatable")
	f.BoolVar(&o.lastFailed, "last-failed", false, "run only the tests that failed last, with the seeds with which they failed; all tests if none failed")
	f.BoolVar(&o.failFast, "fail-fast", false, "run no further test after the first failure")
	f.Uint64Var(&r.seed, "seed", 1, "seed of all randomness, `N`")
	f.StringVar(&r.seeds, "seeds", "", "run each test with each seed from A to B, `A..B`")
	f.IntVar(&o.jobs, "jobs", runtime.GOMAXPROCS(0), "number of tests to run at once, `N`; the report does not depend on it")
	f.StringVar(&r.shard, "shard", "", "run only part I of N of all tests and seeds, `I/N`, counted from 1; /N in an indexed Job")
	o.timeout = scenario.DefaultTimeout
	f.Var((*durationFlag)(&o.timeout), "timeout", "longest time of one test with one seed, by the wall clock, `DURATION`")
	f.StringVar(&r.memory, "memory", "1GB", "largest memory of a test, `SIZE`")
	f.Uint64Var(&o.steps, "steps", 0, "largest number of computation steps of a test, `N`; 0 for no limit")
	f.StringVar(&o.junit, "junit", "", "write JUnit's XML to `FILE`")
	f.StringVar(&o.captures, "captures", "", "leave the captures of failing tests in `FOLDER`; none for no captures")
	f.BoolVar(&o.json, "json", false, "print a JSON object per case: file, test, seed, result (pass, fail, skip, xfail), seconds, simulated, error, output, why, again, capture")
	f.BoolVar(&o.live, "live", false, "run on the private lab, or on the devices of --device before the verb, in real time")
	f.BoolVar(&o.shrink, "shrink", false, "remove the faults of a failing test one by one, until only those that make it fail remain")
	f.StringVar(&r.keep, "keep", "", "keep only the faults `WHAT` of a test, in the form that --shrink prints; none keeps no fault")
	f.BoolVar(&o.list, "list", false, "list the tests without running them; with --json an object per test: file, test, tags, skipped, why, error")
	return f
}

// rawTest holds the values of flags that need more checks than their type.
type rawTest struct {
	match, seeds, shard, keep, memory string
	seed                              uint64
}

func parseTest(args []string, getenv func(string) string) (*testOptions, error) {
	o, r := &testOptions{}, &rawTest{}
	o.flags = newTestFlags(o, r)
	if err := o.flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, flagError("test ", o.flags, err)
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
	if o.memory, err = scenario.ParseSize(r.memory); err != nil {
		return nil, usageError("test: --memory: %v", err)
	}
	if o.jobs < 1 {
		return nil, usageError("test: --jobs: %d is not 1 or more", o.jobs)
	}
	if o.timeout <= 0 {
		return nil, usageError("test: --timeout: %v is not more than 0", o.timeout)
	}
	return o, nil
}

// testVerb implements `smolsh test`. The options o are the flags before the verb.
func (o *options) test(stdout, stderr io.Writer) (status int, err error) {
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
	c := o.scenarios(t, stdout, stderr)
	if os.Getenv(workerMark) != "" {
		return 0, serveTests(c)
	}
	files, remarks, err := scenario.Files(t.paths)
	if err != nil {
		return 0, usageError("test: %v", err)
	}
	if t.live {
		if status, ran, err := o.enterLive(); ran || err != nil {
			return status, err
		}
	}
	return o.runTests(t, c, files, remarks)
}

// workerMark names an environment variable. If it is set, `smolsh test` runs as a worker of the process that started
// it.
const workerMark = "SMOLSH_TEST_WORKER"

// testWorker returns the command of a worker: the same command line.
func testWorker() *exec.Cmd {
	cmd := &exec.Cmd{Path: self(), Args: os.Args, Env: append(os.Environ(), workerMark+"=1")}
	apart(cmd)
	return cmd
}

// serveTests is a worker. At its end it ends the programs of tests, but not in ExitFull, when memory is full: there the runner does.
func serveTests(c *scenario.Config) error {
	os.Unsetenv(workerMark) // not for programs that tests start
	requests, replies, page, err := scenario.WorkerFiles()
	if err != nil {
		return err
	}
	position, err := scenario.MapPosition(page)
	if err != nil {
		return err
	}
	c.ExitFull = func(file string, line int) {
		if file != "" {
			position.Put(file, line)
		}
		os.Exit(scenario.ExitMemory)
	}
	defer command.End()
	return c.Serve(untilEnd{requests}, replies, position.Set)
}

// untilEnd is the reader of a worker's requests. When the runner has ended, the process ends too, soon, whatever the test does.
type untilEnd struct{ io.Reader }

func (r untilEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil {
		time.AfterFunc(time.Second, func() {
			command.End()
			os.Exit(statusFailed)
		})
	}
	return n, err
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

// forTests are the flags in front of the verb that apply to tests: no-files, and the faults of every lab.
var forTests = []string{"no-files", "drop-chance", "corrupt-chance", "size-limit", "tx-rate-limit", "rx-rate-limit", "shaping-interval"}

// checkBeforeTest checks the flags before the verb.
func (o *options) checkBeforeTest(t *testOptions) error {
	wrong := ""
	o.flags.Visit(func(f *pflag.Flag) {
		if slices.Contains(forTests, f.Name) {
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

// scenarios returns the configuration of a run, which its workers make alike.
func (o *options) scenarios(t *testOptions, stdout, stderr io.Writer) *scenario.Config {
	c := &scenario.Config{
		Seeds: t.seeds, Shard: t.shard, Jobs: t.jobs, Timeout: t.timeout, Memory: t.memory, Steps: t.steps, FailFast: t.failFast,
		Live: t.live, Keep: t.keep, Shrink: t.shrink,
		Folder: os.Getenv("TEST_UNDECLARED_OUTPUTS_DIR"), Stdout: stdout, Stderr: stderr, JSON: t.json,
		Terminal: isatty.IsTerminal(os.Stdout.Fd()), Progress: isatty.IsTerminal(os.Stdout.Fd()) && os.Getenv("TERM") != "dumb", Columns: columns(),
		Open: o.openVirtual, Worker: testWorker,
	}
	switch t.captures {
	case "":
	case "none":
		c.NoCaptures = true
	default:
		c.Folder = t.captures
	}
	c.Before = flagWords(o.flags, nil)
	c.After = flagWords(t.flags, func(name string) bool { return slices.Contains(repeated, name) })
	if t.live {
		c.Jobs, c.Open = 1, o.openLive // there is only one tap0
	}
	return c
}

// repeated are the flags of `smolsh test` without which a repeated test may end otherwise.
var repeated = []string{"live", "timeout", "memory", "steps"}

// flagWords returns the flags that were given, as words of a command line.
func flagWords(f *pflag.FlagSet, wanted func(name string) bool) (words []string) {
	f.Visit(func(f *pflag.Flag) {
		if wanted != nil && !wanted(f.Name) {
			return
		}
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			for _, one := range v.GetSlice() {
				words = append(words, "--"+f.Name, one)
			}
		default:
			words = append(words, "--"+f.Name)
			if f.NoOptDefVal == "" {
				words = append(words, v.String())
			}
		}
	})
	return words
}

// runTests collects the tests of files, and lists or runs those that are selected.
func (o *options) runTests(t *testOptions, c *scenario.Config, files []scenario.File, remarks []string) (int, error) {
	command.Adopt() // the programs of a worker that ends before them
	defer command.End()
	defer c.Close()
	got, stopped := stopOnSignal(c)
	defer stopped()
	found := c.Collect(files)
	remarks = append(remarks, found.Remarks...)
	c.Tests = scenario.Select(found.Tests, t.match, t.tags)
	if len(c.Tests) == 0 {
		what := "no test, a function whose name begins with test_, in"
		if t.match != nil || len(t.tags) > 0 {
			what = "no test that --run and --tag select in"
		}
		return 0, usageError("test: %s %s%s", what, list(t.paths), strings.Join(append([]string{""}, remarks...), "\n  "))
	}
	notes := c.Stdout
	if t.json || t.list {
		notes = c.Stderr
	}
	if t.match == nil && len(t.tags) == 0 && !t.lastFailed { // a run of chosen tests does not repeat the remarks about the others
		for _, r := range remarks {
			fmt.Fprintf(notes, "note: %s\n", r)
		}
	}
	record := readRecord(notes)
	if t.lastFailed {
		record.narrow(t, c, notes)
	}
	if t.list {
		return listTests(c, t.json)
	}
	if c.Folder != "" {
		if err := os.MkdirAll(c.Folder, 0o777); err != nil {
			return 0, fmt.Errorf("the folder of captures: %w", err)
		}
	}
	if t.junit != "" {
		if filepath.Ext(t.junit) == ".star" {
			return 0, usageError("test: --junit: %s is a script; the flag takes the file for the report", t.junit)
		}
		f, err := os.Create(t.junit)
		if err != nil {
			return 0, usageError("test: --junit: %v", err)
		}
		defer f.Close()
		c.JUnit = f
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			c.JUnit = struct{ io.Writer }{f}
		}
	}
	result, err := c.Run()
	record.update(c.Tests, result, notes)
	switch {
	case err != nil:
		return 0, err
	case result.Interrupted:
		return signalStatus(*got), nil
	case result.Failed > 0:
		return statusFailed, nil
	}
	return 0, nil
}

// listed is a test in the output of --list --json.
type listed struct {
	File    string   `json:"file"`
	Test    string   `json:"test"`
	Tags    []string `json:"tags,omitempty"`
	Skipped bool     `json:"skipped,omitempty"`
	Why     string   `json:"why,omitempty"`   // the reason of skipped
	Error   string   `json:"error,omitempty"` // why the file can't be read; test is empty then
}

// listTests prints a line for each test, or a JSON object. The line states the test's tags. The status says whether every file can be
// read.
func listTests(c *scenario.Config, asJSON bool) (status int, err error) {
	e := json.NewEncoder(c.Stdout)
	e.SetEscapeHTML(false)
	for _, x := range c.Tests {
		words := []string{x.Path, x.Name}
		switch {
		case x.Wrong != nil:
			words[1] = "can't be read: " + x.Wrong.Error()
			status = statusFailed
		case x.Skipped:
			words[1] = "skipped: " + x.Why
		}
		if asJSON {
			l := listed{File: x.Path, Test: x.Name, Tags: x.Tags, Skipped: x.Skipped, Why: x.Why}
			if x.Wrong != nil {
				l.Error = x.Wrong.Error()
			}
			if err := e.Encode(l); err != nil {
				return 0, err
			}
			continue
		}
		for _, tag := range x.Tags {
			words = append(words, "#"+tag)
		}
		if _, err := fmt.Fprintln(c.Stdout, strings.Join(words, " ")); err != nil {
			return 0, err
		}
	}
	return status, nil
}

// stopOnSignal makes Ctrl-C, SIGTERM and SIGHUP end the run. A second signal ends the process. *got is the first
// signal, nil before it.
func stopOnSignal(c *scenario.Config) (got *os.Signal, stopped func()) {
	got = new(os.Signal)
	stop := make(chan struct{})
	c.Stop = stop
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(endingSignals(), os.Interrupt)...)
	go func() {
		*got = <-signals
		close(stop)
		again := <-signals
		command.End()
		os.Exit(signalStatus(again))
	}()
	return got, func() { signal.Stop(signals) }
}

// record holds the tests that failed in the last run, and the path of the file that stores them. Without a home
// directory, path is empty and the run stores nothing.
type record struct {
	scenario.Record
	path string // path of the file; "" if nothing is stored
}

func readRecord(notes io.Writer) *record {
	r := &record{}
	path, err := scenario.RecordFile()
	if err != nil {
		return r // there is no home directory
	}
	if r.Record, err = scenario.ReadRecord(path); err != nil {
		fmt.Fprintf(notes, "note: the record of failed tests can't be read: %v\n", err)
	}
	r.path = path
	return r
}

// narrow removes all tests but those that failed in their last run. They run with the seeds that failed, unless the
// command line has seeds.
func (r *record) narrow(t *testOptions, c *scenario.Config, notes io.Writer) {
	last := r.Select(c.Tests)
	if len(last) == 0 {
		fmt.Fprintln(notes, "note: none of these tests failed last: all run")
		return
	}
	if t.flags.Changed("seed") || t.flags.Changed("seeds") {
		for i := range last {
			last[i].Seeds = nil
		}
	}
	c.Tests = last
}

// update records the failures of a run.
func (r *record) update(tests []scenario.Test, result scenario.Result, notes io.Writer) {
	if r.path == "" {
		return
	}
	if err := scenario.UpdateRecord(r.path, tests, result); err != nil {
		fmt.Fprintf(notes, "note: the failed tests can't be recorded for --last-failed: %v\n", err)
	}
}

// session returns a session for one test in a lab.
func (l *shellLab) session(u scenario.Setup) *script.Session {
	return script.New(script.Config{
		Runner: l.runner, Lab: l.lab, Local: l.local, Peer: l.peer, Seed: u.Seed,
		Stdout: u.Output, Stderr: u.Output, Crashed: u.Crashed, Plan: u.Plan, NoFiles: l.noFiles, Bounds: u.Bounds, Shared: u.Shared,
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
	s := l.session(u)
	one.faults(s)
	return s, l.close, nil
}

// enterLive moves the process into the namespace of live tests. ran is true if a copy has run all tests. For other devices it only tries
// whether they can be opened, so that a device which is not there is no test's failure.
func (o *options) enterLive() (status int, ran bool, err error) {
	if !o.wantsPrivate() {
		l, err := o.open(o.devices)
		if err == nil {
			l.runner.Close()
			l.close()
		}
		return 0, false, err
	}
	l, status, ran, err := o.openLab()
	if ran || err != nil {
		return status, ran, err
	}
	defer l.close()
	defer l.runner.Close()
	if l.why != "" {
		return 0, false, deviceError(errors.New(strings.Replace(l.why, "so this is a virtual lab", "so live tests can't run", 1)))
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
