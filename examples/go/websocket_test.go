package examples

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestWebSocket shows an unchanged WebSocket library, github.com/coder/websocket: a server that answers messages in capitals, and a client that sends
// 20 of up to 20 kB, pings, and closes, over a link that loses 3 % of the frames. The masks of the client's frames are random numbers of
// crypto/rand; fixed by testing/cryptotest, all runs send the same octets at the same instants. Type
//
//	go test -run TestWebSocket -v        # the runs are equal
//	go test -run TestWebSocket -v -asis  # without fixed random numbers the first request differs, in Sec-WebSocket-Key
func TestWebSocket(t *testing.T) { repeats(t, fixCrypto, webSocket) }

func webSocket(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) {
	server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
	l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond, Loss: 0.03})
	record(server, client)

	listener, err := server.Net().Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(shout)}
	server.Go(func(context.Context, *gonet.Net) { web.Serve(listener) })
	defer web.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	transport := &http.Transport{DialContext: client.Net().DialContext}
	defer transport.CloseIdleConnections()
	c, _, err := websocket.Dial(ctx, "ws://server/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for k := range 20 {
		words := fmt.Sprint("message ", k, strings.Repeat(" and more", k*100))
		if err := c.Write(ctx, websocket.MessageText, []byte(words)); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := c.Read(ctx); err != nil || string(answer) != strings.ToUpper(words) {
			t.Fatalf("message %d: %.40q, %v", k, answer, err)
		}
	}
	done := c.CloseRead(ctx) // reads the pong
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(websocket.StatusNormalClosure, "enough"); err != nil {
		t.Fatal(err)
	}
	<-done.Done()
}

// shout answers the messages of a client in capitals.
func shout(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, words, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, []byte(strings.ToUpper(string(words)))) != nil {
			return
		}
	}
}
