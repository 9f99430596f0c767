//go:build !portable

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"

	"smolsh/cmd/smolsh/bench"
)

// benchPeers is the environment variable that passes the list of peers into the network namespace. Each line has SIDE,
// PATH and, for a missing peer, WHY, separated by tabs.
const benchPeers = "SMOLSH_BENCH_PEERS"

// run measures, in a network namespace of its own, and prints the report.
func (o *benchOptions) run(stdout io.Writer) (status int, err error) {
	if o.actor != nil {
		return bench.Actor(o.actor, stdout), nil
	}
	noNetwork := ""
	inside, report := insidePrivate()
	if inside {
		closeReport(report)
	} else if os.Getenv(benchPeers) == "" {
		// Peers are built here, outside the namespace, because `go build` may have to fetch modules.
		os.Setenv(benchPeers, o.findPeers())
	}
	if !inside {
		status, ran, why := enterPrivate()
		if ran {
			return status, nil
		}
		noNetwork = why.Why + " (" + why.Cure + ")"
	}
	cfg := bench.Config{
		Version: version, Measurements: bench.Select(o.match), Rounds: o.rounds, Span: o.span, Warm: o.warm, Small: o.short,
		Program: []string{self(), "bench", "actor"}, Peers: map[string]string{}, Absent: map[string]string{},
		NoNetwork: noNetwork, Profiles: o.profiles,
	}
	for _, l := range strings.Split(os.Getenv(benchPeers), "\n") {
		if f := strings.Split(l, "\t"); len(f) == 3 {
			cfg.Peers[f[0]], cfg.Absent[f[0]] = f[1], f[2]
		}
	}
	os.Unsetenv(benchPeers)
	if isatty.IsTerminal(os.Stderr.Fd()) {
		cfg.Progress = func(name, side string, run, runs int) {
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s  %s  %d/%d", name, side, run, runs)
		}
	}
	r := bench.Run(cfg)
	if cfg.Progress != nil {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	if o.json {
		err = r.JSON(stdout)
	} else {
		err = r.Table(stdout)
	}
	if err == nil && len(r.Failures) > 0 {
		return statusFailed, nil
	}
	if err == nil && len(r.Results) == 0 {
		return 0, deviceError(errors.New("bench: nothing was measured: " + cmp.Or(noNetwork, "everything is missing")))
	}
	return 0, err
}

// findPeers finds the peers' programs, or builds them, and returns them in the form of benchPeers.
func (o *benchOptions) findPeers() string {
	var lines []string
	tell := func(side, path, why string) {
		why = strings.NewReplacer("\n", "; ", "\t", " ").Replace(why)
		lines = append(lines, side+"\t"+path+"\t"+why)
	}
	sides := slices.Clone(benchSides)
	if o.noPeers {
		sides = append(sides, bench.Kernel)
	}
	for _, side := range sides {
		path := o.peers[side]
		var err error
		switch {
		case o.noPeers:
			tell(side, "", "--no-peers")
			continue
		case path != "":
			path, err = filepath.Abs(path)
		default:
			path, err = buildPeer(side)
		}
		if err != nil {
			tell(side, "", err.Error())
			continue
		}
		tell(side, path, "")
	}
	return strings.Join(lines, "\n")
}

// buildPeer builds a peer's program from its module in the source tree that contains the working directory. It returns
// the program's path.
func buildPeer(side string) (string, error) {
	source, err := peerSource(side)
	if err != nil {
		return "", err
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("no Go toolchain to build it with (--peer %s=PATH names a built one)", side)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "smolsh", "peers", side)
	build := exec.Command(tool, "build", "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("go build in %s: %v: %s", source, err, first)
	}
	return program, nil
}

// peerSource returns the folder of a peer's module.
func peerSource(side string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "testdata", "peers", side)
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("its source is not here (run it in smolsh's source tree, or --peer %s=PATH names a built one)", side)
		}
		dir = up
	}
}
