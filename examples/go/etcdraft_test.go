package examples

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestEtcdRaft is TestRaft with another library, go.etcd.io/raft: it leaves time, network and disk to the program, which has one goroutine for each
// node, sends messages by UDP, and lets 10 ms pass between ticks. The leader is cut off three times. Type
//
//	go test -run TestEtcdRaft -v                  # the runs are equal
//	go test -run TestEtcdRaft -v -asis            # the times of elections are random
//	go test -run TestEtcdRaft -runs 1 -lab.seeds 1..100
//
// Two things make the runs equal: testing/cryptotest fixes the library's random numbers, and no two nodes tick at one instant, nor when the test
// proposes a command.
func TestEtcdRaft(t *testing.T) { repeats(t, fixCrypto, threeEtcdRafts) }

// A peer is one node with the loop that drives it.
type peer struct {
	id    uint64
	host  *labtest.Host
	state journal
	disk  *raft.MemoryStorage
	node  *raft.RawNode
	conn  net.PacketConn

	mu       sync.Mutex
	proposed [][]byte // commands that the loop has not yet proposed
	leads    bool
}

// etcdConfig returns the configuration of a node.
func etcdConfig(id uint64, disk *raft.MemoryStorage) *raft.Config {
	return &raft.Config{ID: id, ElectionTick: 20, HeartbeatTick: 5, Storage: disk, MaxSizePerMsg: 1000, MaxInflightMsgs: 16,
		CheckQuorum: true, Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}}
}

// run is the node's program: it receives until the next tick, then ticks, and after both does what the library has asked for.
func (p *peer) run(ctx context.Context, _ *gonet.Net) {
	buf := make([]byte, 1500)
	for next := time.Now().Add(10 * time.Millisecond); ctx.Err() == nil; {
		p.conn.SetReadDeadline(next)
		if n, _, err := p.conn.ReadFrom(buf); err == nil {
			var m raftpb.Message
			if proto.Unmarshal(buf[:n], &m) == nil {
				p.node.Step(&m) // an error means that the message is of no use
			}
		} else if !time.Now().Before(next) {
			next = next.Add(10 * time.Millisecond)
			p.node.Tick()
			p.propose()
		}
		for p.node.HasReady() {
			p.handle(p.node.Ready())
		}
	}
}

// leave leaves a command for the loop's next tick.
func (p *peer) leave(command string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proposed = append(p.proposed, []byte(command))
}

// isLeader reports whether the node led at the last tick.
func (p *peer) isLeader() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leads
}

// propose gives the library the commands that the test has left.
func (p *peer) propose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.proposed {
		p.node.Propose(c) // it may be dropped, as the test allows
	}
	p.proposed = nil
	p.leads = p.node.BasicStatus().RaftState == raft.StateLeader
}

// handle writes to the disk, sends, and applies, in this order.
func (p *peer) handle(r raft.Ready) {
	if r.HardState != nil {
		p.disk.SetHardState(r.HardState)
	}
	p.disk.Append(r.Entries)
	for _, m := range r.Messages {
		if b, err := proto.Marshal(m); err == nil {
			p.conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4(10, 0, 0, byte(m.GetTo())), Port: 4000})
		}
	}
	for _, e := range r.CommittedEntries {
		switch {
		case e.GetType() == raftpb.EntryConfChange:
			var c raftpb.ConfChange
			if proto.Unmarshal(e.Data, &c) == nil {
				p.node.ApplyConfChange(&c)
			}
		case len(e.Data) > 0:
			p.state.add(string(e.Data))
		}
	}
	p.node.Advance(r)
}

// startPeers makes three hosts on a switch, and starts a node on each.
func startPeers(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) (peers []*peer) {
	sw := l.Switch("sw")
	for id := uint64(1); id <= 3; id++ {
		p := &peer{id: id, disk: raft.NewMemoryStorage(), host: l.Host(string(rune('a'+id-1)), fmt.Sprintf("10.0.0.%d/24", id))}
		l.Link(p.host, sw, labtest.LinkConfig{Delay: 5*time.Millisecond + time.Duration(id)*100*time.Microsecond, Loss: 0.05})
		record(p.host)
		peers = append(peers, p)
	}
	for _, p := range peers {
		var err error
		if p.node, err = raft.NewRawNode(etcdConfig(p.id, p.disk)); err != nil {
			t.Fatal(err)
		}
		if err = p.node.Bootstrap([]raft.Peer{{ID: 1}, {ID: 2}, {ID: 3}}); err != nil {
			t.Fatal(err)
		}
		if p.conn, err = p.host.Net().ListenPacket("udp4", ":4000"); err != nil {
			t.Fatal(err)
		}
		p.host.Go(p.run)
		if !*asIsFlag {
			time.Sleep(time.Millisecond) // so that no two nodes tick at one instant, or at that of a call of the test
		}
	}
	return peers
}

func threeEtcdRafts(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) {
	peers := startPeers(t, l, record)
	// elected waits for a leader that is not old.
	elected := func(old *peer) *peer {
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			for _, p := range peers {
				if p != old && p.isLeader() {
					return p
				}
			}
		}
		t.Fatal("no leader after 30 s")
		return nil
	}
	var want []string
	apply := func(leader *peer) {
		for range 5 {
			line := fmt.Sprintf("command %d", len(want))
			leader.leave(line)
			want = append(want, line)
		}
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			if slices.Equal(leader.state.read(), want) {
				return
			}
		}
		t.Fatalf("the leader %d has %q, want %q", leader.id, leader.state.read(), want)
	}
	for range 3 {
		first := elected(nil)
		apply(first)
		l.Isolate(first.host)
		first.leave("lost") // on its own disk only
		apply(elected(first))
		l.Heal()
		time.Sleep(5 * time.Second)
	}
	for _, p := range peers {
		if got := p.state.read(); !slices.Equal(got, want) {
			t.Errorf("%d has %q, want %q", p.id, got, want)
		}
	}
}
