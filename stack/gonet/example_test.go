package gonet_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// A web server and a client of net/http on two hosts. The link between them loses 5 % of the frames, which TCP retransmits.
func Example_http() {
	world := lab.NewWorld()
	l := lab.New(world, 1)
	server, _ := l.AddHost(lab.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	client, _ := l.AddHost(lab.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	l.Link(server, client, lab.LinkConfig{Delay: time.Millisecond, Loss: 0.05})
	runner := gonet.Drive(world)
	defer runner.Close()

	listener, err := gonet.New(runner, server).Listen("tcp", ":80")
	if err != nil {
		fmt.Println(err)
		return
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.URL.Path[1:])
	})}
	go web.Serve(listener)
	defer web.Close()

	transport := &http.Transport{DialContext: gonet.New(runner, client).DialContext}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://server/world")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, string(body), err)
	// Output: 200 OK hello world <nil>
}

// A name has the addresses of the lab's host, and an unconnected UDP socket exchanges datagrams with another host.
func Example_udp() {
	world := lab.NewWorld()
	l := lab.New(world, 1)
	a, _ := l.AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	b, _ := l.AddHost(lab.HostConfig{Name: "b", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	l.Link(a, b, lab.LinkConfig{})
	runner := gonet.Drive(world)
	defer runner.Close()

	echo, err := gonet.New(runner, b).ListenPacket("udp", ":7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer echo.Close()
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := echo.ReadFrom(buf)
			if err != nil {
				return
			}
			echo.WriteTo(buf[:n], from)
		}
	}()

	c, err := gonet.New(runner, a).Dial("udp", "b:7")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "hello")
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	fmt.Println(string(buf[:n]), c.RemoteAddr(), err)
	// Output: hello 10.0.0.2:7 <nil>
}
