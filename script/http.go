package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/httpresponse"
	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

func httpBuiltins() []*builtin {
	return []*builtin{{
		Name: "http.get", Sig: "url, headers={}, timeout=", Kinds: "str dict duration", Result: "response", Fields: "status headers body",
		Doc:     "Fetch a URL. Status and headers: up to 64 KiB; body: up to 256 MiB.",
		Example: `http.get("http://192.168.69.100:8000/").status`, Fn: httpGet,
	}}
}

// httpGet writes the request and reads the response in the calling task. Of net/http it uses the codec only.
func httpGet(c *call) (starlark.Value, error) {
	raw := zoned(arg[string](c, "url"))
	u, err := url.Parse(raw)
	if hint := missingBrackets(raw); err != nil || u.Scheme != "http" || u.Host == "" || hint != "" {
		return nil, c.errorf(`argument 1 (url) is a URL such as "http://192.168.69.100:8000/", got %q%s`, raw, hint)
	}
	at := u.Host
	if u.Port() == "" {
		at = strings.TrimSuffix(at, ":") + ":80"
	}
	x, err := registry.KindEndpoint.For(starlark.String(at), c)
	var unresolved *registry.LookupError
	switch {
	case errors.As(err, &unresolved):
		return nil, c.errorf("%w", unresolved)
	case err != nil:
		return nil, c.errorf("the host of %s is neither an address nor a host of this lab: %v", raw, err)
	}
	to, _ := registry.PairEnds(nil, x.([]netip.AddrPort))
	req, err := http.NewRequest("GET", raw, nil)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	req.Close = true
	req.Header.Set("User-Agent", "smolsh")
	for _, kv := range arg[*starlark.Dict](c, "headers").Items() {
		k, ok1 := starlark.AsString(kv[0])
		v, ok2 := starlark.AsString(kv[1])
		if !ok1 || !ok2 {
			return nil, c.errorf("headers are strings, got %v", kv)
		}
		if req.Header.Set(k, v); strings.EqualFold(k, "host") {
			req.Host = v
		}
	}
	return c.fetch(req, to)
}

// missingBrackets is the remark that the host of a URL is an IPv6 address without brackets (RFC 3986 §3.2.2), "" if it is not. What
// follows the last colon may be a port or the end of the address.
func missingBrackets(raw string) string {
	host, path, _ := strings.Cut(strings.TrimPrefix(raw, "http://"), "/")
	var urls []string
	if isIPv6(host) {
		urls = append(urls, fmt.Sprintf("\"http://[%s]/%s\"", host, path))
	}
	if i := strings.LastIndexByte(host, ':'); i > 0 && isIPv6(host[:i]) {
		urls = append(urls, fmt.Sprintf("\"http://[%s]%s/%s\"", host[:i], host[i:], path))
	}
	if len(urls) == 0 {
		return ""
	}
	return ": an address of IPv6 is in brackets: " + strings.Join(urls, " or ")
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// inBrackets matches the zone of the address in a URL: the "%" before it, and what the URL may have escaped it with.
var inBrackets = regexp.MustCompile(`^(http://\[[0-9a-fA-F:.]+%)(25)?([^\]]*\])`)

// zoned returns a URL in which the "%" before a zone is escaped, as in http://[fe80::1%25eth0]/ (RFC 6874 §2). People write the zone as
// everywhere else.
func zoned(raw string) string { return inBrackets.ReplaceAllString(raw, "${1}25${3}") }

// fetch sends the request to the first of the ends that answers, and returns the response.
func (c *call) fetch(req *http.Request, to []registry.Ends) (starlark.Value, error) {
	h := c.on()
	start, limit := h.w.Now(), timeoutOf(c)
	left := func() time.Duration {
		if limit < 0 {
			return task.Forever
		}
		return max(0, limit-h.w.Now().Sub(start))
	}
	conn, err := h.connect(c.t, to, tcp.Default(), left())
	if err != nil {
		return nil, err
	}
	defer h.do(func(now clock.Instant) { conn.close(now) })
	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		return nil, c.errorf("%v", err)
	}
	if err := conn.send(c.t, out.Bytes(), left()); err != nil {
		return nil, err
	}
	res, body, err := httpresponse.Read(&connReader{conn, c.t, left}, req)
	var op *opError
	switch {
	case c.t.Err() != nil:
		return nil, c.t.Err()
	case errors.As(err, &op):
		return nil, op
	case err != nil:
		return nil, failed(c.t, c.b.Name, req.URL, fmt.Errorf("no proper response: %w", err))
	}
	headers := starlark.NewDict(len(res.Header))
	for k, v := range res.Header {
		headers.SetKey(starlark.String(k), starlark.String(strings.Join(v, ", ")))
	}
	return starlarkstruct.FromStringDict(starlark.String("response"), starlark.StringDict{
		"status": num(res.StatusCode), "headers": sorted(headers), "body": starlark.Bytes(body),
	}), nil
}

// sorted returns the dict in the order of its keys, so that a script's output does not depend on the random order of a
// map.
func sorted(d *starlark.Dict) *starlark.Dict {
	keys := make([]string, 0, d.Len())
	for _, k := range d.Keys() {
		keys = append(keys, string(k.(starlark.String)))
	}
	out := starlark.NewDict(len(keys))
	slices.Sort(keys)
	for _, k := range keys {
		v, _, _ := d.Get(starlark.String(k))
		out.SetKey(starlark.String(k), v)
	}
	return out
}

// connReader is an io.Reader that reads from a connection in the calling task.
type connReader struct {
	v    *connValue
	t    *taskValue
	left func() time.Duration
}

func (r *connReader) Read(p []byte) (int, error) {
	b, err := r.v.recv(r.t, len(p), r.left())
	if err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, io.EOF
	}
	return copy(p, b), nil
}
