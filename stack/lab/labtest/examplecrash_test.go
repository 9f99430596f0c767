package labtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// testPowerCut switches a server off. Its peer notices nothing until the server runs again and resets the connection that it no longer knows.
func testPowerCut(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		l.Link(server, client)
		echo := func(ctx context.Context, n *gonet.Net) {
			listener, err := n.Listen("tcp", ":7")
			if err != nil {
				t.Error(err)
				return
			}
			for {
				c, err := listener.Accept()
				if err != nil {
					fmt.Println("the server's program ends:", context.Cause(ctx))
					return
				}
				server.Go(func(context.Context, *gonet.Net) { io.Copy(c, c) })
			}
		}
		server.Go(echo)
		l.Wait() // until it listens
		c, err := client.Net().Dial("tcp", "server:7")
		if err != nil {
			t.Fatal(err)
		}

		server.Crash(labtest.CrashSilent)
		c.Write([]byte("hello"))
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 5))
		fmt.Println("timeout:", errors.Is(err, os.ErrDeadlineExceeded))

		server.Restart()
		server.Go(echo)
		c.SetReadDeadline(time.Time{})
		_, err = c.Read(make([]byte, 5))
		fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
		c, err = client.Net().Dial("tcp", "server:7")
		fmt.Println("new connection:", c != nil, err)
	})
}

func ExampleHost_Crash() {
	runTest(testPowerCut)
	// Output:
	// the server's program ends: the host has crashed
	// timeout: true
	// reset: true
	// new connection: true <nil>
	// the server's program ends: the test has ended
}
