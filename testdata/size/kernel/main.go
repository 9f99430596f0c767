// Kernel is the program over the operating system's loopback.
package main

import (
	"net"

	"size/web"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	web.Check(err)
	web.Run(l, new(net.Dialer).DialContext, "http://"+l.Addr().String()+"/world")
}
