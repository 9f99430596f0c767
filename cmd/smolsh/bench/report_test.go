package bench

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// testReport returns a report that summarize made of typical values.
func testReport() *Report {
	r := &Report{Version: "0.1", Machine: Machine{Kernel: "6.18", Arch: "amd64", CPUs: 2, Go: "go1.26"}, Rounds: 3, Seconds: 0.5,
		Absent: []string{"gvisor: no Go toolchain"}, Failures: []string{"tap/send/plain, smolsh: it took too long"}}
	speed := &Measurement{Name: "tap/send/plain", What: "Sends.", Metrics: []Metric{{Unit: "Gbit/s"}}, Sides: []string{Smolsh, GVisor, Kernel}}
	r.Results = append(r.Results, summarize(speed, map[string]map[string][]float64{
		Smolsh: {"": {3, 1, 2}}, Kernel: {"": {8, 8.5, 2}},
	})...)
	echo := &Measurement{Name: "echo/serve", What: "Echoes.", Metrics: []Metric{{"p50", "µs", true}, {"p99", "µs", true}}, Sides: []string{Smolsh, Starlark}}
	r.Results = append(r.Results, summarize(echo, map[string]map[string][]float64{
		Smolsh: {"p50": {10, 20}, "p99": {123.456}}, Starlark: {"p50": {30}},
	})...)
	// smolsh failed, so the report has only the figure of the peer.
	lost := &Measurement{Name: "connect", What: "Connects.", Metrics: []Metric{{Unit: "1/s"}}, Sides: []string{Smolsh, GVisor}}
	r.Results = append(r.Results, summarize(lost, map[string]map[string][]float64{GVisor: {"": {9272}}})...)
	return r
}

func TestTable(t *testing.T) {
	const want = `smolsh 0.1, go1.26, Linux 6.18, amd64, 2 CPUs; medians of 3, 0.5 s each
MEASUREMENT     UNIT    SMOLSH  GVISOR  RATIO  KERNEL  RATIO  STARLARK  RATIO
tap/send/plain  Gbit/s       2                      8  0.25×
echo/serve p50  µs          15                                      30   0.5×
echo/serve p99  µs         123
connect         1/s               9272
not there: gvisor: no Go toolchain
failed: tap/send/plain, smolsh: it took too long
`
	var b strings.Builder
	if err := testReport().Table(&b); err != nil || b.String() != want {
		t.Errorf("%v\n got\n%s\nwant\n%s", err, b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	r := testReport()
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("%v: came back as %+v, was %+v", err, back, *r)
	}
	var first struct {
		Results []map[string]any
	}
	if err := json.Unmarshal([]byte(b.String()), &first); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "tap/send/plain", "what": "Sends.", "unit": "Gbit/s", "better": "more",
		"sides": []any{
			map[string]any{"side": "smolsh", "median": 2.0, "min": 1.0, "max": 3.0, "values": []any{3.0, 1.0, 2.0}},
			map[string]any{"side": "kernel", "median": 8.0, "min": 2.0, "max": 8.5, "values": []any{8.0, 8.5, 2.0}},
		}, "ratios": map[string]any{"kernel": 0.25}}
	if !reflect.DeepEqual(first.Results[0], want) {
		t.Errorf("the first result is\n%v, want\n%v", first.Results[0], want)
	}
}

func TestSelect(t *testing.T) {
	names := func(re string) (s []string) {
		for _, m := range Select(regexp.MustCompile(re)) {
			s = append(s, m.Name)
		}
		return s
	}
	if got := names("^lab|start/v"); !reflect.DeepEqual(got, []string{"lab/1500", "lab/64k", "start/virtual"}) {
		t.Errorf("selected %v", got)
	}
	seen := map[string]bool{}
	for _, m := range Select(nil) {
		if seen[m.Name] || m.Sides[0] != Smolsh || len(m.Metrics) == 0 || !strings.HasSuffix(m.What, ".") {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
}
