// Command live is a web server of net/http whose TCP/IP stack is in the program itself: the kernel is its peer, on the other end of a TAP.
//
//	go run ./live            in this folder's parent; no root is needed
//	go run ./live -tls       the same with HTTPS
//
// It prints the commands to type in another terminal, such as
//
//	nsenter -t 4711 -U -n --preserve-credentials curl http://192.168.69.1/
//
// which answers "you are 192.168.69.100:38080, over 192.168.69.1:80". Each request is a line of the program's output. Ctrl-C ends it.
//
// The program runs in a network namespace of its own, which it makes. So it does not touch the machine's network, and the kernel removes the TAP
// with the namespace. With -device tap0 it uses that TAP of the machine instead, or makes it, which needs root.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"smolsh/phy/ifconfig"
	"smolsh/phy/tap"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

// The addresses of both ends of the TAP.
var (
	ours    = []netip.Prefix{netip.MustParsePrefix("192.168.69.1/24"), netip.MustParsePrefix("fdaa::1/64")}
	kernels = []netip.Prefix{netip.MustParsePrefix("192.168.69.100/24"), netip.MustParsePrefix("fdaa::100/64")}
)

func main() {
	device := flag.String("device", "", "a TAP of the machine's, in place of one in a new network namespace")
	secure := flag.Bool("tls", false, "serve HTTPS")
	flag.Parse()
	if *device == "" && !inside() {
		os.Exit(runInside())
	}
	if err := run(*device, *secure); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// run serves on a TAP until SIGINT or SIGTERM. Without a name it makes one in the namespace in which the process is.
func run(device string, secure bool) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM) // until the end, since Ctrl-C may arrive twice
	prefix := ""
	if device == "" {
		device, prefix = "tap0", enterCommand()
		if err := ifconfig.SetUp("lo", true); err != nil {
			return err
		}
	}
	network, end, err := attach(device)
	if err != nil {
		return err
	}
	defer end()

	listener, scheme, curl, err := listen(network, secure)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	fmt.Println("A web server on", device, "with a TCP/IP stack of its own. In another terminal:")
	for _, p := range ours {
		url := fmt.Sprintf("%s://%s/", scheme, p.Addr())
		if p.Addr().Is6() {
			url = fmt.Sprintf("'%s://[%s]/'", scheme, p.Addr()) // a shell would expand the brackets
		}
		fmt.Printf("  %s%s %s\n", prefix, curl, url)
	}
	fmt.Println("Ctrl-C ends it.")
	select {
	case err = <-failed:
	case <-signals:
		bounded, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err = server.Shutdown(bounded); errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // of requests that are still being answered
		}
	}
	return err
}

// attach opens or makes a TAP, and puts a host of a lab on it. end ends the host.
func attach(device string) (network *gonet.Net, end func(), err error) {
	dev, err := open(device)
	if err != nil {
		return nil, nil, err
	}
	runner, host, err := hostOn(dev)
	if err != nil {
		dev.Close()
		return nil, nil, err
	}
	return gonet.New(runner, host), func() {
		runner.Do(func(clock.Instant) {}) // so that the last segments are sent
		runner.Close()
		dev.Close()
	}, nil
}

// open opens or makes a TAP. The kernel's end is configured only if the TAP is new.
func open(device string) (*tap.Device, error) {
	_, missing := net.InterfaceByName(device)
	dev, err := tap.Open(device, tap.Options{})
	if err != nil || missing == nil {
		return dev, err
	}
	if err = ifconfig.Setup(device, kernels, 0); err == nil {
		err = dev.Refresh()
	}
	if err != nil {
		dev.Close()
	}
	return dev, err
}

// hostOn makes a host on a TAP, and starts its stack.
func hostOn(dev *tap.Device) (lab.Runner, *lab.Host, error) {
	seed, err := randomSeed() // of sequence numbers and ports, which nobody should guess
	if err != nil {
		return nil, nil, err
	}
	world := lab.NewWorld()
	world.OnDeviceError = func(_ *lab.Port, err error) { fmt.Fprintln(os.Stderr, "live:", err) }
	host, err := lab.New(world, seed).AddHost(lab.HostConfig{Name: "web", Addrs: ours})
	if err != nil {
		return nil, nil, err
	}
	if _, err = host.Attach(dev); err != nil {
		return nil, nil, err
	}
	runner, err := live.New(world)
	return runner, host, err
}

// listen returns a listener, the scheme of its URLs, and the command that fetches one.
func listen(network *gonet.Net, secure bool) (l net.Listener, scheme, curl string, err error) {
	if !secure {
		l, err = network.Listen("tcp", ":80")
		return l, "http", "curl", err
	}
	cert, err := certificate(ours)
	if err != nil {
		return nil, "", "", err
	}
	if l, err = network.Listen("tcp", ":443"); err != nil {
		return nil, "", "", err
	}
	l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	return l, "https", "curl --insecure", nil // nobody else knows the certificate
}

// handler answers each request with the addresses of its connection, and /big with 100 MB.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("%s %s from %s\n", r.Method, r.URL.EscapedPath(), r.RemoteAddr)
		fmt.Fprintf(w, "you are %s, over %s\n", r.RemoteAddr, r.Context().Value(http.LocalAddrContextKey))
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000000")
		io.CopyN(w, zeros{}, 100_000_000) // an error means that the client has gone
	})
	return mux
}

// zeros is a reader of octets zero.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
