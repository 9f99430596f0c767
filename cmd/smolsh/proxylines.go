package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"smolsh/cmd/smolsh/proxy"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// lines describes the routes and the link, and warns about what they allow.
func (v *proxyServer) lines() (list []string) {
	list = v.proxy.Routes()
	at := v.proxy.Listening()
	if v.metrics != nil {
		list = append(list, "metrics http://"+v.metrics.Addr().String()+"/metrics")
		at = append(at, v.metrics.Addr().String())
	}
	var cfg lab.LinkConfig
	v.l.runner.Do(func(clock.Instant) { cfg = v.link.Config() }) // a script may have changed it
	if text := linkLine(cfg, float64(v.o.duplicate), float64(v.o.reorder)); text != "" {
		list = append(list, text)
	}
	warned := map[string]bool{}
	for _, a := range at {
		if proxy.Public(a) && !warned[a] {
			warned[a] = true
			list = append(list, "other machines may use "+a)
		}
	}
	if limit, ok := openFiles(); ok {
		list = append(list, fewFiles(limit, v.o)...)
	}
	return list
}

// linkLine describes what the link does to frames: "link: delay 40 ms, loss 1 %, rate 10 Mbit/s", or "" for nothing.
func linkLine(cfg lab.LinkConfig, duplicate, reorder float64) string {
	var list []string
	add := func(name, value string, set bool) {
		if set {
			list = append(list, name+" "+value)
		}
	}
	add("delay", spacedDuration(cfg.Delay), cfg.Delay > 0)
	add("jitter", spacedDuration(cfg.Jitter), cfg.Jitter > 0)
	add("loss", percent(cfg.Loss), cfg.Loss > 0)
	add("duplicate", percent(duplicate), duplicate > 0)
	add("reorder", percent(reorder), reorder > 0)
	add("rate", spacedRate(cfg.RateBps), cfg.RateBps > 0)
	if len(list) == 0 {
		return ""
	}
	return "link: " + strings.Join(list, ", ")
}

// spacedDuration returns a duration in the largest unit of which it is at least one: "40 ms".
func spacedDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			return sixDigits(float64(d)/float64(u.unit)) + " " + u.name
		}
	}
	return fmt.Sprint(d.Nanoseconds(), " ns")
}

// spacedRate returns a rate in the largest unit of which it is at least one: "10 Mbit/s".
func spacedRate(bps uint64) string {
	for _, u := range []struct {
		unit float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if float64(bps) >= u.unit {
			return sixDigits(float64(bps)/u.unit) + " " + u.name + "bit/s"
		}
	}
	return fmt.Sprint(bps, " bit/s")
}

// percent returns a probability in percent: "1 %".
func percent(p float64) string { return sixDigits(p*100) + " %" }

// sixDigits returns a number with at most six digits.
func sixDigits(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

const (
	filesBeside  = 10 // files that the proxy has open beside those of connections
	filesPerConn = 2  // sockets of the kernel for a TCP connection
)

// fewFiles warns if the limit of open files allows fewer connections and flows than the proxy's own bounds.
func fewFiles(limit uint64, o *proxyOptions) []string {
	flows := uint64(0)
	tcp := o.socks != ""
	for _, r := range o.routes {
		if r.Network == "udp" {
			flows += proxy.MaxFlows // each has one socket
		} else {
			tcp = true
		}
	}
	want := flows + filesBeside + uint64(len(o.routes))
	if tcp {
		want += filesPerConn * proxy.MaxConns
	}
	if limit >= want {
		return nil
	}
	left := limit - min(limit, filesBeside+uint64(len(o.routes)))
	text := fmt.Sprintf("%d UDP flows", left)
	if tcp {
		text = fmt.Sprintf("%d connections", left/filesPerConn)
	}
	return []string{fmt.Sprintf("the limit of %d open files allows about %s (ulimit -n %d allows all that the proxy may carry)", limit, text, want)}
}

// folded writes lines to a terminal, folded at its width. Each Write must be whole lines.
type folded struct{ w io.Writer }

// Write implements io.Writer.
func (f folded) Write(p []byte) (int, error) {
	var b strings.Builder
	for line := range strings.Lines(string(p)) {
		b.WriteString(fold(strings.TrimSuffix(line, "\n"), columns()))
	}
	if _, err := io.WriteString(f.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
