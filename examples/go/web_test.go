// Package examples has Go programs whose network is a lab. Type go test ./... in this folder: every test passes, in seconds, without root and
// without a network. Each test says what else to type. Package live below is a program on a TAP.
package examples

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestWeb runs a web server and a client of net/http on two hosts. The link between them loses 5 % of the frames, which TCP
// retransmits. Type
//
//	go test -run TestWeb -v               # "20 pages in 1m53s of the lab's time", after a fraction of a second
//	go test -run TestWeb -lab.capture .   # keeps a capture of all frames, for tshark -r
//	go test -run TestWeb -lab.seeds 1..9  # with other frames lost
func TestWeb(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond, Loss: 0.05, RateBps: 10_000_000})

		listener, err := server.Net().Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s: %0100000d", r.URL.Path, 0)
		})}
		server.Go(func(context.Context, *gonet.Net) { web.Serve(listener) })
		defer web.Close()

		transport := &http.Transport{DialContext: client.Net().DialContext}
		defer transport.CloseIdleConnections()
		browser := http.Client{Transport: transport, Timeout: time.Minute}
		for k := range 20 {
			answer, err := browser.Get(fmt.Sprintf("http://server/%d", k))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if want := fmt.Sprintf("/%d: %0100000d", k, 0); err != nil || string(body) != want {
				t.Fatalf("page %d: %d octets, %v", k, len(body), err)
			}
			time.Sleep(5 * time.Second)
		}
		t.Logf("20 pages in %v of the lab's time", l.Elapsed())
	})
}

// TestServerRestarts shows what a client sees of a server that loses its power and comes back: a timeout, and then an answer on a new
// connection. Type
//
//	go test -run TestServerRestarts -v
//	go test -run TestServerRestarts -lab.capture .  # the capture shows the client's retransmissions, and no answer
func TestServerRestarts(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		l.Link(server, client, labtest.LinkConfig{Delay: time.Millisecond})
		serve := func() {
			server.Go(func(_ context.Context, n *gonet.Net) {
				listener, err := n.Listen("tcp", ":80")
				if err != nil {
					t.Error(err)
					return
				}
				http.Serve(listener, http.NotFoundHandler()) // until the host crashes or the test ends
			})
		}
		browser := http.Client{Transport: &http.Transport{DialContext: client.Net().DialContext}, Timeout: 3 * time.Second}
		get := func() error {
			answer, err := browser.Get("http://server/")
			if err == nil {
				answer.Body.Close()
			}
			return err
		}

		serve()
		l.Wait() // for the listener
		if err := get(); err != nil {
			t.Error(err)
		}
		server.Crash(labtest.CrashSilent)
		if err := get(); err == nil {
			t.Error("a server without power has answered")
		}
		server.Restart()
		serve()
		l.Wait()
		if err := get(); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		browser.CloseIdleConnections()
	})
}
