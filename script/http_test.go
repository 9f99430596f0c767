package script

import (
	"strings"
	"testing"
)

// TestHTTPHeadIsBounded: http.get reads a bounded number of octets, whatever a server sends: an endless status line or
// header, any number of headers, or an endless series of interim responses. The connection reads at most a little more
// than the bound.
func TestHTTPHeadIsBounded(t *testing.T) {
	for _, c := range []struct{ name, head, again, want string }{
		{"status", "HTTP/1.1 200 ", "O", "status line and headers of more than 65536 octets: too big"},
		{"header", "HTTP/1.1 200 OK\\r\\nX: ", "x", "status line and headers of more than 65536 octets: too big"},
		{"headers", "HTTP/1.1 200 OK\\r\\n", "X: y\\r\\n", "status line and headers of more than 65536 octets: too big"},
		{"waits", "", "HTTP/1.1 100 Continue\\r\\n\\r\\n", "more than 16 answers that only say to wait"},
	} {
		s := newSim(t, 1)
		err := s.RunSource("test.star", `
sent = [0]
def answer(c):
    c.recv_until("\r\n\r\n")
    c.send("`+strings.ReplaceAll(c.head, `\\`, `\`)+`")
    part = "`+strings.ReplaceAll(c.again, `\\`, `\`)+`" * 1000
    while sent[0] < 100000000 and not catch(c.send, part).error:
        sent[0] += len(part)
peer.serve("tcp", 80, answer)
print(catch(http.get, "http://192.168.69.100/").error)
sleep("1s")
print(sent[0] < 5000000)
`)
		s.Flush()
		want := "http.get http://192.168.69.100/: no proper response: " + c.want + "\nTrue\n"
		if got := s.out.String(); err != nil || got != want {
			t.Errorf("%s: %v: printed %q, want %q", c.name, err, got, want)
		}
	}
	want(t, `
def answer(c):
    c.recv_until("\r\n\r\n")
    c.send("HTTP/1.1 200 OK\r\n" + "".join(["X%d: y\r\n" % i for i in range(300)]) + "\r\n")
peer.serve("tcp", 80, answer)
print(catch(http.get, "http://192.168.69.100/").error)
def answer(c):
    c.recv_until("\r\n\r\n")
    c.send("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n" + "".join(["X%d: y\r\n" % i for i in range(250)]) + "\r\n")
    c.send("x" * 1000000)
peer.serve("tcp", 81, answer)
r = http.get("http://192.168.69.100:81/")
print(len(r.headers), len(r.body))
`, "http.get http://192.168.69.100/: no proper response: 300 headers, and there may be 256\n250 1000000\n")
}
