package script

import (
	"strings"
	"testing"
	"time"
)

// families has, for each family, the addresses of the two hosts of a lab, and the second as it stands in an endpoint.
var families = map[string][3]string{"IPv4": {"192.168.69.1/24", "192.168.69.100/24", "192.168.69.100"}, "IPv6": {"fdaa::1/64", "fdaa::100/64", "[fdaa::100]"}}

// TestHandlersOfHTTPFail: an error of a handler of http.serve is reported once with its line, the client gets 500, and the server goes on.
func TestHandlersOfHTTPFail(t *testing.T) {
	for family, a := range families {
		s, peer := newSimOn(t, 1, a[0], a[1]), a[2]
		err := s.RunSource("test.star", `
s = peer.http.serve(80, {"/zero": lambda r: 1 // 0, "/type": lambda r: 5, "/status": lambda r: (99, ""), "/crlf": lambda r: (200, "", {"A": "b\r\nC: d"})})
for path in ["/zero", "/zero", "/type", "/status", "/crlf"]:
    print(http.get("http://`+peer+`" + path).status)
print(type(s.error))
`)
		s.Flush()
		if got := s.out.String(); err != nil || got != "500\n500\n500\n500\n500\nstring\n" {
			t.Errorf("%s: %v: printed %q", family, err, got)
		}
		for _, want := range []string{"server http *:80: floored division by zero\n  test.star:2:", "the handler's reply is str, bytes, (status, body)", "a status is an int from 200 to 599, got 99", "headers are strings without control characters"} {
			if got := s.err.String(); strings.Count(got, want) != 1 {
				t.Errorf("%s: standard error lacks %q, or has it twice: %s", family, want, got)
			}
		}
	}
}

// TestServersSayWhoCame: with log=True a server prints a line for each connection, datagram and request.
func TestServersSayWhoCame(t *testing.T) {
	for family, a := range families {
		s, peer := newSimOn(t, 1, a[0], a[1]), a[2]
		err := s.RunSource("test.star", `
at = "`+peer+`"
for port, handler in [(1001, echo), (1002, lambda c: c.recv())]:
    peer.serve("tcp", port, handler, log=True, nodelay=True)
    tcp.connect("%s:%d" % (at, port), local=port).send("x")
for port, handler in [(1003, discard), (1004, lambda data, src: None)]:
    peer.serve("udp", port, handler, log=True)
    udp.bind(port).send("xyz", "%s:%d" % (at, port))
peer.http.serve(1005, {"/": "hello"}, log=True)
http.get("http://%s:1005/x?y" % at)
c = tcp.connect("%s:1005" % at)
c.send("HEAD / HTTP/1.0\r\n\r\n")
peer.serve("tcp", 1006, echo, log=False)
peer.serve("tcp", 1007, echo, log=100)
tcp.connect("%s:1006" % at)
sleep(1)
`)
		s.Flush()
		got := s.out.String()
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		for i, want := range []string{"tcp *:1001: .*:1001 connected", "tcp *:1002: .*:1002 connected", "udp *:1003: .*:1003 sent 3 octets", "udp *:1004: .*:1004 sent 3 octets", "http *:1005: .* GET /x?y 404 14 octets", "http *:1005: .* HEAD / 200 0 octets"} {
			from, to, _ := strings.Cut(want, ".*")
			if i >= len(lines) || !strings.Contains(lines[i], from) || !strings.HasSuffix(lines[i], to) {
				t.Errorf("%s: line %d is not %q", family, i, want)
			}
		}
		if err != nil || len(lines) != 6 || t.Failed() {
			t.Errorf("%s: %v: printed %s%s", family, err, got, s.err.String())
		}
	}
}

// TestBodiesAreBounded: a web server holds a bounded number of octets of the bodies of requests that are not there yet.
func TestBodiesAreBounded(t *testing.T) {
	want(t, `
peer.http.serve(80, {"/": lambda r: "got %d" % len(r.body)})
conns = [tcp.connect("192.168.69.100:80") for _ in range(6)]
for c in conns:
    c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n")
def fill(c):
    return catch(c.send, "x" * 15999999)
for t in [spawn(fill, c) for c in conns]:
    t.join()
sleep("1s")
print(len([1 for c in conns if str(catch(c.recv, timeout=0).error).endswith("timed out")]))
sleep("30s")
c = tcp.connect("192.168.69.100:80")
c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
print(str(c.recv())[9:12])
`, "4\n200\n")
}

// Where there is a wall clock, responses have a Date (RFC 9110 §6.6.1), also those that refuse a request. A handler may give its own.
func TestDateOfResponses(t *testing.T) {
	s := newSim(t, 1)
	s.home.World().Epoch = time.Date(2024, 2, 29, 23, 59, 59, 0, time.FixedZone("", 3600))
	if err := s.RunSource("test.star", `
peer.http.serve(80, {"/": "x", "/own": lambda r: (200, "", {"date": "mine"}), "/none": lambda r: None})
for path in ["/", "/own", "/none", "/nowhere"]:
    print(str(http.get("http://192.168.69.100" + path).headers.get("Date")))
c = tcp.connect("192.168.69.100:80")
c.send("HELLO\r\n\r\n")
print(str(c.recv_until("\r\n\r\n")).count("\r\nDate: Thu, 29 Feb 2024 "))
`); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	date := "Thu, 29 Feb 2024 22:59:59 GMT\n"
	if got := s.out.String(); got != date+"mine\n"+date+date+"1\n" {
		t.Errorf("printed %q", got)
	}
}
