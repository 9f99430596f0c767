package script

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

// A webAnswer is a response of a web server.
type webAnswer struct {
	status  int
	body    []byte
	kind    string      // media type; "" to derive it from the body
	headers [][2]string // further header fields, in order
	last    bool        // true if the server closes the connection after it
}

// plainAnswer returns an answer whose body is the text of its status.
func plainAnswer(status int) *webAnswer {
	return &webAnswer{status: status, body: fmt.Appendf(nil, "%d %s\n", status, http.StatusText(status))}
}

// wrongMethod returns the answer to a method that the path does not have (RFC 9110 §15.5.6).
func wrongMethod(allowed string) *webAnswer {
	a := plainAnswer(http.StatusMethodNotAllowed)
	a.headers = [][2]string{{"Allow", allowed}}
	return a
}

// bare reports whether the status allows no body (RFC 9110 §15.3.5, §15.4.5).
func (a *webAnswer) bare() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// has reports whether the handler gave a header field.
func (a *webAnswer) has(name string) bool {
	return slices.ContainsFunc(a.headers, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

// octets returns the answer as it is sent (RFC 9112), with a Date field unless date is empty. With head it has no body, as the answer to
// HEAD (RFC 9110 §9.3.2).
func (a *webAnswer) octets(head bool, date string) []byte {
	var out bytes.Buffer
	text := http.StatusText(a.status)
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", a.status, text)
	if date != "" && !a.has("Date") {
		fmt.Fprintf(&out, "Date: %s\r\n", date)
	}
	if !a.bare() {
		kind := a.kind
		if kind == "" {
			kind = http.DetectContentType(a.body)
		}
		if !a.has("Content-Type") {
			fmt.Fprintf(&out, "Content-Type: %s\r\n", kind)
		}
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(a.body))
	}
	for _, h := range a.headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	if a.last {
		out.WriteString("Connection: close\r\n")
	}
	out.WriteString("\r\n")
	if !head && !a.bare() {
		out.Write(a.body)
	}
	return out.Bytes()
}

// answerOf returns the answer for what a handler returned.
func answerOf(x starlark.Value) (*webAnswer, error) {
	a := &webAnswer{status: http.StatusOK}
	if b, ok := registry.Octets(x); ok {
		a.body = b
		return a, nil
	}
	status, body, headers := starlark.Value(starlark.MakeInt(http.StatusOK)), starlark.Value(starlark.String("")), starlark.Value(starlark.None)
	switch r := x.(type) {
	case starlark.NoneType:
		status = starlark.MakeInt(http.StatusNoContent)
	case starlark.Tuple:
		if len(r) < 2 || len(r) > 3 {
			return nil, fmt.Errorf("the handler's reply is (status, body) or (status, body, headers), got %d values", len(r))
		}
		status, body = r[0], r[1]
		if len(r) == 3 {
			headers = r[2]
		}
	case starlark.HasAttrs:
		if !slices.Contains(r.AttrNames(), "body") && !slices.Contains(r.AttrNames(), "status") {
			return nil, wrongReply(x)
		}
		for name, at := range map[string]*starlark.Value{"status": &status, "body": &body, "headers": &headers} {
			if v, err := r.Attr(name); err == nil && v != nil {
				*at = v
			}
		}
	default:
		return nil, wrongReply(x)
	}
	n, err := registry.Kind("int:200..599").Convert(status)
	if err != nil {
		return nil, fmt.Errorf("a status is an int from 200 to 599, got %v", status)
	}
	a.status = n.(int)
	var ok bool
	if a.body, ok = registry.Octets(body); !ok {
		return nil, fmt.Errorf("a body is str or bytes, got %s", body.Type())
	}
	return a, a.addHeaders(headers)
}

func wrongReply(x starlark.Value) error {
	return fmt.Errorf("the handler's reply is str, bytes, (status, body), a struct of status, body and headers, or None, got %s", x.Type())
}

// framing are the header fields that the server itself writes.
var framing = []string{"Content-Length", "Transfer-Encoding", "Connection"}

// addHeaders adds the header fields of a handler's reply, but for those of the framing.
func (a *webAnswer) addHeaders(x starlark.Value) error {
	if x == starlark.None {
		return nil
	}
	d, ok := x.(*starlark.Dict)
	if !ok {
		return fmt.Errorf("headers are a dict, got %s", x.Type())
	}
	for _, kv := range d.Items() {
		k, ok1 := starlark.AsString(kv[0])
		v, ok2 := starlark.AsString(kv[1])
		if !ok1 || !ok2 || !isToken(k) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("headers are strings without control characters, got %v", kv)
		}
		if !slices.ContainsFunc(framing, func(f string) bool { return strings.EqualFold(f, k) }) {
			a.headers = append(a.headers, [2]string{k, v})
		}
	}
	return nil
}

// isToken reports whether a text is a token, as the names of header fields are (RFC 9110 §5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// folderFile does the work of taskValue.folderFile. It blocks as long as the file system does.
func folderFile(folder, name string) ([]byte, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, pathError(folder, err)
	}
	defer root.Close()
	name = path.Clean("/" + name)[1:]
	if name == "" {
		name = "."
	}
	info, err := root.Stat(name)
	if err == nil && info.IsDir() {
		name = path.Join(name, "index.html")
		info, err = root.Stat(name)
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, errNoSuchFile
	}
	if info.Size() > maxStream {
		return nil, fmt.Errorf("%s: more than %d MiB are not served", name, maxStream>>20)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, errNoSuchFile
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxStream))
}
