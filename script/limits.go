package script

import (
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
	{"sockets", "sockets of every kind"},
	{"connections", "TCP connections, those in TIME-WAIT included"},
	{"syn_queue", "half-open connections of one listener; beyond it SYNs are answered by cookies"},
	{"buffers", "octets of storage for what connections send and receive; while more than half is used each peer's address has its share at most"},
	{"reassembly", "octets of storage for what waits beyond a gap, counted from the gap on; shared like buffers"},
	{"fragments", "octets of storage for fragments of datagrams that are not complete; the oldest make room"},
	{"neighbors", "neighbours of one interface; those we never sent to make room"},
	{"unresolved", "neighbours of one interface that have not answered yet"},
	{"neighbor_queue", "datagrams that wait for one neighbour's answer; the oldest makes room"},
	{"recv_queue", "octets that wait in one udp, icmp, raw or frames socket"},
	{"send_queue", "datagrams that wait for one interface"},
	{"reply_queue", "answers of the stack itself that wait for one interface"},
	{"groups", "multicast groups joined, each for each socket"},
	{"paths", "destinations with a path MTU less than the link's; the oldest makes room"},
}

// sessionWords are the names of the whole session's limits, each with a description.
var sessionWords = [][2]string{
	{"tasks", "tasks of the script or shell: of spawn, after, every, on and of servers, for all hosts"},
	{"handlers", "connections that the function of one server handles at a time; further ones wait in the backlog"},
}

// Default limits of a session. limits.set changes them.
const (
	maxTasks    = 10000
	maxHandlers = 1000
)

// room returns an error if the session's limit allows no further task.
func (c *call) room() error {
	if c.s.tasks.Room() {
		return nil
	}
	return c.errorf("%d tasks run already; limits.set(tasks=…) raises it", c.s.tasks.Bound.Limit)
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
			if c.given(w[0]) && err == nil {
				err = h.h.SetLimit(w[0], arg[int](c, w[0]))
			}
		}
	})
	for k, b := range []*task.Bound{&c.s.tasks.Bound, &c.s.servers.handlers} {
		if name := sessionWords[k][0]; c.given(name) {
			b.Limit = arg[int](c, name)
		}
	}
	c.s.tasks.Changed() // a server may have waited for the larger limit
	return starlark.None, failed(c.t, "limits.set", h.name, err)
}
