package script

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestInterruptStopsWhatComputes: a background task that computes for long keeps the typed statement from running. An interrupt stops it,
// with an error that names it, and leaves a task alone that waits.
func TestInterruptStopsWhatComputes(t *testing.T) {
	s := newSim(t, 1)
	s.tasks.Foreground = true // as at a prompt
	if err := s.Typed("waits = spawn(sleep, 100)\ndef f():\n    while True: pass\n"); err != nil {
		t.Fatal(s.err.String())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Typed("t = spawn(f); sleep(1)") }()
	for s.tasks.Running() == nil { // until f computes
		time.Sleep(time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	s.Interrupt()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the statement does not end")
	}
	if err := s.Typed("print(t.done, waits.done)"); err != nil {
		t.Fatal(err, s.err.String())
	}
	s.Flush()
	if out := s.out.String(); out != "True False\n" {
		t.Errorf("printed %q", out)
	}
	if said := s.err.String(); !strings.HasPrefix(said, "task 2 (f): interrupted\n  <stdin>:2") {
		t.Errorf("said %q", said)
	}
}

// TestInterruptedHandlerSparesTheLine: a handler that never waits keeps the typed line from ending. The first Ctrl-C interrupts the handler,
// each time with the place, and the line goes on and prints its value.
func TestInterruptedHandlerSparesTheLine(t *testing.T) {
	s := newSim(t, 1)
	s.tasks.Foreground = true // as at a prompt
	if err := s.Typed("def rev(conn):\n    while True:\n        if conn.recv() == '': break\n\ns = serve('tcp', 9000, rev)\n"); err != nil {
		t.Fatal(s.err.String())
	}
	for range 3 {
		ended := make(chan error, 1)
		go func() {
			ended <- s.Typed(`c = peer.tcp.connect("192.168.69.1:9000"); c.send("x"); c.close(); sleep(1); 6 * 7`)
		}()
		for over := false; !over; {
			select {
			case err := <-ended:
				if over = true; err != nil {
					t.Fatal(err, s.err.String())
				}
			case <-time.After(50 * time.Millisecond):
				s.InterruptSpinning()
			}
		}
	}
	s.Flush()
	if out := s.out.String(); strings.Count(out, "42\n") != 3 {
		t.Errorf("printed %q", out)
	}
	if said := s.err.String(); strings.Count(said, "interrupted\n  <stdin>:") != 3 {
		t.Errorf("said %q", said)
	}
}

// TestInterruptKeeps: an interrupt ends the call, which prints or returns its results so far, and the script continues. A
// second interrupt ends the script, and the call has still printed its last line.
func TestInterruptKeeps(t *testing.T) {
	t.Chdir(t.TempDir())
	const ticks = "t = every(\"100ms\", lambda: peer.ping(\"192.168.69.1\", count=1))\n"
	for call, want := range map[string]string{
		`p = sniff("icmp"); print(len(p) > 0, t.done)`:                                                                                        "True False\n",
		`tcpdump("port 1"); print(t.done)`:                                                                                                    "0 packets\nFalse\n",
		`p = ping("192.168.69.100", count=60000, interval="1ms"); print(p.received > 0)`:                                                      "True\n",
		`p = arping("192.168.69.100", count=60000, interval="1ms"); print(p.received > 0)`:                                                    "True\n",
		`peer.serve("udp", 33434, lambda c: None); p = traceroute("192.168.69.100", probes=1, timeout=100000); print(len(p.hops), p.reached)`: " 1  *\n1 False\n",
		`p = send([IP(dst="192.168.69.100")/UDP(dport=9)] * 3, count=100000, interval="1ms"); print(p > 0, t.done)`:                           "True False\n",
		`p = send(IP(dst="192.168.69.100")/UDP(dport=9), count=1000000000); print(p > 0, t.done)`:                                             "True False\n",
		`r = sr([Ether(dst="02:00:00:00:00:09")/IP(dst="192.168.69.9")/ICMP()], timeout=100000); print(len(r.unanswered), t.done)`:            "1 False\n",
		`p = sr1(Ether(dst="02:00:00:00:00:09")/IP(dst="192.168.69.9")/ICMP(), timeout=100000); print(p, t.done)`:                             "None False\n",
		`e = Ether(dst="02:00:00:00:00:09")/IP(); write_capture("a.pcap", [e]); sleep("1ms"); write_capture("b.pcap", [e]); ` +
			`p = replay(read_capture("a.pcap") + read_capture("b.pcap"), speed=1e-9); print(p, t.done)`: "1 False\n",
		`l = lab(); a = l.host("a", "10.0.0.1/24"); b = l.host("b", "10.0.0.2/24"); l.link(a, b, rate="10kbit"); b.measure.serve(5201); ` +
			`p = a.measure("10.0.0.2:5201", 1e8); print(p.bytes > 0)`: "True\n",
		`watch(lambda: None, every="1ms"); print(t.done)`: "False\n",
	} {
		for _, twice := range []bool{false, true} {
			s := newSim(t, 1)
			src := ticks + call + "\n"
			if twice {
				src = ticks + "tcpdump('port 2')\nprint('once')\n" + call + "\n"
			}
			ended := make(chan int, 1)
			go func() { ended <- status(s.RunSource("x.star", src)) }()
			code := -1
			for n := 1; code < 0; {
				calling := s.tasks.Keeps()
				select {
				case code = <-ended:
				case <-time.After(50 * time.Millisecond): // the simulation runs meanwhile
					if n == 1 && calling || twice && s.Resumed() {
						s.InterruptCall()
						n++
					}
				case <-time.After(30 * time.Second):
					t.Fatalf("%s: it does not end", call)
				}
			}
			out := s.out.String()
			if !twice && (code != 0 || !strings.Contains(out, want)) {
				t.Errorf("%s: status %d, printed %q: %s", call, code, out[max(0, len(out)-200):], s.err.String())
			}
			if twice && (code != 130 || !strings.Contains(out, "0 packets\nonce\n")) {
				t.Errorf("%s: status %d after two interrupts, printed %q: %s", call, code, out[max(0, len(out)-200):], s.err.String())
			}
		}
	}
}

// TestSavedAfterInterrupt: a line whose call waited until Ctrl-C would wait for ever in the saved script, and becomes a comment.
func TestSavedAfterInterrupt(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	s.tasks.Foreground, s.cfg.Interactive = true, true // as at a prompt
	ended := make(chan error, 1)
	go func() { ended <- s.Typed("ticking = every(1, lambda: 0)\np = sniff('port 1')") }()
	for tries := 0; !s.Resumed(); tries++ {
		if tries > 0 {
			s.InterruptCall()
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := <-ended; err != nil {
		t.Fatal(err, s.err.String())
	}
	s.tasks.Begin()
	for _, line := range []string{"n = len(p)", "m = 2", `save("x.star")`} {
		if err := s.Typed(line); err != nil {
			t.Fatal(err, s.err.String())
		}
	}
	b, err := os.ReadFile("x.star")
	if want := "# failed: a call waited until Ctrl-C\n# ticking = every(1, lambda: 0)\n# p = sniff('port 1')\n# not repeated: undefined: p\n# n = len(p)\nm = 2\n"; err != nil || string(b) != want {
		t.Errorf("saved %q, want %q: %v", b, want, err)
	}
}

// TestInterruptEndsLookups: an interrupt ends a script that waits for DNS, also where a name stands for an address, and catch() does not
// catch it.
func TestInterruptEndsLookups(t *testing.T) {
	for _, call := range []string{`resolve("www.example.org", server=peer)`, `ping("www.example.org")`, `tcp.connect("www.example.org:80")`} {
		s := newSim(t, 1)
		ended := make(chan error, 1)
		go func() {
			ended <- s.RunSource("lookups", "hole = peer.udp.bind(53)\ndns.add(peer)\nwhile True: catch(lambda: "+call+")\n")
		}()
		time.Sleep(50 * time.Millisecond) // the silent server is asked again and again
		s.Interrupt()
		select {
		case err := <-ended:
			if got := status(err); got != 130 {
				t.Errorf("%s: exit status %d, %s", call, got, s.err.String())
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: the script does not end", call)
		}
	}
}
