package main

import (
	"strings"
	"testing"
	"time"

	"smolsh/cmd/smolsh/proxy"
	"smolsh/stack/lab"
)

// TestLinkLine: the line shows numbers that were given without a unit as what they mean.
func TestLinkLine(t *testing.T) {
	for _, c := range []struct {
		cfg                lab.LinkConfig
		duplicate, reorder float64
		want               string
	}{
		{lab.LinkConfig{Queue: 100}, 0, 0, ""},
		{lab.LinkConfig{Delay: 40 * time.Millisecond, Loss: 0.01, RateBps: 1e7}, 0, 0, "link: delay 40 ms, loss 1 %, rate 10 Mbit/s"},
		{lab.LinkConfig{Delay: 40 * time.Second, Loss: 1, RateBps: 10}, 0, 0, "link: delay 40 s, loss 100 %, rate 10 bit/s"},
		{lab.LinkConfig{Jitter: 1500 * time.Microsecond, Loss: 0.07, RateBps: 1536e3}, 0.001, 0.5,
			"link: jitter 1.5 ms, loss 7 %, duplicate 0.1 %, reorder 50 %, rate 1.536 Mbit/s"},
		{lab.LinkConfig{Delay: 250 * time.Microsecond, Jitter: 20, RateBps: 2e9}, 0, 0, "link: delay 250 µs, jitter 20 ns, rate 2 Gbit/s"},
	} {
		if got := linkLine(c.cfg, c.duplicate, c.reorder); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestFewFiles: a limit of open files that is below the proxy's own bounds makes a warning.
func TestFewFiles(t *testing.T) {
	tcp, udp := proxy.Route{Network: "tcp"}, proxy.Route{Network: "udp"}
	for _, c := range []struct {
		limit  uint64
		routes []proxy.Route
		socks  string
		want   string
	}{
		{64, []proxy.Route{tcp}, "", "the limit of 64 open files allows about 26 connections (ulimit -n 16395 "},
		{64, nil, "127.0.0.1:1080", "the limit of 64 open files allows about 27 connections"},
		{5, []proxy.Route{tcp}, "", "about 0 connections"},
		{256, []proxy.Route{udp}, "", "the limit of 256 open files allows about 245 UDP flows (ulimit -n 1035 "},
		{16395, []proxy.Route{tcp}, "", ""},
		{1035, []proxy.Route{udp}, "", ""},
	} {
		got := strings.Join(fewFiles(c.limit, &proxyOptions{routes: c.routes, socks: c.socks}), "\n")
		if !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%d: %q, want %q", c.limit, got, c.want)
		}
	}
}
