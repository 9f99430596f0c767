//go:build linux && !portable

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/bench"
	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// TestBenchFlags checks the errors and the values of the flags.
func TestBenchFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--bogus"}, "bench: unknown flag: --bogus (smolsh bench --help lists the flags)"},
		{[]string{"tap"}, `bench: it takes flags only, got "tap" (--run chooses measurements)`},
		{[]string{"--run", "("}, "bench: --run: error parsing regexp: missing closing ): `(`"},
		{[]string{"--run", "lap"}, `bench: --run: no measurement matches "lap" (--list shows them)`},
		{[]string{"--rounds", "0"}, "bench: --rounds: 0 is not within 1 to 1000"},
		{[]string{"--seconds", "0"}, "bench: --seconds: 0 is not within 0.01 to 60"},
		{[]string{"--seconds", "NaN"}, "bench: --seconds: NaN is not within 0.01 to 60"},
		{[]string{"--peer", "gvisor"}, `bench: --peer: "gvisor" is no SIDE=PATH such as gvisor=./gvisor`},
		{[]string{"--peer", "lwip=x"}, `bench: --peer: there is no peer "lwip" (there are gvisor)`},
		{[]string{"--peer", "gvisor=/no/such"}, "bench: --peer: /no/such: no such file or directory"},
		{[]string{"--no-peers", "--peer", "gvisor=/"}, "bench: --peer and --no-peers exclude each other"},
		{[]string{"--profile", "/no/such"}, "bench: --profile: /no/such is no folder"},
	} {
		if _, err := parseBench(c.args); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.args, err, c.want)
		}
	}
	o, err := parseBench([]string{"--short"})
	if err != nil || o.rounds != 1 || o.span.String() != "20ms" || o.warm.String() != "5ms" {
		t.Errorf("--short: %v, %+v", err, o)
	}
	if o, err = parseBench([]string{"--short", "--rounds", "2", "--seconds", "0.1"}); err != nil || o.rounds != 2 || o.span.String() != "100ms" {
		t.Errorf("--short with others: %v, %+v", err, o)
	}
}

// TestBench runs every measurement once, briefly, outside the source tree. The kernel is a peer. The report must name
// gVisor as missing and have each figure.
func TestBench(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	cmd := exec.Command(smolsh(t), "bench", "--short", "--json")
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v", err)
	}
	var r bench.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(r.Failures) > 0 || len(r.Absent) != 1 || !regexp.MustCompile(`^gvisor: its source is not here`).MatchString(r.Absent[0]) {
		t.Errorf("failures %q, absent %q", r.Failures, r.Absent)
	}
	got := map[string][]string{}
	for _, x := range r.Results {
		for _, s := range x.Sides {
			if s.Median <= 0 || len(s.Values) != 1 {
				t.Errorf("%s %s, %s: %+v", x.Name, x.Metric, s.Side, s)
			}
			got[x.Name] = append(got[x.Name], s.Side)
		}
	}
	for _, m := range bench.Measurements() {
		var want []string
		for range m.Metrics {
			for _, s := range m.Sides {
				if s != bench.GVisor {
					want = append(want, s)
				}
			}
		}
		if !slices.Equal(got[m.Name], want) {
			t.Errorf("%s has figures of %v, want %v", m.Name, got[m.Name], want)
		}
	}
}

// TestBenchmarkExample runs the example both ways on the private lab, and on an existing TAP.
func TestBenchmarkExample(t *testing.T) {
	namespace(t)
	path := smolsh(t)
	example, err := filepath.Abs("../../examples/benchmark.star")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^throughput: \d+\.\d+ Gbps\n$`)
	for _, mode := range []string{"reader", "writer"} {
		for _, device := range []string{"lab", "tap:tap0"} {
			if out, err := run("", path, "--device", device, example, mode, "5000000"); err != nil || !want.MatchString(out) {
				t.Errorf("%s on %s: %v: %s", mode, device, err, out)
			}
		}
	}
}
