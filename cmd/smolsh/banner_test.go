//go:build linux && !portable

package main

import (
	"net/netip"
	"strings"
	"testing"

	"smolsh/cmd/smolsh/doctor"
)

func TestFold(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"kernel  192.168.69.100/24  in a namespace", 0, "kernel  192.168.69.100/24  in a namespace\n"},
		{"kernel  192.168.69.100/24  in a namespace", 41, "kernel  192.168.69.100/24  in a namespace\n"},
		{"kernel  192.168.69.100/24  in a namespace", 40, "kernel  192.168.69.100/24  in a\n        namespace\n"},
		{"kernel  192.168.69.100/24  in a namespace", 26, "kernel  192.168.69.100/24\n        in a namespace\n"},
		{"where there is none", 3, "where there is none\n"},
		{"a word-that-is-longer-than-the-line and", 12, "a\n        word-that-is-longer-than-the-line and\n"},
		{"… … …", 3, "… …\n        …\n"},
	} {
		if got := fold(c.line, c.width); got != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

// TestBannerFits checks that the first screen of the virtual lab and of the private lab fits terminals.
func TestBannerFits(t *testing.T) {
	o, err := parseFlags([]string{"--device", "sim"})
	if err != nil {
		t.Fatal(err)
	}
	l, _, _, err := o.openLab()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.kernel = []netip.Prefix{netip.MustParsePrefix("192.168.69.100/24"), netip.MustParsePrefix("fdaa::100/64")}
	l.why = (&doctor.Obstacle{Why: "no network namespace may be made by you", Cure: "run it as root; a container needs CAP_SYS_ADMIN"}).Virtual()
	for _, want := range []string{"time stands still while nothing waits", "!cmd is in this machine's own network"} {
		if !strings.Contains(l.banner(200), want) {
			t.Errorf("the virtual lab's banner does not say %q", want)
		}
	}
	for _, width := range []int{200, 80, 60, 40} {
		for line := range strings.Lines(l.banner(width)) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("%d columns: %d in %q", width, n, line)
			}
		}
	}
	if got := strings.Count(l.banner(80), "\n"); got != 10 {
		t.Errorf("%d lines:\n%s", got, l.banner(80))
	}
}
