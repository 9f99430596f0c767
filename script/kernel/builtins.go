package kernel

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
)

// dial is script text that opens a connection from the kernel to a server of our stack. The examples of a connection's
// methods begin with it.
const dial = `serve("tcp", 7, echo); c = kernel.tcp.connect("192.168.69.1:7"); `

// dialUDP is script text that connects a UDP socket of the kernel to a server of our stack. The examples of a UDP
// socket's methods begin with it.
const dialUDP = `serve("udp", 7, echo); u = kernel.udp.connect("192.168.69.1:7"); `

// A function is the implementation of a builtin.
type function func(c *Call) (starlark.Value, error)

// calls are the builtins that are not methods. An entry without a signature takes its signature, Kinds and Args from
// the builtin that See names.
var calls = []registry.Builtin[*Call]{
	{Name: "kernel.tcp.connect", Sig: "endpoint, timeout=, local=None, **options", Kinds: "endpoint duration any", Result: "kernel_conn",
		Doc: "Open a connection from the operating system's stack; not in a virtual lab.", Example: dial + `c.state`, See: "tcp.connect", Fn: connect},
	{Name: "kernel.tcp.listen", Sig: "port, addr=None, backlog=128, v6only=False, **options", Kinds: "port ip int:1..65536 bool", Result: "kernel_listener",
		Doc:     "Listen in the operating system's stack, so that a script can hold both ends.",
		Example: `l = kernel.tcp.listen(8080); c = tcp.connect("192.168.69.100:8080"); l.accept().peer == c.local`, See: "tcp.listen", Fn: listen},
	{Name: "kernel.udp.bind", Sig: "port=0, addr=None, v6only=False", Kinds: "port ip bool", Result: "kernel_udp_socket",
		Doc: "A UDP socket of the operating system's.", Example: `kernel.udp.bind(6969).port`, See: "udp.bind", Fn: bind},
	{Name: "kernel.udp.connect", Sig: "endpoint, local=None", Kinds: "endpoint any", Result: "kernel_udp_socket",
		Doc: "A UDP socket of the operating system's that speaks to one peer only.", Example: dialUDP + `u.send("hi"); u.recv().data`, See: "udp.connect", Fn: connectUDP},
	{Name: "kernel.serve", Result: "kernel_server",
		Doc:     "Serve a port of the operating system's with echo, discard, chargen or a function.",
		Example: `kernel.serve("tcp", 8007, echo); c = tcp.connect("192.168.69.100:8007"); c.send("hi"); c.recv()`, See: "serve", Fn: serve},
	{Name: "kernel.measure.serve", Sig: "port, addr=None, backlog=128, v6only=False, **options", Kinds: "port ip int:1..65536 bool", Result: "kernel_server",
		Doc: "Be the other end of measure in the operating system's stack.", Example: `kernel.measure.serve(5201); measure("192.168.69.100:5201", "20ms").dir`, See: "measure", Fn: measureServe},
}

// methods are the methods of the kernel's sockets. The keys are the names of our own sockets' methods, such as
// conn.send.
var methods = map[string]struct {
	fn      function
	example string
}{
	"conn.send":         {connSend, dial + `c.send("hi")`},
	"conn.recv":         {connRecv, dial + `c.send("hi"); c.recv()`},
	"conn.recv_exactly": {connRecvExactly, dial + `c.send("hi"); c.recv_exactly(2)`},
	"conn.recv_until":   {connRecvUntil, dial + `c.send("a\nb"); c.recv_until("\n")`},
	"conn.sendfile":     {connSendfile, dial + `c.sendfile("other.star")`},
	"conn.sink":         {connSink, dial + `c.shutdown(); c.sink()`},
	"conn.source":       {connSource, dial + `c.source(100)`},
	"conn.shutdown":     {connShutdown, dial + `c.shutdown(); c.recv()`},
	"conn.info":         {connInfo, dial + `c.info().mss`},
	"conn.set":          {connSet, dial + `c.set(nodelay=True)`},
	"conn.close":        {connClose, dial + `c.close()`},
	"conn.abort":        {connAbort, dial + `c.abort()`},
	"listener.accept":   {listenerAccept, `l = kernel.tcp.listen(8080); c = tcp.connect("192.168.69.100:8080"); l.accept().peer`},
	"listener.close":    {listenerClose, `kernel.tcp.listen(8080).close()`},
	"udp_socket.send":   {udpSend, dialUDP + `u.send("hi")`},
	"udp_socket.recv":   {udpRecv, dialUDP + `u.send("hi"); u.recv(timeout="1s").src`},
	"udp_socket.close":  {udpClose, dialUDP + `u.close()`},
	"server.stop":       {serverStop, `kernel.serve("udp", 8007, echo).stop()`},
	"server.wait":       {serverWait, `s = kernel.serve("tcp", 8007, echo); after("5ms", s.stop); s.wait()`},
}

// ownTypes are the types of our own sockets that have a counterpart in this package. The counterpart's name begins with
// typePrefix.
var ownTypes = []string{"conn", "listener", "udp_socket", "server"}

const typePrefix = "kernel_"

// Like returns the name of the type of our own sockets that shares its help page with the type typ of this package. It
// returns other names unchanged.
func Like(typ string) string { return strings.TrimPrefix(typ, typePrefix) }

// Builtins returns the declarations of the package's builtins. C is the program's type for a call, and the function
// call converts such a call to a Call. A method takes its signature and help from the method of the same name in ours,
// the declarations of the program's own sockets.
func Builtins[C any](ours []*registry.Builtin[C], call func(c C) *Call) []*registry.Builtin[C] {
	through := func(fn function) func(c C) (starlark.Value, error) {
		return func(c C) (starlark.Value, error) { return fn(call(c)) }
	}
	var list []*registry.Builtin[C]
	for _, b := range slices.Concat(calls, tables, []registry.Builtin[*Call]{pingCall}) {
		sig, kinds, args := b.Sig, b.Kinds, b.Args
		if i := slices.IndexFunc(ours, func(o *registry.Builtin[C]) bool { return o.Name == b.See }); sig == "" && i >= 0 {
			sig, kinds, args = ours[i].Sig, ours[i].Kinds, ours[i].Args
		}
		list = append(list, &registry.Builtin[C]{Name: b.Name, Sig: sig, Kinds: kinds, Args: args, Result: b.Result, Fields: b.Fields,
			Doc: b.Doc, Example: b.Example, See: b.See, Fn: through(onlyLive(b.Fn))})
	}
	for _, o := range ours {
		m, ok := methods[o.Name]
		if !ok {
			continue
		}
		result := o.Result
		if slices.Contains(ownTypes, result) {
			result = typePrefix + result
		}
		list = append(list, &registry.Builtin[C]{Name: typePrefix + o.Name, Sig: o.Sig, Kinds: o.Kinds, Args: o.Args, Result: result,
			Fields: o.Fields, Doc: o.Doc, Example: m.example, See: o.See, Fn: through(m.fn)})
	}
	return list
}

// onlyLive returns a function that calls fn, or returns an error if the stack is not live.
func onlyLive(fn function) function {
	return func(c *Call) (starlark.Value, error) {
		if !c.stack().live {
			return nil, c.errorf("this is a virtual lab, the operating system's stack is not in it")
		}
		return fn(c)
	}
}

// stack returns the stack of which the builtin is a member.
func (c *Call) stack() *Stack { return c.Recv.(*Stack) }
