package script

import (
	"testing"
	"time"
)

// TestHelpOnDrops: help explains the word of a reason, and a row of drops().
func TestHelpOnDrops(t *testing.T) {
	const about = "nd unsolicited: an advertisement for an address that the host does not resolve\n  A station announces itself to all. Nothing is wrong.\n" +
		"  drops().where(reason=\"nd unsolicited\")\n  see also: help(\"drops\"), help(\"trace\")\n"
	want(t, `help("nd unsolicited")`, about)
	want(t, `
for h in (local, peer):
    h.ifaces()[0].add_addr("fd00::%d/64" % (1 if h == local else 2))
ndping("fd00::2", count=1)
help(drops()["nd unsolicited"])
`, "fd00::2 is-at 02:00:00:00:00:64: seq=0 time=0.200 ms\n1 sent, 1 received, 0% lost   min/avg/max 0.200/0.200/0.200 ms\n"+
		"a row of drops(): .reason .count .last .example\n"+about)
}

// TestShowLifetime: a lifetime is printed in its two largest units.
func TestShowLifetime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 59900 * time.Millisecond: "59.9s", time.Minute: "1m00s", 29*time.Minute + 57*time.Second: "29m57s",
		2*time.Hour + 5*time.Minute: "2h05m", 24 * time.Hour: "1d00h", 30*24*time.Hour - time.Second: "29d23h",
	} {
		if got := showLifetime(lifetime(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := showLifetime(lifetime(-1)); got != "" {
		t.Errorf("for ever: %q", got)
	}
}

// TestPing6AfterResolution: only a ping that had to wait for neighbour discovery says so.
func TestPing6AfterResolution(t *testing.T) {
	want(t, `
for h in (local, peer):
    h.ifaces()[0].add_addr("fd00::%d/64" % (1 if h == local else 2))
sleep("3s")
ping("fd00::2", count=1)
ping("fd00::2", count=1)
ping("fd00::9", count=1)
`, `56 octets from fd00::2: seq=0 ttl=64 time=0.400 ms   (0.200 ms of it waiting for neighbour discovery)
1 sent, 1 received, 0% lost   rtt min/avg/max/mdev 0.400/0.400/0.400/0.000 ms
56 octets from fd00::2: seq=0 ttl=64 time=0.200 ms
1 sent, 1 received, 0% lost   rtt min/avg/max/mdev 0.200/0.200/0.200/0.000 ms
fd00::9: host unreachable (no answer to 3 neighbour solicitations on eth0)
1 sent, 0 received, 100% lost
`)
}
