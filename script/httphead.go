package script

import (
	"bytes"
	"net/http"
	"strings"
	"time"
)

// badHead reports whether the head of a request has to be answered with 400, although net/http has read it. head has the octets from
// the request line to the empty line at least. The reasons are: a request of HTTP/1.1 has not exactly one Host field, or an invalid one
// (RFC 9112 §3.2); a field's name is no token, for instance because white space follows it (RFC 9112 §5.1); a field's value has a CR
// or a NUL in it (RFC 9110 §5.5).
func badHead(req *http.Request, head []byte) bool {
	hosts := 0
	_, rest, _ := bytes.Cut(head, []byte("\n")) // the request line
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		if bytes.ContainsAny(line, "\r\x00") {
			return true
		}
		if line[0] == ' ' || line[0] == '\t' { // the line before is continued
			continue
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		if !isToken(string(name)) {
			return true
		}
		if bytes.EqualFold(name, []byte("Host")) {
			hosts++
		}
	}
	return hosts > 1 || hosts == 0 && req.ProtoAtLeast(1, 1) || strings.ContainsAny(req.Host, " \t/?#@\\\"<>^`{|}")
}

// httpDate returns the value of a response's Date field, "" in a world without a wall clock: a server without a clock must not
// send one (RFC 9110 §6.6.1).
func httpDate(conn *connValue) string {
	epoch := conn.w.World().Epoch
	if epoch.Unix() == 0 {
		return ""
	}
	return epoch.Add(time.Duration(conn.w.Now())).UTC().Format(http.TimeFormat)
}
