package proxy

import (
	"strings"
	"testing"
)

func TestParseRoute(t *testing.T) {
	for in, want := range map[string]Route{
		"8080=80":                  {"tcp", "127.0.0.1:8080", "127.0.0.1:80"},
		":8080=example.org:80":     {"tcp", "127.0.0.1:8080", "example.org:80"},
		"tcp:*:0=[::1]:80":         {"tcp", "0.0.0.0:0", "[::1]:80"},
		"udp:[::]:53=192.0.2.1:53": {"udp", "[::]:53", "192.0.2.1:53"},
	} {
		if got, err := ParseRoute(in); got != want || err != nil {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"8080":       "is no route such as",
		"x=80":       `the address to listen at has the port "x", which is not within 0 to 65535`,
		"80=0":       `the target has the port "0", which is not within 1 to 65535`,
		"80=a:65536": `the target has the port "65536"`,
		"80=::1":     `the target "::1" has no port, or an IPv6 address without brackets`,
		"=":          `the address to listen at has the port ""`,
	} {
		if _, err := ParseRoute(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestPublic(t *testing.T) {
	for at, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "0.0.0.0:1": true, "[::]:1": true, "192.0.2.1:1": true, "host:1": true} {
		if Public(at) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}

// TestRouteToItself: such a route is refused.
func TestRouteToItself(t *testing.T) {
	for _, text := range []string{"80=80", "80=127.0.0.1:80", "udp::80=80"} {
		if r, err := ParseRoute(text); err == nil {
			t.Errorf("%s: %v", text, r)
		}
	}
}
