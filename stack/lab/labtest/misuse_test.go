package labtest_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/lab/labtest"
)

func init() {
	for name, rule := range map[string]labtest.Rule{
		"per cent": {Loss: 30}, "negative": {Delay: -time.Second}, "zeroth": {Nth: []int{0}},
	} {
		failures[name] = func(t *testing.T, l *labtest.Lab) {
			_, _, link := pair(l, labtest.LinkConfig{})
			link.Fault(nil, rule)
		}
	}
	failures["two configurations"] = func(t *testing.T, l *labtest.Lab) {
		l.Link(l.Host("a"), l.Host("b"), labtest.LinkConfig{Delay: 1}, labtest.LinkConfig{Loss: 1})
	}
}

func init() {
	failures["not its end"] = func(t *testing.T, l *labtest.Lab) {
		a, sw := l.Host("a", "10.0.0.1/24"), l.Switch("s")
		l.Link(l.Host("b", "10.0.0.2/24"), sw)
		l.Link(a, sw).Fault(l.Host("c"), labtest.Rule{})
	}
	failures["gateway first"] = func(t *testing.T, l *labtest.Lab) { l.Host("a", "10.0.0.1/24").Gateway("10.0.0.254") }
}

// TestMisuse: a rule, flag or call without a meaning ends the test, with the reason.
func TestMisuse(t *testing.T) {
	for _, c := range []struct{ failure, flags, want string }{
		{"per cent", "-lab.seed=1", "Loss 30 is not within 0 to 1"},
		{"negative", "-lab.seed=1", "Delay -1s is negative"},
		{"zeroth", "-lab.seed=1", "Nth counts frames from 1"},
		{"two configurations", "-lab.seed=1", "one configuration for both directions, and got 2"},
		{"not its end", "-lab.seed=1", "at no end of the link sends no frame on it"},
		{"gateway first", "-lab.seed=1", "route of a to 0.0.0.0/0 by 10.0.0.254"},
		{"error", "-lab.seed=2 -lab.seeds=1..2", "-lab.seed=2 and -lab.seeds=1..2 exclude each other"},
		{"seventh", "-lab.keep=3.loss", "-lab.keep=3.loss: the run has no fault 3: the last one is 1"},
		{"seventh", "-lab.keep=1.corrupt", "-lab.keep=1.corrupt: fault 1 of the run does not do that"},
		{"seventh", "-lab.keep=1.loss:rx:6,999", "-lab.keep=1.loss:rx:999: the fault met no such frames"},
	} {
		if out, err := failing(t, c.failure, strings.Fields(c.flags)...); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s %s: %v, no %q in\n%s", c.failure, c.flags, err, c.want, out)
		}
	}
}

// TestLossSweep: a loss of 0 loses nothing, in a rule for every frame, and in one that chooses frames and says Pass.
func TestLossSweep(t *testing.T) {
	for _, loss := range []float64{1, 0.2, 0} {
		for _, rule := range []labtest.Rule{{Loss: loss}, {Loss: loss, Match: labtest.Filter("tcp"), Pass: true}} {
			t.Run(fmt.Sprint(loss, rule.Pass), func(t *testing.T) {
				labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
					server, client, link := pair(l, labtest.LinkConfig{})
					serveEcho(t, server)
					remove := link.Fault(nil, rule)
					_, err := client.Net().DialTimeout("tcp4", "server:7", 30*time.Second)
					if hits := remove(); (err == nil) != (loss < 1) || (hits == 0) != (loss == 0) {
						t.Errorf("%v, %d frames hit", err, hits)
					}
				})
			})
		}
	}
}

// TestFaultOfASwitch: the frames that a switch sends on a link are those of the other hosts.
func TestFaultOfASwitch(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		a, b, sw := l.Host("a", "10.0.0.1/24"), l.Host("b", "10.0.0.2/24"), l.Switch("s")
		link := l.Link(a, sw)
		l.Link(b, sw)
		serveEcho(t, a)
		for from, want := range map[labtest.End]bool{a: false, sw: true, (*labtest.Host)(nil): true} { // the order does not matter
			remove := link.Fault(from, labtest.Rule{Match: labtest.Filter("tcp dst port 7"), Delay: time.Millisecond})
			c, err := b.Net().Dial("tcp4", "a:7")
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("x"))
			c.Read(make([]byte, 1))
			time.Sleep(time.Second)
			if hits := remove(); hits > 0 != want {
				t.Errorf("from %v: %d frames to a hit", from, hits)
			}
			c.Close()
			time.Sleep(time.Minute)
		}
	})
}

// TestSilentOnNewLinks: a host that is switched off sends nothing on a link made afterwards either.
func TestSilentOnNewLinks(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		a, b := l.Host("a", "10.0.0.1/24"), l.Host("b", "10.0.0.2/24")
		a.Crash(labtest.CrashSilent)
		l.Link(a, b)
		dial := func() error {
			_, err := b.Net().DialTimeout("tcp4", "a:7", time.Minute)
			return err
		}
		if err := dial(); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("silent: %v", err)
		}
		a.Restart()
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("started again: %v", err)
		}
	})
}
