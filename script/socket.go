package script

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// socketValue is the common part of the sockets for datagrams, ICMP messages, packets and frames.
type socketValue struct {
	h      *hostValue
	self   starlark.HasAttrs // the socket of which this struct is the common part
	typ    string            // name of the type, under which the registry has its methods
	name   string            // text that the socket prints as
	fields map[string]func() starlark.Value
	sock   interface {
		NextLen() int
		Lost() uint64
		Close()
	}
	signal *stack.Signal
	closed bool // true if the script has closed the socket; only the owner uses it
}

func (v *socketValue) common() *socketValue { return v }

// String describes the socket, and whether it is closed.
func (v *socketValue) String() string {
	closed := false
	v.h.do(func(clock.Instant) { closed = v.closed })
	return since(v.name, closed, "closed")
}

// since returns a description of a value. If the value has ended, the description says so by a word.
func since(text string, ended bool, word string) string {
	if ended {
		return text + ", " + word
	}
	return text
}

func (v *socketValue) Type() string          { return v.typ }
func (v *socketValue) Freeze()               {}
func (v *socketValue) Truth() starlark.Bool  { return true }
func (v *socketValue) Hash() (uint32, error) { return starlark.String(v.name).Hash() }

// Attr returns a field or a method of the socket.
func (v *socketValue) Attr(name string) (starlark.Value, error) {
	if get := v.fields[name]; get != nil {
		return get(), nil
	}
	return suggest.Attr(v, name, v.h.s.member(v.typ, v.self, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *socketValue) AttrNames() []string {
	return append(slices.Sorted(maps.Keys(v.fields)), v.h.s.reg.Members[v.typ]...)
}

// lost returns the number of messages dropped because the queue was full, as a script's value.
func (v *socketValue) lost() starlark.Value {
	var n uint64
	v.h.do(func(clock.Instant) { n = v.sock.Lost() })
	return num(n)
}

// recv waits for a message. The owner calls take, which copies the first pending message into room and returns its
// length, or -1 if none is pending.
func (v *socketValue) recv(t *taskValue, what string, timeout time.Duration, take func(room []byte) (int, error)) (data []byte, err error) {
	var fail error
	err = t.Await(v.h.w, what+" on "+v.name, v.signal, timeout, func(clock.Instant) bool {
		data = make([]byte, max(v.sock.NextLen(), 0))
		var n int
		n, fail = take(data)
		return n >= 0 || fail != nil
	})
	if err == nil {
		err = fail
	}
	return data, err
}

// packetConn is a socket of the stack for packets without ports.
type packetConn interface {
	Send(now clock.Instant, data []byte, to netip.Addr, ttl uint8) error
	Recv(room []byte) (n int, from netip.Addr, ttl uint8, err error)
	SetDontFragment(on bool)
}

// sendPacket implements send() of such a socket.
func (v *socketValue) sendPacket(c *call, conn packetConn, op string) (starlark.Value, error) {
	data, to, ttl := arg[[]byte](c, "data"), arg[netip.Addr](c, "to"), arg[int](c, "ttl")
	var err error
	c.t.Do(v.h.w, func(now clock.Instant) {
		conn.SetDontFragment(arg[bool](c, "df"))
		err = conn.Send(now, data, to, uint8(ttl))
	})
	return num(len(data)), failed(c.t, op, to, v.h.explain(to, err))
}

// recvPacket implements recv() of such a socket.
func (v *socketValue) recvPacket(c *call, conn packetConn, what, op, where string) (starlark.Value, error) {
	var src netip.Addr
	var ttl uint8
	data, err := v.recv(c.t, what, timeoutOf(c), func(room []byte) (n int, err error) {
		n, src, ttl, err = conn.Recv(room)
		return n, err
	})
	if err != nil {
		return nil, failed(c.t, op, where, err)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"data": starlark.Bytes(data), "src": registry.Address(src), "ttl": num(int(ttl)),
	}), nil
}

// close closes the socket, which ends every wait for it. Only the owner calls close.
func (v *socketValue) close(clock.Instant) {
	v.closed = true
	v.sock.Close()
}

// socketClose implements close() of a socket of any kind.
func socketClose(c *call) (starlark.Value, error) {
	v := c.recv.(interface{ common() *socketValue }).common()
	c.t.Do(v.h.w, v.close)
	return starlark.None, nil
}
