package labtest_test

import (
	"context"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smolsh/phy/capture"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

func panicsHere() { panic("here") }

// connected makes a server with an echo of TCP, and a client with a connection to it.
func connected(t *testing.T, l *labtest.Lab) (server, client *labtest.Host, c net.Conn) {
	server, client, _ = pair(l, labtest.LinkConfig{})
	serveEcho(t, server)
	return server, client, dial(t, client)
}

func init() {
	for name, fn := range map[string]func(t *testing.T, l *labtest.Lab){
		"panic":           func(t *testing.T, l *labtest.Lab) { connected(t, l); t.Log("before"); panic("mine") },
		"error and panic": func(t *testing.T, l *labtest.Lab) { connected(t, l); t.Error("first"); panic("mine") },
		"program": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			server.Go(func(context.Context, *gonet.Net) { panicsHere() })
			time.Sleep(time.Second)
		},
		"deadlock": func(t *testing.T, l *labtest.Lab) {
			_, _, c := connected(t, l)
			c.Close()
			<-make(chan int)
		},
		"kept alive": func(t *testing.T, l *labtest.Lab) {
			_, _, c := connected(t, l)
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		},
		"mutex": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			var mu sync.Mutex
			mu.Lock()
			server.Go(func(context.Context, *gonet.Net) { mu.Lock() })
			time.Sleep(time.Hour)
		},
		"do": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			l.Do(func(clock.Instant) { server.Net().Dial("tcp", "client:7") })
		},
		"sleeper": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			server.Go(func(context.Context, *gonet.Net) {
				for {
					time.Sleep(time.Second)
				}
			})
		},
		"spinner": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			listener, _ := server.Net().Listen("tcp", ":8")
			server.Go(func(context.Context, *gonet.Net) {
				for {
					listener.Accept()
				}
			})
		},
		"waiter": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := connected(t, l)
			server.Go(func(context.Context, *gonet.Net) { <-make(chan int) })
		},
		"many": func(t *testing.T, l *labtest.Lab) {
			server, _, _ := pair(l, labtest.LinkConfig{})
			for range 60 {
				if _, err := server.Net().ListenPacket("udp", ":0"); err != nil {
					t.Error(err)
				}
			}
			t.Error("many sockets")
		},
		"leak":  func(t *testing.T, l *labtest.Lab) { connected(t, l); go func() { <-make(chan int) }() },
		"plain": func(t *testing.T, l *labtest.Lab) { connected(t, l); go panicsHere(); time.Sleep(time.Second) },
	} {
		failures[name] = fn
	}
}

// Runs that end in different ways if the seventh datagram is lost.
func init() {
	for name, end := range map[string]func(t *testing.T, l *labtest.Lab, h *labtest.Host){
		"panic": func(*testing.T, *labtest.Lab, *labtest.Host) { panic("lost") },
		"program": func(_ *testing.T, l *labtest.Lab, h *labtest.Host) {
			h.Go(func(context.Context, *gonet.Net) { panic("lost") })
			l.Wait()
		},
		"deadlock": func(*testing.T, *labtest.Lab, *labtest.Host) { <-make(chan int) },
		"hang": func(t *testing.T, l *labtest.Lab, h *labtest.Host) {
			serveEcho(t, h)
			c, err := h.Net().Dial("tcp", "localhost:7")
			if err != nil {
				t.Fatal(err)
			}
			c.Read(make([]byte, 1))
		},
		"stuck": func(*testing.T, *labtest.Lab, *labtest.Host) {
			var mu sync.Mutex
			mu.Lock()
			mu.Lock()
		},
		"unreturned": func(_ *testing.T, l *labtest.Lab, h *labtest.Host) {
			h.Go(func(context.Context, *gonet.Net) { <-make(chan int) })
		},
	} {
		failures["seventh "+name] = func(t *testing.T, l *labtest.Lab) {
			if losesSeventh(t, l) {
				end(t, l, l.Host("last", "10.9.9.9/24"))
			}
		}
	}
}

// TestFailureOutput: whatever ends a failing run, with and without -v its seed, command and sockets are printed, and its capture is complete.
func TestFailureOutput(t *testing.T) {
	t.Setenv("GODEBUG", "tracebacklabels=1")
	const sockets = `\*:7 .*`
	for _, c := range []struct {
		failure string
		flags   string
		packets int // least number in the capture
		want    []string
	}{
		{"error", "", 5, []string{
			"seed 3 or above", "the test failed with seed 7, after 1.01.s of the lab's time",
			`repeat:  go test -count=1 -run='\^TestFailing\$' (-race )?smolsh/stack/lab/labtest -lab.seed=7\n`,
			`link server - client: .* dropped: \d+ fault loss`,
			`server 10.0.0.1/24 2001:db8::1/64\n +Netid +State +Recv-Q +Send-Q +Local +Peer *\n +tcp +LISTEN +0 +1024 +\*:7 +\* *\n`,
			`client 10.0.0.2/24 .*\n.*\n +tcp +ESTABLISHED +0 +4 +\[2001:db8::2\]:\d+ +\[2001:db8::1\]:7 +cwnd \d+ rto .* retrans [1-9].* timer on`,
		}},
		{"fatal", "", 0, []string{"fatal", "the test failed with seed 7", "no sockets"}},
		{"configuration", "", 0, []string{`host "a" exists already`, "the test failed with seed 7"}},
		{"stack", "", 0, []string{"panicked", "in the network", "the test failed with seed 7"}},
		{"panic", "", 3, []string{"panic: mine", `the test panicked \(mine\) with seed 7`, sockets}},
		{"error and panic", "", 3, []string{"panic: mine", `the test panicked \(mine\) with seed 7`, sockets}},
		{"program", "", 3, []string{`a program of host server panicked \(here\) with seed 7`, "panic: here", "panicsHere", sockets}},
		{"deadlock", "", 3, []string{"deadlock: all goroutines in bubble are blocked", "every goroutine waits for ever with seed 7", sockets}},
		{"kept alive", "", 3, []string{"made a call for 24h0m0s of the lab's time", `gonet.\(\*TCPConn\).Read`, "the run hangs with seed 7, after 24h", "ended this call", sockets}},
		{"kept alive", "-lab.within=1h", 3, []string{"made a call for 1h0m0s of the lab's time", "the run hangs with seed 7, after 1h", sockets}},
		{"kept alive", "-lab.within=0 -lab.watchdog=300ms", 3, []string{"TestFailing has made no call for 300ms", "gonet.*Read", "is stuck", sockets}},
		{"mutex", "-lab.watchdog=300ms", 3, []string{"TestFailing has made no call for 300ms", `sync.Mutex.Lock, synctest bubble`, "is stuck", sockets}},
		{"do", "-lab.watchdog=300ms", 3, []string{"in the midst of a turn"}},
		{"sleeper", "", 3, []string{"programs go on 24h0m0s after the end of the test", `of host server has not returned .* at ends_test.go:\d+\n`, "time.Sleep"}},
		{"spinner", "-lab.watchdog=300ms", 3, []string{"The test function has returned", `of host server has not returned .* at ends_test.go:\d+\n`}},
		{"waiter", "", 3, []string{"programs go on 24h0m0s", `of host server has not returned .* at ends_test.go:\d+\n`}},
		{"leak", "", 3, []string{"a goroutine that the test has begun waits for ever, after the end of the test", "CloseIdleConnections"}},
		{"many", "", 0, []string{"many sockets", `\n *and 10 more\n`}},
		{"plain", "", -1, []string{`labels:\{"?labtest"?: "TestFailing seed 7"\}`}},
	} {
		for _, v := range []string{"-test.v=true", "-test.v=false"} {
			t.Run(c.failure+c.flags+v, func(t *testing.T) {
				out, err := failing(t, c.failure, append([]string{"-lab.seed=7", v}, strings.Fields(c.flags)...)...)
				if err == nil {
					t.Error("the test passed")
				}
				wants := c.want
				if c.packets >= 0 {
					wants = slices.Concat(wants, []string{"with seed 7", "repeat: .* -lab.seed=7\n"})
				}
				for _, want := range wants {
					if !regexp.MustCompile(want).MatchString(out) {
						t.Errorf("no %s", want)
					}
				}
				if m := regexp.MustCompile(`capture: (.*)\n`).FindAllStringSubmatch(out, -1); len(m) == 1 {
					checkCapture(t, m[0][1], c.packets)
				} else if c.packets >= 0 {
					t.Errorf("%d captures are named", len(m))
				}
				if t.Failed() {
					t.Log(out)
				}
			})
		}
	}
}

// checkCapture checks that a file is a complete capture, with so many packets at least.
func checkCapture(t *testing.T, path string, packets int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Error(err)
		return
	}
	n := 0
	for _, err = r.Next(); err == nil; _, err = r.Next() {
		n++
	}
	if n < packets || err.Error() != "EOF" {
		t.Errorf("%d packets captured, then %v", n, err)
	}
}
