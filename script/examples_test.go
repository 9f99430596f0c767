package script

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"smolsh/script/testcase"
)

// TestExampleScripts runs the example scripts that end by themselves in a virtual lab, those with an address as argument in both
// families. Closing the session demands that all of the lab's hosts come to rest (see newSim).
func TestExampleScripts(t *testing.T) {
	for _, c := range []struct {
		file string
		args []string
	}{
		{"ping.star", []string{"192.168.69.100"}},
		{"ping.star", []string{"fdaa::100"}},
		{"httpclient.star", []string{"192.168.69.100", "http://peer:8000/"}},
		{"httpclient.star", []string{"192.168.69.100", "http://192.168.69.100:8000/"}},
		{"httpclient.star", []string{"fdaa::100", "http://[fdaa::100]:8000/"}},
		{"loopback.star", nil},
		{"topology.star", nil},
		{"slaac.star", nil},
		{"multicast.star", nil},
		{"arpspoofer.star", nil},
		{"dnsfake.star", nil},
		{"resolve.star", nil},
		{"resolve.star", []string{"peer"}},
		{"dhcpfake.star", nil},
		{"lyingport.star", nil},
		{"synscan.star", nil},
		{"idlescan.star", nil},
		{"mtusearch.star", nil},
		{"fingerprint.star", nil},
		{"overlay.star", nil},
		{"ownprotocol.star", nil},
	} {
		t.Run(strings.Join(append([]string{c.file}, c.args...), " "), func(t *testing.T) {
			local, peer := "192.168.69.1/24", "192.168.69.100/24"
			if len(c.args) > 0 && strings.Contains(c.args[0], "::") {
				local, peer = "fdaa::1/64", "fdaa::100/64"
			}
			s := newSimOn(t, 1, local, peer, c.args...)
			if got := status(s.RunFile("../examples/" + c.file)); got != 0 || s.out.String() == "" {
				t.Errorf("exit status %d: %s\n%s", got, s.err.String(), s.out.String())
			}
		})
	}
}

// oneFamily has the reason for each example and each test of examples/scenarios that is about one family alone. The others of
// examples/scenarios run in both, and the other examples take an address of either, or try both.
var oneFamily = map[string]string{
	"arpspoofer.star":        "IPv6 has no ARP",
	"benchmark.star":         "its subject is the segments of a connection; `smolsh bench` compares the families",
	"dhcpfake.star":          "DHCP is IPv4's (RFC 2131)",
	"server_under_test.star": "its subject is a server under test, which listens on one address",
	"idlescan.star":          "IPv6 has no identification in its header",
	"slaac.star":             "IPv4 has no autoconfiguration",
	"test_arp_conflict":      "IPv6 has no ARP, and a host with an address of IPv6 does not defend it (RFC 4862 §5.4)",
}

// TestExamplesInBothFamilies: every test of examples/scenarios has cases of IPv4 and of IPv6, or a reason in oneFamily. So has each
// example that contains addresses of one family only.
func TestExamplesInBothFamilies(t *testing.T) {
	reasons := map[string]bool{}
	judge := func(name string, v4, v6 bool) {
		if oneFamily[name] != "" {
			reasons[name] = true
		}
		if both := v4 && v6; both == (oneFamily[name] != "") {
			t.Errorf("%s: IPv4 %v, IPv6 %v, and the reason is %q", name, v4, v6, oneFamily[name])
		}
	}
	files, err := filepath.Glob("../examples/scenarios/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		s := newSim(t, 1)
		f, err := s.prepare(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range f.globals {
			if !strings.HasPrefix(name, "test_") {
				continue
			}
			cases, err := testcase.Expand(name, v)
			if err != nil {
				t.Fatal(err)
			}
			v4, v6 := false, false
			for _, c := range cases {
				v4 = v4 || strings.Contains(c.Name, "IPv4") || strings.Contains(c.Name, "10.0.0.")
				v6 = v6 || strings.Contains(c.Name, "IPv6") || strings.Contains(c.Name, "fd00::")
			}
			judge(name, v4, v6)
		}
	}
	examples, err := filepath.Glob("../examples/*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range examples {
		s := newSim(t, 1)
		text, err := s.main.source(path)
		if err != nil {
			t.Fatal(err)
		}
		v4 := strings.Contains(text, "10.0.0.") || strings.Contains(text, "192.168.") || strings.Contains(text, "127.0.0.1")
		v6 := regexp.MustCompile(`[0-9a-f]::|::1`).MatchString(text)
		if v4 || v6 {
			judge(filepath.Base(path), v4, v6)
		}
	}
	for name := range oneFamily {
		if !reasons[name] {
			t.Errorf("oneFamily has %s, which is no example", name)
		}
	}
}
