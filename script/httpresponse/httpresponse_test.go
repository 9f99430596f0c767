package httpresponse

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// endless repeats a text and counts the octets read from it.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text[(e.read+n)%len(e.text):])
	}
	e.read += n
	return n, nil
}

func get(t *testing.T) *http.Request {
	req, err := http.NewRequest("GET", "http://192.0.2.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Read reads the final response and its body after interim responses, also if they arrive in small pieces.
func TestRead(t *testing.T) {
	long := strings.Repeat("body ", most.head/2)
	for _, c := range []struct {
		in     string
		status int
		body   string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi, and more", 200, "hi"},
		{"HTTP/1.1 404 Not Found\r\n\r\nuntil the end", 404, "until the end"},
		{"HTTP/1.1 200 OK\r\n\r\n" + long, 200, long},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 200, "abcd"},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, ""},
	} {
		for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			res, body, err := Read(in, get(t))
			if err != nil || res.StatusCode != c.status || string(body) != c.body {
				t.Errorf("%.100q: %v, %.100q, %v", c.in, res, body, err)
			}
		}
	}
}

// A response that does not end is refused at the bound, and little more than that is read of it.
func TestBounds(t *testing.T) {
	small := limits{body: 100, head: 1000, fields: 10, waits: 3}
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ head, again, want string }{
		{"HTTP/1.1 200 ", "O", "status line and headers of more than 1000 octets: too big"},
		{ok + "X: ", "x", "status line and headers of more than 1000 octets: too big"},
		{ok, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", "status line and headers of more than 1000 octets: too big"},
		{ok + strings.Repeat("X: y\r\n", 11) + "\r\n", "z", "11 headers, and there may be 10"},
		{"", "HTTP/1.1 100 Continue\r\n\r\n", "more than 3 answers that only say to wait"},
		{ok + "\r\n", "x", "a body of more than 100 octets: too big"},
		{ok + "Content-Length: 1000000000000\r\n\r\n", "x", "a body of more than 100 octets: too big"},
	} {
		rest := &endless{text: c.again}
		_, _, err := small.read(io.MultiReader(strings.NewReader(c.head), rest), get(t))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.head, err, c.want)
		}
		if rest.read > 8192 {
			t.Errorf("%q: %d octets were read", c.head, rest.read)
		}
	}
}

// FuzzRead: for any octets from a server, Read returns and exceeds none of its bounds.
func FuzzRead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		small := limits{body: 100, head: 1000, fields: 10, waits: 3}
		res, body, err := small.read(strings.NewReader(string(b)), get(t))
		if err == nil && (res.StatusCode < 200 || len(body) > 100) {
			t.Errorf("status %d, a body of %d octets", res.StatusCode, len(body))
		}
	})
}
