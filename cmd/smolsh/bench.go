package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"smolsh/cmd/smolsh/bench"
)

const benchUsage = `usage: smolsh bench [flags]

Measures this program and its peers in turn, in a new network namespace. Prints medians, the ratio of smolsh's median to
that of each peer, and the peers that are missing.

`

// benchOptions are the flags of `smolsh bench`, checked.
type benchOptions struct {
	flags *pflag.FlagSet

	help, json, short, noPeers, list bool
	match                            *regexp.Regexp
	rounds                           int
	span, warm                       time.Duration
	peers                            map[string]string // program of each side
	profiles                         string
	actor                            []string // arguments of an actor; set in a process that takes part in a run
}

// benchSides are the peers that are separate programs.
var benchSides = []string{bench.GVisor}

// bench implements `smolsh bench`.
func (o *options) bench(stdout, _ io.Writer) (status int, err error) {
	if len(o.args) > 0 && o.args[0] == "actor" {
		b := &benchOptions{actor: o.args[1:]}
		return b.run(stdout)
	}
	b, err := parseBench(o.args)
	switch {
	case err != nil:
		return 0, err
	case b.help:
		_, err = io.WriteString(stdout, benchUsage+"flags:\n"+b.flags.FlagUsages())
		return 0, err
	case b.list:
		for _, m := range bench.Select(b.match) {
			fmt.Fprintf(stdout, "%-20s  %s\n", m.Name, m.What)
		}
		return 0, nil
	}
	return b.run(stdout)
}

func parseBench(args []string) (*benchOptions, error) {
	o := &benchOptions{peers: map[string]string{}}
	f := newFlagSet("smolsh bench")
	o.flags = f
	var match string
	var seconds float64
	var peers []string
	f.BoolVar(&o.json, "json", false, "print JSON, with every value")
	f.StringVar(&match, "run", "", "take only measurements whose name matches `REGEX`; --list prints the names")
	f.IntVar(&o.rounds, "rounds", 5, "number of runs of each side, `N`")
	f.Float64Var(&seconds, "seconds", 0.4, "measured time of each run, in `SECONDS`, after a warm-up of a quarter of it")
	f.BoolVar(&o.short, "short", false, "one round of a few milliseconds with the smallest sizes, to check that everything works")
	f.BoolVar(&o.noPeers, "no-peers", false, "measure only smolsh")
	f.StringArrayVar(&peers, "peer", nil, "program of a peer, `SIDE=PATH`, such as gvisor=./gvisor (default built from testdata/peers)")
	f.BoolVar(&o.list, "list", false, "list the measurements")
	f.StringVar(&o.profiles, "profile", "", "write CPU profiles of smolsh's runs into the folder `DIR`")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, flagError("bench ", f, err)
	}
	if f.NArg() > 0 {
		return nil, usageError("bench: it takes flags only, got %q (--run chooses measurements)", f.Arg(0))
	}
	return o, o.check(match, seconds, peers)
}

func (o *benchOptions) check(match string, seconds float64, peers []string) (err error) {
	if match != "" {
		if o.match, err = regexp.Compile(match); err != nil {
			return usageError("bench: --run: %v", err)
		}
		if len(bench.Select(o.match)) == 0 {
			return usageError("bench: --run: no measurement matches %q (--list shows them)", match)
		}
	}
	if o.rounds < 1 || o.rounds > 1000 {
		return usageError("bench: --rounds: %d is not within 1 to 1000", o.rounds)
	}
	if !(seconds >= 0.01 && seconds <= 60) {
		return usageError("bench: --seconds: %v is not within 0.01 to 60", seconds)
	}
	o.span = time.Duration(seconds * float64(time.Second))
	if o.short {
		if !o.flags.Changed("rounds") {
			o.rounds = 1
		}
		if !o.flags.Changed("seconds") {
			o.span = 20 * time.Millisecond
		}
	}
	o.warm = o.span / 4
	for _, s := range peers {
		side, path, ok := strings.Cut(s, "=")
		switch {
		case !ok || path == "":
			return usageError("bench: --peer: %q is no SIDE=PATH such as gvisor=./gvisor", s)
		case !slices.Contains(benchSides, side):
			return usageError("bench: --peer: there is no peer %q (there are %s)", side, strings.Join(benchSides, ", "))
		case o.noPeers:
			return usageError("bench: --peer and --no-peers exclude each other")
		}
		if _, err := os.Stat(path); err != nil {
			return usageError("bench: --peer: %s: %v", path, errors.Unwrap(err))
		}
		o.peers[side] = path
	}
	if o.profiles != "" {
		if s, err := os.Stat(o.profiles); err != nil || !s.IsDir() {
			return usageError("bench: --profile: %s is no folder", o.profiles)
		}
	}
	return nil
}
