package labtest_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestRepeats: the same seed gives the same octets at the same instants, though many goroutines call at once; with TLS too, if its random
// numbers are fixed. LABTEST_RUNS sets the number of runs.
func TestRepeats(t *testing.T) {
	runs := 5
	fmt.Sscan(os.Getenv("LABTEST_RUNS"), &runs)
	for name, program := range map[string]func(t *testing.T, l *labtest.Lab, server, client *labtest.Host){
		"http": manyClients, "https": secureClient,
	} {
		t.Run(name, func(t *testing.T) {
			first, frames := digest(t, program)
			for k := range runs - 1 {
				if d, n := digest(t, program); d != first {
					t.Fatalf("run %d has %d frames, the first has %d", k+2, n, frames)
				}
			}
			t.Logf("%d runs of %d frames, %.8x", runs, frames, first)
		})
	}
}

// digest returns a hash of every frame that the client's interface has seen, with its instant, and their number.
func digest(t *testing.T, program func(t *testing.T, l *labtest.Lab, server, client *labtest.Host)) (sum string, frames int) {
	hash := sha256.New()
	cryptotest.SetGlobalRandom(t, 1)
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, _ := pair(l, labtest.LinkConfig{Delay: 3 * time.Millisecond, Loss: 0.05, RateBps: 20_000_000})
		l.Do(func(clock.Instant) {
			client.Host().Observe(func(ev *stack.PacketEvent) {
				frames++
				binary.Write(hash, binary.BigEndian, int64(ev.Now))
				hash.Write(ev.Frame.Bytes())
			})
		})
		program(t, l, server, client)
	})
	return string(hash.Sum(nil)), frames
}

// echoBody is a handler that reads the request's body, and answers with it.
var echoBody = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Write(body)
})

// manyClients lets eight goroutines of the client send requests at the same instants, each to a port of its own, so that no two dials are
// the same.
func manyClients(t *testing.T, l *labtest.Lab, server, client *labtest.Host) {
	web := &http.Server{Handler: echoBody}
	defer web.Close()
	for k := range 8 {
		listener, err := server.Net().Listen("tcp", fmt.Sprint(":", 8000+k))
		if err != nil {
			t.Fatal(err)
		}
		server.Go(func(context.Context, *gonet.Net) { web.Serve(listener) })
	}
	var group sync.WaitGroup
	for k := range 8 {
		group.Go(func() {
			transport := &http.Transport{DialContext: client.Net().DialContext}
			defer transport.CloseIdleConnections()
			for range 3 {
				post(t, &http.Client{Transport: transport}, fmt.Sprintf("http://10.0.0.1:%d/", 8000+k), 10_000*k)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	group.Wait()
}

// secureClient sends requests over TLS, each on a new connection.
func secureClient(t *testing.T, l *labtest.Lab, server, client *labtest.Host) {
	transport := serveTLS(t, server, client, false)
	transport.DisableKeepAlives = true
	for k := range 10 {
		post(t, &http.Client{Transport: transport}, "https://10.0.0.1/", 10_000*k)
	}
}

// post sends a body of n octets and expects it back.
func post(t *testing.T, c *http.Client, url string, n int) {
	t.Helper()
	answer, err := c.Post(url, "", strings.NewReader(strings.Repeat("x", n)))
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	if got, err := io.Copy(io.Discard, answer.Body); got != int64(n) || err != nil {
		t.Errorf("%d octets, %v", got, err)
	}
}

// serveTLS starts a server of HTTPS on port 443 until the test ends, and returns the client's transport.
func serveTLS(t *testing.T, server, client *labtest.Host, http2 bool) *http.Transport {
	t.Helper()
	listener, err := server.Net().Listen("tcp", ":443")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(echoBody)
	web.Listener.Close()
	web.Listener, web.EnableHTTP2 = listener, http2
	web.StartTLS()
	t.Cleanup(web.Close)
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	transport := &http.Transport{DialContext: client.Net().DialContext, ForceAttemptHTTP2: http2,
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}
