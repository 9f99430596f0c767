package gonet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// network returns the networks of two linked hosts, server (10.0.0.1) and client (10.0.0.2), and what ends them.
func network() (server, client *gonet.Net, stop func() error) {
	world := lab.NewWorld()
	l := lab.New(world, 1)
	a, _ := l.AddHost(lab.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	b, _ := l.AddHost(lab.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	l.Link(a, b, lab.LinkConfig{})
	runner := gonet.Drive(world)
	return gonet.New(runner, a), gonet.New(runner, b), runner.Close
}

// Listen and Dial are those of package net, on a host. CloseWrite ends one direction.
func ExampleNet_Dial() {
	server, client, stop := network()
	defer stop()
	l, err := server.Listen("tcp", ":7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, c)
	}()

	c, err := client.Dial("tcp", "server:7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	c.(*gonet.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	fmt.Println(c.RemoteAddr(), string(answer), err)
	// Output: 10.0.0.1:7 hello <nil>
}

// A deadline ends a blocked call, and errors are those of package net on Linux.
func ExampleTCPConn_SetReadDeadline() {
	server, client, stop := network()
	defer stop()
	l, err := server.Listen("tcp", ":7")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := client.Dial("tcp", "10.0.0.1:7")
	if err != nil {
		fmt.Println(err)
		return
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err = c.Read(make([]byte, 1))
	fmt.Println("timeout:", errors.Is(err, os.ErrDeadlineExceeded))

	l.Close() // the connection was not accepted
	c.SetReadDeadline(time.Time{})
	_, err = c.Read(make([]byte, 1))
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))

	c.Close()
	_, err = c.Read(make([]byte, 1))
	fmt.Println("closed:", errors.Is(err, net.ErrClosed))

	_, err = client.Dial("tcp", "10.0.0.1:7")
	fmt.Println(err)
	// Output:
	// timeout: true
	// reset: true
	// closed: true
	// dial tcp 10.0.0.1:7: connect: connection refused
}

// A Resolver finds the lab's hosts by name. WithDNS adds servers for other names.
func ExampleResolver() {
	server, client, stop := network()
	defer stop()
	r := client.Resolver()
	addrs, err := r.LookupHost(context.Background(), "Server")
	fmt.Println(addrs, err)
	names, err := r.LookupAddr(context.Background(), "10.0.0.1")
	fmt.Println(names, err)
	_, err = r.LookupHost(context.Background(), "elsewhere")
	fmt.Println(err)
	_, err = server.Dial("tcp", "elsewhere:80")
	fmt.Println(err)
	// Output:
	// [10.0.0.1] <nil>
	// [server] <nil>
	// lookup elsewhere: no such host
	// dial tcp: lookup elsewhere: no such host
}

// Drive moves a lab on the program's clock. Do runs a function on the goroutine that owns the lab: hosts, links and rules belong to it.
func ExampleDrive() {
	world := lab.NewWorld()
	l := lab.New(world, 1)
	host, err := l.AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	runner := gonet.Drive(world)
	defer runner.Close()
	listener, err := gonet.New(runner, host).Listen("tcp", ":80")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	runner.Do(func(now clock.Instant) {
		for _, s := range host.SocketInfos(now) {
			fmt.Println(s.NetID, s.State, s.Local.Port())
		}
	})
	// Output: tcp LISTEN 80
}
