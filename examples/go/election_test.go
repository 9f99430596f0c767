package examples

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// A node takes part in elections as those of Raft, over UDP. A leader sends heartbeats. A node that hears none asks the others for their
// votes in a new term, and each node has one vote in each term.
type node struct {
	name  string
	peers []string
	rng   *rand.Rand
	won   func(term int, name string) // called when the node becomes the leader of a term

	// What a real node has on its disk, so that it survives a crash.
	term  int
	voted string // the node that has this node's vote of the term

	role  string // follower, candidate or leader
	votes int
	timer time.Time // of the next heartbeat or election
	conn  net.PacketConn
	addrs map[string]net.Addr
}

const (
	heartbeat = 50 * time.Millisecond
	patience  = 200 * time.Millisecond // the shortest time without a heartbeat before an election
)

// run is the node's program.
func (n *node) run(ctx context.Context, network *gonet.Net) {
	conn, err := network.ListenPacket("udp4", ":4000")
	if err != nil {
		return
	}
	n.conn, n.addrs = conn, map[string]net.Addr{}
	for _, p := range n.peers {
		if list, err := network.Resolver().LookupIPAddr(ctx, p); err == nil {
			n.addrs[p] = &net.UDPAddr{IP: list[0].IP, Port: 4000}
		}
	}
	n.follow(n.term)
	buf := make([]byte, 1500)
	for ctx.Err() == nil {
		conn.SetReadDeadline(n.timer)
		k, _, err := conn.ReadFrom(buf)
		switch {
		case err == nil:
			var kind, from string
			var term int
			if c, _ := fmt.Sscan(string(buf[:k]), &kind, &from, &term); c == 3 {
				n.receive(kind, from, term)
			}
		case time.Now().Before(n.timer): // the host has crashed, or a port was unreachable
			time.Sleep(time.Millisecond)
		case n.role == "leader":
			n.lead()
		default:
			n.term, n.voted, n.role, n.votes = n.term+1, n.name, "candidate", 1
			n.wait()
			n.sendAll("vote?")
		}
	}
}

func (n *node) receive(kind, from string, term int) {
	if term > n.term {
		n.voted = ""
		n.follow(term)
	}
	if term < n.term {
		return
	}
	switch kind {
	case "vote?":
		if n.voted == "" || n.voted == from {
			n.voted = from
			n.wait()
			n.send(from, "vote")
		}
	case "vote":
		if n.votes++; n.role == "candidate" && n.votes > (len(n.peers)+1)/2 {
			n.won(n.term, n.name)
			n.role = "leader"
			n.lead()
		}
	case "heartbeat":
		n.follow(term)
	}
}

func (n *node) follow(term int) {
	n.term, n.role = term, "follower"
	n.wait()
}

func (n *node) lead() {
	n.timer = time.Now().Add(heartbeat)
	n.sendAll("heartbeat")
}

// wait sets the time of the next election, a random one, so that two nodes seldom begin one together.
func (n *node) wait() {
	n.timer = time.Now().Add(patience + time.Duration(n.rng.Int64N(int64(patience))))
}

func (n *node) sendAll(kind string) {
	for _, p := range n.peers {
		n.send(p, kind)
	}
}

func (n *node) send(to, kind string) {
	n.conn.WriteTo(fmt.Appendf(nil, "%s %s %d", kind, n.name, n.term), n.addrs[to])
}

// TestElection cuts off and crashes the leaders of three nodes, over links that lose 5 % of the frames. No term ever has two leaders, and
// two nodes that hear each other soon have one.
func TestElection(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		var mu sync.Mutex
		var leader string
		newest, leaders := 0, map[int]string{}
		won := func(term int, name string) {
			mu.Lock()
			defer mu.Unlock()
			if other := leaders[term]; other != "" && other != name {
				t.Errorf("term %d has two leaders, %s and %s", term, other, name)
			}
			leaders[term] = name
			if term > newest {
				newest, leader = term, name
			}
		}
		names := []string{"a", "b", "c"}
		hosts, nodes := map[string]*labtest.Host{}, map[string]*node{}
		sw := l.Switch("sw")
		for k, name := range names {
			hosts[name] = l.Host(name, fmt.Sprintf("10.0.0.%d/24", k+1))
			l.Link(hosts[name], sw, labtest.LinkConfig{Delay: 5 * time.Millisecond, Loss: 0.05})
			nodes[name] = &node{name: name, rng: l.Rand(uint64(k)), won: won}
			for _, peer := range names {
				if peer != name {
					nodes[name].peers = append(nodes[name].peers, peer)
				}
			}
			hosts[name].Go(nodes[name].run)
		}
		current := func() (name string, term int) {
			mu.Lock()
			defer mu.Unlock()
			return leader, newest
		}
		// elected waits for the leader of a later term.
		elected := func(after int) (name string, term int) {
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				if name, term = current(); term > after {
					return name, term
				}
			}
			t.Fatalf("no leader after term %d", after)
			return "", 0
		}

		first, term := elected(0)
		for range 10 {
			l.Isolate(hosts[first])
			second, later := elected(term)
			if second == first {
				t.Errorf("%s, which is cut off, leads term %d", first, later)
			}
			l.Heal()
			time.Sleep(5 * time.Second)

			second, later = current()
			hosts[second].Crash(labtest.CrashSilent)
			third, last := elected(later)
			if third == second {
				t.Errorf("%s, which has crashed, leads term %d", second, last)
			}
			hosts[second].Restart()
			hosts[second].Go(nodes[second].run)
			time.Sleep(5 * time.Second)
			first, term = current()
		}
		t.Logf("%d elections in %v of the lab's time", len(leaders), l.Elapsed())
	})
}
