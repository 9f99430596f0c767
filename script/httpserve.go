package script

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/stack/clock"
)

// Bounds of a web server on everything that a client can send.
const (
	maxRequestHead   = 64 << 10 // octets of the request line and the headers
	maxRequestFields = 256      // header fields
	maxRequestBody   = 16 << 20 // octets of the body of one request
	maxRequestBodies = 64 << 20 // octets of the bodies of all requests that are being handled
	maxRequests      = 1000     // requests on one connection
	// requestTime is the time within which a client has to send a request, and to receive each part of the response.
	requestTime = 30 * time.Second
	// lingerTime and lingerOctets bound how long a connection that was refused is read, so that the client gets the reason.
	lingerTime   = time.Second
	lingerOctets = 256 << 10
)

// webServer answers the requests of one http.serve.
type webServer struct {
	v      *server
	routes *starlark.Dict    // by path; nil if all or folder answers
	all    starlark.Callable // answers every path
	folder string            // folder whose files are served
	log    bool
	held   int // octets of the bodies of the requests that are being handled
}

// routesArg is the help on the argument routes.
const routesArg = `routes: a dict from path to str, bytes or f(request), a function for all paths, or a folder's path. request has method, ` +
	`path, query, headers, body and peer. f returns a str or bytes, (status, body), (status, body, headers), a struct with these names, or None for 204`

func httpServeBuiltins() []*builtin {
	return []*builtin{{
		Name: "http.serve", Sig: "port, routes, addr=None, backlog=128, v6only=False, **options", Kinds: "port any ip int:1..65536 bool", Result: "server",
		Args: routesArg, See: "http.get, serve, server.stop",
		Doc:     "Serve HTTP/1.1 from a dict of paths; log=True prints a line for each request.",
		Example: `http.serve(80, {"/": "hello\n", "/sum": lambda r: (200, str(len(r.body)))}); http.get("http://192.168.69.1/").body`, Fn: httpServe,
	}}
}

func httpServe(c *call) (starlark.Value, error) {
	h := c.on()
	v := &server{s: c.s, h: h, proto: "tcp", name: "http", tasks: map[*taskValue]struct{}{}}
	w := &webServer{v: v, log: c.takeLog()}
	switch r := arg[starlark.Value](c, "routes").(type) {
	case *starlark.Dict:
		for _, kv := range r.Items() {
			if err := checkRoute(kv[0], kv[1]); err != nil {
				return nil, c.errorf("argument 2 (routes): %w", err)
			}
		}
		w.routes = r
	case starlark.Callable:
		w.all = r
	case starlark.String:
		w.folder = string(r)
		if c.s.cfg.NoFiles {
			return nil, c.errorf("%s: %s", w.folder, errNoFiles)
		}
		if _, err := c.t.folderFile(w.folder, "/"); err != nil && !errors.Is(err, errNoSuchFile) {
			return nil, c.errorf("argument 2 (routes): %w", err)
		}
	default:
		return nil, c.errorf("argument 2 (routes) is a dict, a function or a folder's path, got %s %v", r.Type(), r)
	}
	if err := c.startTCP(v, w.serve); err != nil {
		return nil, err
	}
	return v, nil
}

// checkRoute returns an error for an entry of routes that cannot be served.
func checkRoute(key, x starlark.Value) error {
	p, ok := starlark.AsString(key)
	if !ok || !strings.HasPrefix(p, "/") {
		return fmt.Errorf(`a path is a string such as "/index.html", got %v`, key)
	}
	_, fixed := registry.Octets(x)
	if _, fn := x.(starlark.Callable); !fixed && !fn {
		return fmt.Errorf("%s is str, bytes or a function, got %s %v", p, x.Type(), x)
	}
	return nil
}

// headReader reads from a connection at most left octets.
type headReader struct {
	in   io.Reader
	left int
	some bool    // true once an octet of the request has been read
	head *[]byte // receives a copy of everything read; nil for none
}

// errLong is the error of a headReader that has read all it may.
var errLong = errors.New("too long")

// Read implements io.Reader.
func (r *headReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errLong
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.some = r.some || n > 0
	if r.head != nil {
		*r.head = append(*r.head, p[:n]...)
	}
	return n, err
}

// httpConn is a connection of a web server, and the task that handles it.
type httpConn struct {
	w    *webServer
	t    *taskValue
	conn *connValue
	end  clock.Instant // until then the request has to be there
	in   *headReader
	r    *bufio.Reader
}

// serve answers the requests of one connection, one after the other. It returns an error only if the task has to end.
func (w *webServer) serve(t *taskValue, conn *connValue) error {
	c := &httpConn{w: w, t: t, conn: conn}
	c.in = &headReader{in: &connReader{conn, t, c.left}}
	c.r = bufio.NewReader(c.in)
	for n := 1; ; n++ {
		if again := c.request(n < maxRequests); !again || t.Err() != nil {
			return t.Err()
		}
	}
}

// left returns the time that the client has to send the rest of its request.
func (c *httpConn) left() time.Duration { return max(0, c.end.Sub(c.conn.w.Now())) }

// request answers one request, and reports whether another may follow.
func (c *httpConn) request(more bool) (again bool) {
	c.end = c.conn.w.Now().Add(requestTime)
	c.in.left, c.in.some = maxRequestHead, c.r.Buffered() > 0
	early, _ := c.r.Peek(c.r.Buffered())
	head := bytes.Clone(early) // net/http does not keep all of it
	c.in.head = &head
	req, err := http.ReadRequest(c.r)
	c.in.head = nil
	if err != nil {
		c.unreadable(err)
		return false
	}
	fields := 0
	for _, v := range req.Header {
		fields += len(v)
	}
	switch {
	case fields > maxRequestFields:
		c.refuse(req, http.StatusRequestHeaderFieldsTooLarge)
		return false
	case req.ProtoMajor != 1:
		c.refuse(req, http.StatusHTTPVersionNotSupported)
		return false
	case badHead(req, head):
		c.refuse(req, http.StatusBadRequest)
		return false
	}
	body, status := c.body(req)
	defer func() { c.w.held -= len(body) }()
	if status != 0 {
		c.refuse(req, status)
		return false
	}
	if c.t.Err() != nil || body == nil {
		return false
	}
	a := c.w.answer(c.t, c.conn, req, body)
	if c.t.Err() != nil {
		return false
	}
	a.last = req.Close || !req.ProtoAtLeast(1, 1) || !more
	return c.send(req, a) && !a.last
}

// unreadable ends a connection whose request could not be read: its response names the fault of the request, if there was one.
func (c *httpConn) unreadable(err error) {
	var op *opError
	switch {
	case errors.As(err, &op) || errors.Is(err, io.EOF) || c.t.Err() != nil:
	case c.in.left == 0:
		c.refuse(nil, http.StatusRequestHeaderFieldsTooLarge)
	case errors.Is(err, io.ErrUnexpectedEOF):
	case c.in.some:
		c.refuse(nil, http.StatusBadRequest)
	}
}

// body reads the request's body. status is not 0 if the server refuses the body; nil means that the client has gone. The octets of
// the body count in the server's held.
func (c *httpConn) body(req *http.Request) (body []byte, status int) {
	if req.ContentLength > maxRequestBody {
		return nil, http.StatusRequestEntityTooLarge
	}
	if strings.EqualFold(req.Header.Get("Expect"), "100-continue") && req.ContentLength != 0 {
		if c.conn.send(c.t, []byte("HTTP/1.1 100 Continue\r\n\r\n"), c.left()) != nil {
			return nil, 0
		}
	}
	c.in.left = maxRequestBody + maxRequestHead
	body = []byte{}
	part := make([]byte, 32<<10)
	for {
		n, err := req.Body.Read(part)
		body = append(body, part[:n]...)
		c.w.held += n
		var op *opError
		switch {
		case len(body) > maxRequestBody || errors.Is(err, errLong):
			status = http.StatusRequestEntityTooLarge
		case c.w.held > maxRequestBodies:
			status = http.StatusServiceUnavailable
		case err == io.EOF:
			return body, 0
		case errors.As(err, &op) || c.t.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF):
			c.w.held -= len(body)
			return nil, 0
		case err != nil:
			status = http.StatusBadRequest
		}
		if status != 0 {
			return body, status
		}
	}
}

// refuse answers a request that is not handled, and closes the connection so that the client can still read the answer.
func (c *httpConn) refuse(req *http.Request, status int) {
	a := plainAnswer(status)
	a.last = true
	if !c.send(req, a) {
		return
	}
	c.conn.h.do(func(now clock.Instant) { _ = c.conn.c.CloseWrite(now) })
	for n := 0; n < lingerOctets; {
		b, err := c.conn.recv(c.t, 65536, lingerTime)
		if n += len(b); err != nil || len(b) == 0 {
			return
		}
	}
}

// send sends an answer, and reports whether the client has it all. req is nil for a request that could not be read.
func (c *httpConn) send(req *http.Request, a *webAnswer) bool {
	bare := a.bare() || req != nil && req.Method == "HEAD"
	out := a.octets(bare, httpDate(c.conn))
	for len(out) > 0 {
		n := min(len(out), 64<<10)
		if c.conn.send(c.t, out[:n], requestTime) != nil {
			return false
		}
		out = out[n:]
	}
	if c.w.log {
		what := "?"
		if req != nil {
			what = req.Method + " " + shortened(req.RequestURI, 200)
		}
		sent := len(a.body)
		if bare {
			sent = 0
		}
		c.w.v.say(c.conn.w.Now(), fmt.Sprintf("%v %s %d %d octets", c.conn.remote, what, a.status, sent))
	}
	return true
}

// shortened returns at most n octets of a text.
func shortened(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// answer returns the answer to a request. It reports an error of a handler as serve does, and answers 500.
func (w *webServer) answer(t *taskValue, conn *connValue, req *http.Request, body []byte) *webAnswer {
	a, err := w.route(t, conn, req, body)
	if err != nil {
		if t.Err() == nil {
			w.v.complain(err)
		}
		return plainAnswer(http.StatusInternalServerError)
	}
	return a
}

// route returns the answer of the route of the request's path.
func (w *webServer) route(t *taskValue, conn *connValue, req *http.Request, body []byte) (*webAnswer, error) {
	reads := req.Method == "GET" || req.Method == "HEAD"
	x := starlark.Value(w.all)
	switch {
	case w.folder != "" && !reads:
		return wrongMethod("GET, HEAD"), nil
	case w.folder != "":
		b, err := t.folderFile(w.folder, req.URL.Path)
		if errors.Is(err, errNoSuchFile) {
			return plainAnswer(http.StatusNotFound), nil
		}
		return &webAnswer{status: http.StatusOK, body: b, kind: kindOf(req.URL.Path, b)}, err
	case w.routes != nil:
		var found bool
		if x, found, _ = w.routes.Get(starlark.String(req.URL.Path)); !found {
			return plainAnswer(http.StatusNotFound), nil
		}
	}
	if err := checkRoute(starlark.String("/"), x); err != nil {
		return nil, fmt.Errorf("the route %s is str, bytes or a function, got %s", req.URL.Path, x.Type())
	}
	if fn, ok := x.(starlark.Callable); ok {
		reply, err := starlark.Call(t.thread, fn, starlark.Tuple{requestValue(conn, req, body)}, nil)
		if err != nil {
			return nil, err
		}
		return answerOf(reply)
	}
	if !reads {
		return wrongMethod("GET, HEAD"), nil
	}
	return answerOf(x)
}

// requestValue returns a request as handlers get it.
func requestValue(conn *connValue, req *http.Request, body []byte) starlark.Value {
	headers := starlark.NewDict(len(req.Header) + 1)
	for k, v := range req.Header {
		headers.SetKey(starlark.String(k), starlark.String(strings.Join(v, ", ")))
	}
	if req.Host != "" {
		headers.SetKey(starlark.String("Host"), starlark.String(req.Host))
	}
	return starlarkstruct.FromStringDict(starlark.String("request"), starlark.StringDict{
		"method": starlark.String(req.Method), "path": starlark.String(req.URL.Path), "query": starlark.String(req.URL.RawQuery),
		"headers": sorted(headers), "body": starlark.Bytes(body), "peer": registry.Endpoint(conn.remote),
	})
}

// errNoSuchFile is the error for a path that is no file of the folder.
var errNoSuchFile = errors.New("no such file")

// folderFile returns the content of a file of at most 64 MiB below a folder; for a folder that of its index.html. Links that lead out
// of the folder are errors.
func (t *taskValue) folderFile(folder, name string) (b []byte, err error) {
	ended := t.Aside("reading "+folder, func() { b, err = folderFile(folder, name) })
	if ended != nil {
		return nil, ended
	}
	return b, err
}

// kindOf returns the media type of a file, by its name or its content.
func kindOf(name string, b []byte) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	}
	return http.DetectContentType(b)
}
