package examples

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestHTTPS shows unchanged crypto/tls below net/http: a server with a certificate of its own, and a client that checks it, over a link that loses 3 % of
// the frames. With random numbers fixed by testing/cryptotest, all runs send the same octets at the same instants, those of the handshakes
// among them. Type
//
//	go test -run TestHTTPS -v              # the runs are equal
//	go test -run TestHTTPS -v -asis        # without fixed random numbers the first ClientHello differs
//	go test -run TestHTTPS -lab.capture .  # keeps a capture, for tshark -r
func TestHTTPS(t *testing.T) { repeats(t, fixCrypto, https) }

func https(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) {
	server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
	l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond, Loss: 0.03})
	record(server, client)

	cert, roots := certificate(t, "server")
	listener, err := server.Net().Listen("tcp", ":443")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: %0100000d", r.URL.Path, 0)
	})}
	server.Go(func(context.Context, *gonet.Net) {
		web.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}}))
	})
	defer web.Close()

	// A connection for each page, so that there are five handshakes.
	transport := &http.Transport{DialContext: client.Net().DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	browser := http.Client{Transport: transport, Timeout: time.Minute}
	for k := range 5 {
		answer, err := browser.Get(fmt.Sprintf("https://server/%d", k))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if want := fmt.Sprintf("/%d: %0100000d", k, 0); err != nil || string(body) != want {
			t.Fatalf("page %d: %d octets, %v", k, len(body), err)
		}
	}
}

// certificate makes a certificate for a host's name, and the roots with which a client accepts it.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)} // of the bubble's time
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
