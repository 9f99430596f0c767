//go:debug randseednop=0

package examples

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestRaft shows an unchanged raft library, github.com/hashicorp/raft, on three hosts whose links lose 2 % of the frames. The leader is cut off, and
// the others elect a new one. A command that the old leader has taken meanwhile is lost, as its client learns. Then the new leader loses
// its power, and comes back with its disk. In the end all three have the same commands in the same order. Type
//
//	go test -run TestRaft -v                    # 22 s of the lab's time in 50 ms
//	go test -run TestRaft -runs 1 -lab.seeds 1..100
//	go test -run TestRaft -v -runs 100 -cpu 1   # most runs are equal
//	go test -run TestRaft -v -runs 100 -asis    # none is: the times of elections are random
//
// The library draws its timeouts from the one stream of math/rand, in goroutines that wake at one instant, and in the order of a map. So
// fixing the seed does not suffice, and the test does not ask for equal runs: TestEtcdRaft has a library with which it can.
func TestRaft(t *testing.T) { compareRuns(t, fixRaft, threeRafts) }

// fixRaft fixes the random numbers of package math/rand too. Without the line go:debug above, rand.Seed would do nothing.
func fixRaft(t *testing.T) {
	fixCrypto(t)
	//lint:ignore SA1019 the library has no generator of its own
	rand.Seed(1)
}

// A member is a host of the cluster with the node that runs on it.
type member struct {
	name  string
	addr  string
	host  *labtest.Host
	state *journal
	disk  *raft.InmemStore // what survives a crash
	snaps *raft.InmemSnapshotStore
	node  *raft.Raft
}

// A journal is the replicated state: the commands, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Apply(entry *raft.Log) any {
	j.add(string(entry.Data))
	return nil
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) Snapshot() (raft.FSMSnapshot, error) { return nil, errors.New("no snapshots") }
func (j *journal) Restore(io.ReadCloser) error         { return errors.New("no snapshots") }

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// A streams is a raft.StreamLayer over a host's connections.
type streams struct {
	net.Listener
	network *gonet.Net
}

func (s streams) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return s.network.DialTimeout("tcp", string(addr), timeout)
}

// start runs the member's node until the host crashes or the test ends.
func (m *member) start(t *testing.T, all []*member) {
	cfg := raft.DefaultConfig()
	cfg.LocalID, cfg.Logger = raft.ServerID(m.name), hclog.NewNullLogger()
	listener, err := m.host.Net().Listen("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	transport := raft.NewNetworkTransport(streams{listener, m.host.Net()}, 3, time.Second, io.Discard)
	node, err := raft.NewRaft(cfg, m.state, m.disk, m.disk, m.snaps, transport)
	if err != nil {
		t.Fatal(err)
	}
	var servers []raft.Server
	for _, o := range all {
		servers = append(servers, raft.Server{ID: raft.ServerID(o.name), Address: raft.ServerAddress(o.addr)})
	}
	node.BootstrapCluster(raft.Configuration{Servers: servers}) // fails, without harm, after a restart
	m.node = node
	m.host.Go(func(ctx context.Context, _ *gonet.Net) {
		<-ctx.Done()
		node.Shutdown().Error()
		transport.Close()
	})
}

// startMembers makes three hosts on a switch, and starts a node on each.
func startMembers(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) (all []*member) {
	sw := l.Switch("sw")
	for k, name := range []string{"a", "b", "c"} {
		ip := fmt.Sprintf("10.0.0.%d", k+1)
		m := &member{name: name, addr: ip + ":4000", host: l.Host(name, ip+"/24"),
			state: &journal{}, disk: raft.NewInmemStore(), snaps: raft.NewInmemSnapshotStore()}
		l.Link(m.host, sw, labtest.LinkConfig{Delay: 5 * time.Millisecond, Loss: 0.02})
		record(m.host)
		all = append(all, m)
	}
	for _, m := range all {
		m.start(t, all)
	}
	return all
}

func threeRafts(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) {
	all := startMembers(t, l, record)
	// elected waits for a leader that is not old.
	elected := func(old *member) *member {
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			for _, m := range all {
				if m != old && m.node.State() == raft.Leader {
					return m
				}
			}
		}
		t.Fatal("no leader after 30 s")
		return nil
	}
	var want []string
	apply := func(leader *member) {
		for range 5 {
			line := fmt.Sprintf("command %d", len(want))
			if err := leader.node.Apply([]byte(line), time.Second).Error(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			want = append(want, line)
		}
	}
	first := elected(nil)
	apply(first)
	l.Isolate(first.host)
	lost := first.node.Apply([]byte("lost"), time.Second) // on its own disk only
	second := elected(first)
	apply(second)
	if err := lost.Error(); err == nil {
		t.Error("a leader that was cut off has committed a command")
	}
	l.Heal()
	time.Sleep(5 * time.Second)

	second = elected(nil)
	second.host.Crash(labtest.CrashSilent)
	third := elected(second)
	apply(third)
	second.host.Restart()
	second.state = &journal{} // filled again from the log on the disk
	second.start(t, all)
	time.Sleep(5 * time.Second)
	apply(elected(nil))
	time.Sleep(5 * time.Second)
	for _, m := range all {
		if got := m.state.read(); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", m.name, got, want)
		}
	}
}
