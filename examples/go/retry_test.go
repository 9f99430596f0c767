package examples

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

const patienceOfClient = 500 * time.Millisecond

var buggy = flag.Bool("buggy", false, "the client of TestRetry has a bug")

// A bank is a server of a small RPC protocol over TCP: "deposit ID AMOUNT" is answered by the balance.
type bank struct {
	balance int
	seen    map[string]bool // identifiers of the deposits made
}

// serve answers the requests of one connection. A deposit that was made before, and has the same identifier, is not made again.
func (b *bank) serve(c net.Conn) {
	defer c.Close()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		var id string
		var amount int
		if n, _ := fmt.Sscanf(lines.Text(), "deposit %s %d", &id, &amount); n != 2 {
			return
		}
		if !b.seen[id] {
			b.seen[id] = true
			b.balance += amount
		}
		fmt.Fprintln(c, b.balance)
	}
}

// deposit calls the bank, and tries again on a new connection if there is no answer within half a second. The buggy client makes a new identifier for
// each attempt: a deposit whose answer is lost, or late, is made twice.
func deposit(n *gonet.Net, number, amount int) error {
	var err error
	for attempt := range 20 {
		id := fmt.Sprint(number)
		if *buggy {
			id = fmt.Sprintf("%d-%d", number, attempt)
		}
		if err = call(n, fmt.Sprintf("deposit %s %d\n", id, amount)); err == nil {
			return nil
		}
	}
	return err
}

// call sends one request and waits for the answer.
func call(n *gonet.Net, request string) error {
	c, err := n.DialTimeout("tcp", "bank:1000", patienceOfClient)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patienceOfClient))
	if _, err := c.Write([]byte(request)); err != nil {
		return err
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

// TestRetry makes 20 deposits over a link that loses 2 % of the frames. Whether the bug shows depends on which frames are lost, and so on the
// seed:
//
//	go test -run 'TestRetry$' -buggy -lab.seeds 1..100 -lab.shrink 20s
//
// The failing seed's capture shows that the bank has answered, and that its answer was dropped on the link until the client gave up. Of all lost
// frames, the two that carry that answer are enough.
func TestRetry(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("bank", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		l.Link(server, client, labtest.LinkConfig{Delay: 30 * time.Millisecond, Loss: 0.02})
		b := &bank{seen: map[string]bool{}}
		listener, err := server.Net().Listen("tcp", ":1000")
		if err != nil {
			t.Fatal(err)
		}
		server.Go(func(context.Context, *gonet.Net) { // one connection after the other, so b needs no lock
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				b.serve(c)
			}
		})
		for k := range 20 {
			if err := deposit(client.Net(), k, 10); err != nil {
				t.Fatal(err)
			}
		}
		l.Wait()
		if b.balance != 200 {
			t.Errorf("the balance is %d after 20 deposits of 10", b.balance)
		}
	})
}

// TestRetryBugIsFound runs the command above as a process of its own: some seed shows the bug, and the same seed shows it again.
func TestRetryBugIsFound(t *testing.T) {
	run := func(flags ...string) string {
		cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestRetry$", "-buggy"}, flags...)...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatalf("%v finds no bug:\n%s", flags, out)
		}
		return string(out)
	}
	dir := t.TempDir()
	out := run("-lab.seeds=1..100", "-lab.shrink=20s", "-lab.capture="+dir)
	found := regexp.MustCompile(`(?s)the balance is (\d+) .*repeat: .* -buggy=true -lab.seed=(\d+)\n`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no seed in:\n%s", out)
	}
	t.Logf("seed %s has a balance of %s", found[2], found[1])
	if _, err := os.Stat(filepath.Join(dir, "TestRetry-seed"+found[2]+".pcapng")); err != nil {
		t.Error(err)
	}
	if !regexp.MustCompile(`fails with [12] of \d+ faults`).MatchString(out) {
		t.Errorf("not shrunk:\n%s", out)
	}
	again := run("-lab.seed="+found[2], "-lab.capture="+dir)
	if !regexp.MustCompile("the balance is " + found[1] + " ").MatchString(again) {
		t.Errorf("seed %s does not repeat:\n%s", found[2], again)
	}
}
