// Gonet is the program on two hosts of smolsh, joined by a link in memory.
package main

import (
	"net/netip"

	"size/web"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

func main() {
	world := lab.NewWorld()
	l := lab.New(world, 1)
	server, err := l.AddHost(lab.HostConfig{Name: "server", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	web.Check(err)
	client, err := l.AddHost(lab.HostConfig{Name: "client", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	web.Check(err)
	_, err = l.Link(server, client, lab.LinkConfig{})
	web.Check(err)
	runner := gonet.Drive(world)
	listener, err := gonet.New(runner, server).Listen("tcp", ":80")
	web.Check(err)
	web.Run(listener, gonet.New(runner, client).DialContext, "http://10.0.0.1/world")
}
