package script

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// limitWords are the names of a host's limits with descriptions, in the stack's order.
var limitWords = [][2]string{
	{"sockets", "sockets of every kind, and claims"},
	{"connections", "TCP connections, those in TIME-WAIT included"},
	{"syn_queue", "half-open connections of one listener; further SYNs are answered with SYN cookies"},
	{"buffers", "octets in the send and receive buffers of connections; while more than half is used, each peer's address may hold its share at most"},
	{"reassembly", "octets received beyond a gap, counted from the gap on; shared between peers like buffers"},
	{"fragments", "octets of fragments of incomplete datagrams; the oldest datagrams are dropped first"},
	{"neighbors", "neighbours of one interface and family; a neighbour to which nothing was sent is evicted first"},
	{"unresolved", "neighbours of one interface and family that have not answered yet"},
	{"neighbor_queue", "datagrams that wait for one neighbour's answer; the oldest is dropped first"},
	{"recv_queue", "octets queued in one udp, icmp, raw or frames socket"},
	{"send_queue", "packets of sockets, and forwarded ones, queued for one interface"},
	{"reply_queue", "answers of the stack itself queued for one interface"},
	{"groups", "multicast groups joined, counted once for each socket"},
	{"paths", "destinations with a path MTU below the link's; the oldest is evicted first"},
	{"advertised", "prefixes that routers have advertised on one interface, and addresses from them; half as many routers"},
}

// sessionWords are the names and the descriptions of the whole session's limits.
var sessionWords = [][2]string{
	{"tasks", "tasks of the script or shell on all hosts: those of spawn, after, every, on and of servers"},
	{"handlers", "connections that one server's function handles at a time; further connections wait in the backlog"},
}

// Default limits of a session. limits.set changes them.
const (
	maxTasks    = 10000
	maxHandlers = 1000
)

// room returns an error if the session's limit allows no further task.
func (s *Session) room() error {
	if s.tasks.Room() {
		return nil
	}
	return fmt.Errorf("%d tasks run already; limits.set(tasks=…) raises it", s.tasks.Bound.Limit)
}

// room returns the session's error with the builtin's name in front.
func (c *call) room() error {
	if err := c.s.room(); err != nil {
		return c.errorf("%w", err)
	}
	return nil
}

// turnFor waits until a server may handle one more connection: its running handlers and all tasks must be below their
// limits. It counts a connection that has to wait. It returns early when ended returns true.
func (s *Session) turnFor(t *taskValue, running func() int, ended func() bool) error {
	waits := false
	return t.Until("a handler to end", func() bool {
		free := running() < s.servers.handlers.Limit && s.tasks.Others() < s.tasks.Bound.Limit
		if !free && !waits {
			waits = true
			s.servers.handlers.Refused++
		}
		return free || ended()
	})
}

// busiest returns the largest number of running handlers of any server.
func (s *Session) busiest() (n int) {
	for _, v := range s.servers.list {
		n = max(n, len(v.tasks))
	}
	return n
}

func allLimits() [][2]string { return append(slices.Clone(limitWords), sessionWords...) }

func limitSig() string {
	var list []string
	for _, w := range allLimits() {
		list = append(list, w[0]+"=")
	}
	return strings.Join(list, ", ")
}

func limitKinds() string {
	return strings.TrimSpace(strings.Repeat("int:1..1073741824 ", len(limitWords)+len(sessionWords)))
}

func limitArgs() string {
	var list []string
	for _, w := range allLimits() {
		list = append(list, w[0]+": "+strings.ReplaceAll(w[1], ";", ","))
	}
	return strings.Join(list, "; ")
}

func limitsTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.LimitInfo
	h.do(func(clock.Instant) { infos = h.h.LimitInfos() })
	t := c.table(table.Columns(limitColumns)...)
	for k, l := range infos {
		paidBy := ""
		if l.Peer.IsValid() {
			paidBy = l.Peer.String()
		}
		t.Add(starlark.String(l.Name), num(l.Used), num(l.Limit), num(l.Refused), starlark.String(paidBy), starlark.String(limitWords[k][1]))
	}
	for k, row := range []struct {
		used int
		*task.Bound
	}{{c.s.tasks.Others(), &c.s.tasks.Bound}, {c.s.busiest(), &c.s.servers.handlers}} {
		t.Add(starlark.String(sessionWords[k][0]), num(row.used), num(row.Limit), num(row.Refused), starlark.String(""), starlark.String(sessionWords[k][1]))
	}
	return t, nil
}

func limitsSet(c *call) (starlark.Value, error) {
	h := c.on()
	var err error
	h.do(func(clock.Instant) {
		for _, w := range limitWords {
			if c.Given(w[0]) && err == nil {
				err = h.h.SetLimit(w[0], arg[int](c, w[0]))
			}
		}
	})
	for k, b := range []*task.Bound{&c.s.tasks.Bound, &c.s.servers.handlers} {
		if name := sessionWords[k][0]; c.Given(name) {
			b.Limit = arg[int](c, name)
		}
	}
	c.s.tasks.Changed() // a server may have waited for the larger limit
	return starlark.None, failed(c.t, "limits.set", h.name, err)
}
