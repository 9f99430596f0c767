package proxy

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"smolsh/stack/lab"
)

// TestMetrics checks each line against the text format of Prometheus: HELP, TYPE, then the samples of that name, each once.
func TestMetrics(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	c := dial(t, r.carry("tcp", serve(t, echo)))
	_, _ = io.WriteString(c, "x")
	_ = c.CloseWrite()
	_, _ = io.ReadAll(c)
	help := regexp.MustCompile(`^# HELP ([a-z_]+) [A-Z].*\.$`)
	kind := regexp.MustCompile(`^# TYPE ([a-z_]+) (counter|gauge|untyped)$`)
	sample := regexp.MustCompile(`^([a-z_]+)\{([a-z]+="[^"\\]*",?)+\} \d+$`)
	name, typed, seen := "", false, map[string]bool{}
	for line := range strings.Lines(string(r.p.Metrics())) {
		line = strings.TrimSuffix(line, "\n")
		key, _, _ := strings.Cut(line, "} ")
		switch h, k, s := help.FindStringSubmatch(line), kind.FindStringSubmatch(line), sample.FindStringSubmatch(line); {
		case h != nil:
			name, typed = h[1], false
		case regexp.MustCompile("counter|gauge|histogram|summary").MatchString(name): // which promtool's checks refuse in a name
			t.Errorf("the name %s has a type", name)
		case k != nil && k[1] == name && strings.HasSuffix(name, "_total") == (k[2] == "counter"):
			typed = true
		case s != nil && s[1] == name && typed && !seen[key]:
			seen[key] = true
		default:
			t.Errorf("the line %q", line)
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d samples", len(seen))
	}
}

// TestMetricsServer: GET /metrics is served, and nothing else.
func TestMetricsServer(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := r.p.MetricsServer()
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/metrics/x": 404} {
		res, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if kind := res.Header.Get("Content-Type"); res.StatusCode != want || want == 200 && kind != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%s: %d, %s", path, res.StatusCode, kind)
		}
	}
}

// TestLabelsAreEscaped: no text of a label ends it.
func TestLabelsAreEscaped(t *testing.T) {
	m := metrics{name: "n"}
	m.sample(1, "a", "x\"y\\z\n")
	if got, want := m.b.String(), `n{a="x\"y\\z\n"} 1`+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
