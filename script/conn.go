package script

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/service"
	"smolsh/script/stream"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// connValue is a TCP connection as scripts see it. Only the owner uses c, the stack's socket. ahead holds octets that
// recv_until has read beyond its delimiter.
type connValue struct {
	s      *Session
	w      *task.World
	h      *hostValue
	c      *stack.TCPConn
	local  netip.AddrPort
	remote netip.AddrPort
	ahead  []byte
	closed bool // true after the script has closed the connection; only the owner uses it

	pumps []*pump // running pumps: at most one that reads and one that writes; only the owner uses it
}

// newConn wraps a connection. If the host is the session's own, Close later closes the connection. Only the owner calls
// newConn.
func (h *hostValue) newConn(c *stack.TCPConn) *connValue {
	s := h.s
	v := &connValue{s: s, w: h.w, h: h, c: c, local: c.Local(), remote: c.Remote()}
	if h != s.local || h.w.Virtual() {
		return v
	}
	if len(s.open) >= s.sweep {
		s.open = slices.DeleteFunc(s.open, (*connValue).ended)
		s.sweep = 64 + 2*len(s.open)
	}
	s.open = append(s.open, v)
	return v
}

// ended reports whether the connection needs no closing any more. Only the owner calls it.
func (v *connValue) ended() bool {
	return v.closed || v.c.State() == tcp.Closed || v.c.State() == tcp.TimeWait
}

func (v *connValue) String() string {
	return fmt.Sprintf("tcp %v > %v %v", v.local, v.remote, v.state())
}
func (v *connValue) Type() string          { return "conn" }
func (v *connValue) Freeze()               {}
func (v *connValue) Truth() starlark.Bool  { return true }
func (v *connValue) Hash() (uint32, error) { return starlark.String(v.remote.String()).Hash() }

func (v *connValue) state() (st tcp.State) {
	v.s.tasks.Do(v.w, func(clock.Instant) { st = v.c.State() })
	return st
}

// Attr returns a field or a method of the connection.
func (v *connValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "state":
		return starlark.String(v.state().String()), nil
	case "local":
		return registry.Endpoint(v.local), nil
	case "peer":
		return registry.Endpoint(v.remote), nil
	}
	return suggest.Attr(v, name, v.s.member("conn", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *connValue) AttrNames() []string {
	return append([]string{"local", "peer", "state"}, v.s.reg.Members["conn"]...)
}

func connBuiltins() []*builtin {
	const dial = `c = tcp.connect("192.168.69.100:7"); `
	return []*builtin{
		{Name: "conn.send", Sig: "data, timeout=", Kinds: "data duration", Result: "int",
			Doc: "Queue all data, waiting for room in the buffer, and return its length.", Example: dial + `c.send("hi")`, Fn: connSend},
		{Name: "conn.recv", Sig: "max=65536, timeout=", Kinds: "int:1.. duration", Result: "bytes",
			Doc: `Return received data as bytes, at least one octet; b"" at the end of the stream. str(data) is its text.`, Example: dial + `c.send("hi"); c.recv()`, Fn: connRecv},
		{Name: "conn.recv_exactly", Sig: "n, timeout=", Kinds: "int:0.. duration", Args: "n: number of octets", Result: "bytes",
			Doc: "Return exactly n octets, as bytes; an earlier end of the stream is an error.", Example: dial + `c.send("hi"); c.recv_exactly(2)`, Fn: connRecvExactly},
		{Name: "conn.recv_until", Sig: "delimiter, timeout=, max=1048576", Kinds: "data duration int:1..", Args: "delimiter: octets, str or bytes; max: largest number of octets of the result, with the delimiter", Result: "bytes",
			Doc: "Return data up to the delimiter, which is included, as bytes; an earlier end of the stream is an error.", Example: dial + `c.send("a\nb"); c.recv_until("\n")`, Fn: connRecvUntil},
		{Name: "conn.sendfile", Sig: "path, timeout=", Kinds: "infile duration", Result: "int",
			Doc: "Send a file and return the number of octets.", Example: dial + `c.sendfile("other.star")`, Fn: connSendfile},
		{Name: "conn.sink", Sig: "path=None, timeout=", Kinds: "outfile duration", Result: "int",
			Doc: "Read until the end of the stream, into a file if one is named, and return the number of octets.", Example: dial + `c.shutdown(); c.sink()`, Fn: connSink},
		{Name: "conn.source", Sig: "n=None, timeout=", Kinds: "int:0.. duration", Args: "n: number of octets", Result: "int",
			Doc: "Send n octets of a printable pattern; without n, until the connection ends.", Example: dial + `c.source(100)`, Fn: connSource},
		{Name: "conn.shutdown",
			Doc: "Half-close: send a FIN after the queued data; receiving continues.", Example: dial + `c.shutdown(); c.recv()`,
			Fn: connDo(func(c *call, v *connValue, now clock.Instant) error { return v.c.CloseWrite(now) })},
		{Name: "conn.close",
			Doc: "Close in an orderly way and return at once; send a RST if received data is unread.", Example: dial + `c.close()`,
			Fn: connDo(func(c *call, v *connValue, now clock.Instant) error { v.close(now); return nil })},
		{Name: "conn.abort",
			Doc: "Reset the connection.", Example: dial + `c.abort()`,
			Fn: connDo(func(c *call, v *connValue, now clock.Instant) error { v.closed = true; v.c.Abort(now); return nil })},
		{Name: "conn.info", Result: "info", Fields: registry.FieldNames(infoWords()),
			Doc: "Return the connection's variables under the RFCs' names.", Example: dial + `c.info().cwnd`, Fn: connInfo},
		{Name: "conn.log", Result: "table", Fields: fieldsOf(logColumns), See: "conn.info, conn.set, on",
			Doc:     "The last log= changes of the sender's variables; n numbers the changes from 0.",
			Example: `c = tcp.connect("192.168.69.100:7", log=1000); c.send("hi"); c.recv(); c.log().cols("time", "snd_una", "snd_nxt", "cwnd")`, Fn: connLog},
		{Name: "conn.set", Sig: "**options",
			Doc: "Change options while the connection lives.", Example: dial + `c.set(nodelay=True)`, Fn: connSet},
	}
}

// close closes the connection. Data that was read ahead and not returned to the script counts as unread (RFC 2525
// §2.17).
func (v *connValue) close(now clock.Instant) {
	if v.closed {
		return
	}
	v.closed = true
	if len(v.ahead) > 0 {
		v.c.Abort(now)
		return
	}
	v.c.Close(now)
}

func connDo(fn func(c *call, v *connValue, now clock.Instant) error) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		v := c.recv.(*connValue)
		var err error
		c.t.Do(v.w, func(now clock.Instant) { err = fn(c, v, now) })
		return starlark.None, v.failed(c.t, err)
	}
}

func (v *connValue) failed(t *taskValue, err error) error { return failed(t, "tcp", v.remote, err) }

// timeoutOf returns the call's timeout, or task.Forever without one.
func timeoutOf(c *call) time.Duration {
	if c.Given("timeout") {
		return arg[time.Duration](c, "timeout")
	}
	return task.Forever
}

func connSend(c *call) (starlark.Value, error) {
	v, data := c.recv.(*connValue), arg[[]byte](c, "data")
	if err := v.send(c.t, data, timeoutOf(c)); err != nil {
		return nil, err
	}
	return num(len(data)), nil
}

func (v *connValue) send(t *taskValue, data []byte, timeout time.Duration) error {
	var fail error
	err := t.Await(v.w, "room to send to "+v.remote.String(), &v.c.Signal, timeout, func(now clock.Instant) bool {
		for len(data) > 0 {
			var n int
			if n, fail = v.c.Write(now, data); fail != nil {
				return true
			}
			if n == 0 {
				return false
			}
			data = data[n:]
		}
		return true
	})
	if err == nil {
		err = fail
	}
	return v.failed(t, err)
}

// recv returns at least one octet, or none at the end of the stream.
func (v *connValue) recv(t *taskValue, most int, timeout time.Duration) ([]byte, error) {
	if len(v.ahead) > 0 {
		n := min(most, len(v.ahead))
		b := v.ahead[:n:n]
		if v.ahead = v.ahead[n:]; len(v.ahead) == 0 {
			v.ahead = nil
		}
		return b, nil
	}
	var buf []byte
	var fail error
	err := t.Await(v.w, "data from "+v.remote.String(), &v.c.Signal, timeout, func(now clock.Instant) bool {
		if want := min(most, max(v.c.Readable(), 1)); len(buf) < want {
			buf = make([]byte, want)
		}
		var n int
		n, fail = v.c.Read(now, buf)
		if n == 0 && fail == nil {
			return false
		}
		buf = buf[:n]
		return true
	})
	switch {
	case err != nil:
		return nil, v.failed(t, err)
	case errors.Is(fail, io.EOF):
		return nil, nil
	case fail != nil:
		return nil, v.failed(t, fail)
	}
	return buf, nil
}

func connRecv(c *call) (starlark.Value, error) {
	b, err := c.recv.(*connValue).recv(c.t, arg[int](c, "max"), timeoutOf(c))
	return starlark.Bytes(b), err
}

// errEarlyEnd returns the error for a stream that ended before the requested data.
func (v *connValue) errEarlyEnd(t *taskValue, got int, want string) error {
	return v.failed(t, fmt.Errorf("the stream ended after %d octets, before %s", got, want))
}

func connRecvExactly(c *call) (starlark.Value, error) {
	v, n := c.recv.(*connValue), arg[int](c, "n")
	var got []byte
	until := v.deadline(c)
	for len(got) < n {
		b, err := v.recv(c.t, n-len(got), until())
		if err != nil || len(b) == 0 {
			v.ahead = append(got, v.ahead...)
		}
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			return nil, v.errEarlyEnd(c.t, len(got), fmt.Sprintf("all of %d", n))
		}
		got = append(got, b...)
	}
	return starlark.Bytes(got), nil
}

// deadline returns a function that returns the remaining part of the call's timeout.
func (v *connValue) deadline(c *call) func() time.Duration {
	d := timeoutOf(c)
	start := v.w.Now()
	return func() time.Duration {
		if d < 0 {
			return task.Forever
		}
		return max(0, d-v.w.Now().Sub(start))
	}
}

func connRecvUntil(c *call) (starlark.Value, error) {
	v, delim, most := c.recv.(*connValue), arg[[]byte](c, "delimiter"), arg[int](c, "max")
	if len(delim) == 0 {
		return nil, c.errorf("the delimiter is empty")
	}
	var got []byte
	until := v.deadline(c)
	for {
		b, err := v.recv(c.t, 65536, until())
		if err != nil {
			v.ahead = append(got, v.ahead...)
			return nil, err
		}
		if len(b) == 0 {
			v.ahead = got
			return nil, v.errEarlyEnd(c.t, len(got), fmt.Sprintf("%q", delim))
		}
		from := max(0, len(got)-len(delim)+1)
		got = append(got, b...)
		end, err := stream.Delimited(got, from, delim, most)
		if err != nil {
			v.ahead = append(got, v.ahead...)
			return nil, v.failed(c.t, err)
		}
		if end > 0 {
			v.ahead = append(got[end:len(got):len(got)], v.ahead...)
			return starlark.Bytes(got[:end]), nil
		}
	}
}

func connSendfile(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	n, err := c.sendFile(v.deadline(c), func(b []byte, timeout time.Duration) error { return v.send(c.t, b, timeout) })
	return starlark.MakeInt64(n), err
}

// sendFile sends the call's file in chunks and returns the number of octets sent.
func (c *call) sendFile(left func() time.Duration, send func(b []byte, timeout time.Duration) error) (total int64, err error) {
	f, err := c.t.open(arg[string](c, "path"))
	if err != nil {
		return 0, c.errorf("%w", err)
	}
	defer f.Close()
	b := make([]byte, fileChunk)
	for {
		n, err := c.t.read(f, b)
		if n > 0 {
			if err := send(b[:n], left()); err != nil {
				return total, err
			}
			total += int64(n)
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, c.errorf("%w", err)
		}
	}
}

func connSink(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	if !c.Given("path") {
		already := int64(len(v.ahead))
		v.ahead = nil
		n, err := v.pump(c.t, &pump{kind: service.Discard}, "the end of the stream from ", timeoutOf(c))
		return starlark.MakeInt64(already + n), err
	}
	left := v.deadline(c)
	n, err := c.sinkFile(func(most int) ([]byte, error) { return v.recv(c.t, most, left()) })
	return starlark.MakeInt64(n), err
}

// sinkFile writes the octets that recv returns to the call's file, until recv returns none. The argument most of recv
// is the number of octets that it may return. sinkFile returns the number of octets written.
func (c *call) sinkFile(recv func(most int) ([]byte, error)) (total int64, err error) {
	f, release, err := c.t.create(arg[string](c, "path"), c.b.Name)
	if err != nil {
		return 0, c.errorf("%w", err)
	}
	defer release()
	defer f.Close()
	for {
		b, err := recv(fileChunk)
		if err != nil {
			return total, err
		}
		if len(b) == 0 {
			return total, f.Close()
		}
		if err := c.t.write(f, b); err != nil {
			return total, c.errorf("%w", err)
		}
		total += int64(len(b))
	}
}

func connSource(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	p := &pump{kind: service.Chargen, limit: -1}
	if c.Given("n") {
		p.limit = int64(arg[int](c, "n"))
	}
	n, err := v.pump(c.t, p, "room to send to ", timeoutOf(c))
	return starlark.MakeInt64(n), err
}

// pump runs p on the connection until p is done.
func (v *connValue) pump(t *taskValue, p *pump, what string, timeout time.Duration) (int64, error) {
	p.conn = v.c
	p.prime()
	started := false
	err := t.Await(v.w, what+v.remote.String(), &p.done, timeout, func(now clock.Instant) bool {
		if !started {
			started = true
			v.pumps = append(slices.Clone(v.pumps), p)
			v.c.OnEvent = v.runPumps
			p.run(now)
		}
		return p.over
	})
	t.Do(v.w, func(clock.Instant) {
		p.over = true
		if v.pumps = slices.DeleteFunc(slices.Clone(v.pumps), func(q *pump) bool { return q == p }); len(v.pumps) == 0 {
			v.c.OnEvent = nil
		}
	})
	if err != nil {
		return p.moved, v.failed(t, err)
	}
	return p.moved, v.failed(t, p.err)
}

// runPumps runs the connection's pumps. It is the connection's OnEvent while there are pumps.
func (v *connValue) runPumps(now clock.Instant) {
	for _, p := range v.pumps {
		p.run(now)
	}
}

func connInfo(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	var info tcp.Info
	c.t.Do(v.w, func(now clock.Instant) { info = v.c.Info(now) })
	d := starlark.StringDict{"state": starlark.String(info.State.String())}
	for i, col := range infoColumns() {
		d[table.FieldName(col.Name)] = infoValues(&info)[i]
	}
	d["recv_q"], d["send_q"] = num(info.RecvQ), num(info.SendQ)
	d["timer"] = starlark.String(timer(info.Timer, info.TimerLeft))
	return starlarkstruct.FromStringDict(starlark.String("info"), d), nil
}

func connSet(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	var err error
	c.t.Do(v.w, func(now clock.Instant) {
		var cfg tcp.Config
		if cfg, err = c.tcpConfig(v.c.Config()); err == nil {
			err = v.c.SetConfig(now, cfg)
		}
	})
	return starlark.None, err
}
