package script

import (
	"strings"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
)

// limitWords are the limits of a host in the stack's order, and what each is about.
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

func limitSig() string {
	var list []string
	for _, w := range limitWords {
		list = append(list, w[0]+"=")
	}
	return strings.Join(list, ", ")
}

func limitKinds() string {
	return strings.TrimSpace(strings.Repeat("int:1..1073741824 ", len(limitWords)))
}

func limitArgs() string {
	var list []string
	for _, w := range limitWords {
		list = append(list, w[0]+": "+strings.ReplaceAll(w[1], ";", ","))
	}
	return strings.Join(list, "; ")
}

func limitsTable(c *call) (starlark.Value, error) {
	h := c.on()
	var infos []stack.LimitInfo
	h.do(func(clock.Instant) { infos = h.h.LimitInfos() })
	t := c.table(columns(limitColumns)...)
	for k, l := range infos {
		paidBy := ""
		if l.Peer.IsValid() {
			paidBy = l.Peer.String()
		}
		t.add(starlark.String(l.Name), num(l.Used), num(l.Limit), num(l.Refused), starlark.String(paidBy), starlark.String(limitWords[k][1]))
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
	return starlark.None, failed(c.t, "limits.set", h.name, err)
}
