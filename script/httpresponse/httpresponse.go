// Package httpresponse reads responses of HTTP/1.1 (RFC 9112) with a bound on everything that a server can send. net/http
// parses; the package bounds what net/http's ReadResponse does not.
package httpresponse

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
)

// A limits bounds a response.
type limits struct {
	body   int64 // octets of the body
	head   int   // octets of status lines and headers, those of interim responses included
	fields int   // number of header fields
	waits  int   // number of interim responses
}

// most are the limits of Read.
var most = limits{body: 256 << 20, head: 64 << 10, fields: 256, waits: 16}

// Read reads the final response to a request, after any interim responses (RFC 9110 §15.2), and its body. It accepts 64
// KiB of status lines and headers, 256 header fields, 16 interim responses and a body of 256 MiB. Only Read reads from
// in, and it reads few octets beyond the response.
func Read(in io.Reader, req *http.Request) (res *http.Response, body []byte, err error) {
	return most.read(in, req)
}

func (l *limits) read(in io.Reader, req *http.Request) (res *http.Response, body []byte, err error) {
	head := &headReader{in: in, left: l.head, tooLong: fmt.Errorf("status line and headers of more than %d octets: too big", l.head)}
	r := bufio.NewReader(head)
	for waits := 0; res == nil || res.StatusCode < 200; waits++ {
		if waits > l.waits {
			return nil, nil, fmt.Errorf("more than %d answers that only say to wait", l.waits)
		}
		res, err = http.ReadResponse(r, req)
		switch {
		case err != nil && head.left == 0: // also if the cut caused another error
			return nil, nil, head.tooLong
		case err != nil:
			return nil, nil, err
		}
		fields := 0
		for _, v := range res.Header {
			fields += len(v)
		}
		if fields > l.fields {
			return nil, nil, fmt.Errorf("%d headers, and there may be %d", fields, l.fields)
		}
	}
	head.over = true
	if body, err = io.ReadAll(io.LimitReader(res.Body, l.body+1)); err == nil && int64(len(body)) > l.body {
		err = fmt.Errorf("a body of more than %d octets: too big", l.body)
	}
	return res, body, err
}

// A headReader reads at most left octets until over is set, which is at the end of the headers.
type headReader struct {
	in      io.Reader
	left    int
	over    bool
	tooLong error
}

// Read implements io.Reader.
func (r *headReader) Read(p []byte) (int, error) {
	if r.over {
		return r.in.Read(p)
	}
	if r.left == 0 {
		return 0, r.tooLong
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}
