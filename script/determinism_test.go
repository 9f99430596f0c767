package script

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// proof is a script with everything that could make two runs differ: tasks, a timeout, http.get, a cancellation, loss,
// and a deadlock at the end.
const proof = `
l = lab(seed=3)
l.capture(args[0])
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
w = l.link(a, b, delay="3ms", jitter="1ms", rate="20mbit", loss=0.02)
fault(w, corrupt=0.01, duplicate=0.02)
f = fault(w, loss=0.01, burst=3, jitter="2ms", reorder=0.01, rate="15mbit", limit=50, max_size=1514)
after("20ms", lambda: f.set(loss=0.02, bucket=40, interval="10ms"))
def page(c):
    c.recv_until("\r\n\r\n")
    c.send("HTTP/1.0 200 OK\r\n\r\n" + "page " * 20000)
b.serve("tcp", 80, page)
use(a)
def fetch():
    return len(http.get("http://10.0.0.2/").body)
both = [spawn(fetch), spawn(fetch)]
c = tcp.connect("10.0.0.2:80")
print(catch(c.recv, timeout="50ms").error)
t = spawn(c.recv)
after("1s", t.cancel)
print([x.join() for x in both], fmt(now(), 6))
tcp.listen(81).accept()
`

func TestEqualSeedsWriteEqualCaptures(t *testing.T) {
	run := func(seed uint64) (capture []byte, printed string) {
		file := filepath.Join(t.TempDir(), "x.pcapng")
		s := newSim(t, seed, file)
		if got := status(s.RunSource("proof.star", proof)); got != 1 || !bytes.HasPrefix([]byte(s.err.String()), []byte("deadlock")) {
			t.Fatalf("exit status %d, said %q", got, s.err.String())
		}
		for _, c := range s.watching.captures {
			if err := c.close(s.Session); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b, s.out.String()
	}
	first, said := run(1)
	again, saidAgain := run(1)
	if !bytes.Equal(first, again) || said != saidAgain {
		t.Errorf("the same seed gave captures of %d and %d octets and\n%s%s", len(first), len(again), said, saidAgain)
	}
	if want := "tcp 10.0.0.2:80: timed out\n[100000, 100000] "; len(said) < len(want) || said[:len(want)] != want {
		t.Errorf("printed %q", said)
	}
	other, _ := run(2)
	if bytes.Equal(first, other) {
		t.Error("another seed gave the same capture")
	}
	if len(first) < 200000 {
		t.Errorf("the capture has %s", fmt.Sprint(len(first)))
	}
}
