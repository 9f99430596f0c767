package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// bothFamilies are the files of ../testdata/script whose chunks also run over IPv6. A chunk with a line that begins with "# IPv4 only:"
// and a reason runs over IPv4 alone.
var bothFamilies = []string{"sockets.star", "http.star", "multicast.star", "labs.star", "faults.star", "switches.star", "ecn.star", "filters.star",
	"captures.star", "webserver.star", "measure.star", "names.star", "limits.star", "tcplog.star", "send.star", "replay.star", "code.star"}

// replaced are the addresses of IPv4 in scripts, and those of IPv6 that take their places. So ":" in "10.0.0.1" tells a script the family.
var replaced = []struct{ pattern, with string }{
	{`10\.0\.0\.0/8`, "fd0a::/16"},
	{`http://192\.168\.69\.(\d+)`, "http://[fdaa::$1]"},
	{`192\.168\.69\.(\d+)(/24)`, "fdaa::$1/64"},
	{`10\.(\d+)\.(\d+)\.(\d+)(/24)`, "fd0a:1$1:1$2::$3/64"},
	{`192\.168\.69\.(\d+):`, "[fdaa::$1]:"},
	{`10\.(\d+)\.(\d+)\.(\d+):`, "[fd0a:1$1:1$2::$3]:"},
	{`192\.168\.69\.(\d+)`, "fdaa::$1"},
	{`10\.(\d+)\.(\d+)\.(\d+)`, "fd0a:1$1:1$2::$3"},
	{`0\.0\.0\.0/0`, "::/0"},
	{`match="icmp"`, `match="icmp6 and ip6[40] > 127 and ip6[40] < 130"`},
	{`filter="ip"`, `filter="ip6 and udp"`},
	{`p\.icmp\.type == 0`, "p.icmp6.type == 129"},
	{`p\.icmp\b`, "p.icmp6"},
	{`p\.ip\.`, "p.ip6."},
	{`IpExtInCEPkts`, "Ip6InCEPkts"},
	{`ARP requests`, "neighbour solicitations"},
	{`239\.1\.2\.(\d+):`, "[ff05::1:2:$1]:"},
	{`239\.1\.2\.(\d+)`, "ff05::1:2:$1"},
}

// overIPv6 returns a script with the addresses replaced.
func overIPv6(text string) string {
	for _, r := range replaced {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// TestBothFamilies runs scripts that name addresses of IPv4 over IPv6, with the addresses replaced. They have the same results.
func TestBothFamilies(t *testing.T) {
	reason := regexp.MustCompile(`(?m)^# IPv4 only: .+$`)
	for _, name := range bothFamilies {
		src, err := os.ReadFile(filepath.Join("../testdata/script", name))
		if err != nil {
			t.Fatal(err)
		}
		ran := 0
		for n, chunk := range strings.Split(string(src), "\n---\n") {
			if reason.MatchString(chunk) {
				continue
			}
			ran++
			t.Run(name+":"+strconv.Itoa(n), func(t *testing.T) {
				runChunk(t, newSimOn(t, 1, "fdaa::1/64", "fdaa::100/64"), "../testdata/script/"+name, overIPv6(chunk))
			})
		}
		if ran == 0 {
			t.Errorf("no chunk of %s runs over IPv6", name)
		}
	}
}
