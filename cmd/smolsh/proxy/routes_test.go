package proxy

import (
	"strings"
	"testing"
)

func TestParseRoute(t *testing.T) {
	for in, want := range map[string]Route{
		"8080=80":                  {"tcp", "127.0.0.1:8080", "127.0.0.1:80"},
		"UDP:8080=80":              {"udp", "127.0.0.1:8080", "127.0.0.1:80"},
		":8080=example.org:80":     {"tcp", "127.0.0.1:8080", "example.org:80"},
		"tcp:*:0=[::1]:80":         {"tcp", "0.0.0.0:0", "[::1]:80"},
		"udp:[::]:53=192.0.2.1:53": {"udp", "[::]:53", "192.0.2.1:53"},
	} {
		if got, err := ParseRoute(in); got != want || err != nil {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"8080":                "is no route such as",
		"x=80":                `the address to listen at "x" has no port (write HOST:PORT, such as 127.0.0.1:80, or PORT on 127.0.0.1)`,
		"80800=80":            `the address to listen at has the port "80800" (write a number from 1 to 65535, or 0 for a free port)`,
		"-1=80":               `the address to listen at has the port "-1" (write`,
		"80=0":                `the target has the port "0" (write a number from 1 to 65535)`,
		"80=a:65536":          `the target has the port "65536"`,
		"80=a:":               `the target has the port "" (write`,
		"80=::1":              `the target "::1" has no port, or an IPv6 address without brackets`,
		"80=127.0.0.1":        `the target "127.0.0.1" has no port (write`,
		"80=81=82":            `the target "81=82" has no port (write`,
		"80=http://h:80":      `the target "http://h:80" is a URL (write HOST:PORT, without http://)`,
		"80=*:80":             `80=*:80: the target "*:80" names no host (127.0.0.1:80 is this machine)`,
		"80=":                 `80=: the target is missing (write`,
		"=":                   `=: the address to listen at is missing (write`,
		"080=80":              `the address to listen at has the port "080", whose zero at the front may mean octal (write 80)`,
		"80=a\x1b[31mb:80":    `"80=a\x1b[31mb:80": the target "a\x1b[31mb:80" contains a character that no address has`,
		"80\n80=80":           `"80\n80=80": the address to listen at "80\n80" contains a character that no address has`,
		"80=a\xff:80":         `"80=a\xff:80": the target "a\xff:80" contains a character`,
		"80=127.0.0.1 80":     `contains a character that no address has`,
		"tcp:udp:80=81":       `the address to listen at "udp:80" begins with a network, which only LISTEN=TARGET may have (write 80)`,
		"8080=80\u202egpj:80": `"8080=80\u202egpj:80": `,
	} {
		if _, err := ParseRoute(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestPublic(t *testing.T) {
	for at, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "127.9.9.9:1": false, "[::1%lo]:1": false, "0.0.0.0:1": true,
		"[::]:1": true, "192.0.2.1:1": true, "[fe80::1%lo]:1": true, "*": true} {
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

// TestClash: two sockets of the proxy itself can't have one address.
func TestClash(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true}, {"127.0.0.1:1", "127.0.0.1:2", false}, {"127.0.0.1:0", "127.0.0.1:0", false},
		{"0.0.0.0:1", "127.0.0.1:1", true}, {"[::1]:1", "[::]:1", true}, {"localhost:1", "127.0.0.1:1", true}, {"127.0.0.2:1", "127.0.0.1:1", false},
		{"[::1%lo]:1", "[::1]:1", true}, {"host:1", "127.0.0.1:1", false},
	} {
		if Clash(c.a, c.b) != c.want {
			t.Errorf("%s, %s: %v", c.a, c.b, !c.want)
		}
	}
}
