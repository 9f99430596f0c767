package labtest_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// testPartition cuts two hosts of a switch off from each other for ten seconds. TCP retransmits, and the answer comes after the partition.
func testPartition(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		sw := l.Switch("sw")
		l.Link(server, sw)
		l.Link(client, sw)
		listener, err := server.Net().Listen("tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		server.Go(func(context.Context, *gonet.Net) {
			if c, err := listener.Accept(); err == nil {
				io.Copy(c, c)
			}
		})
		c, err := client.Net().Dial("tcp", "server:7")
		if err != nil {
			t.Fatal(err)
		}
		l.Partition(server, client)
		time.AfterFunc(10*time.Second, l.Heal)
		start := time.Now()
		c.Write([]byte("hello"))
		buf := make([]byte, 5)
		_, err = io.ReadFull(c, buf)
		fmt.Println(string(buf), err, time.Since(start) > 10*time.Second)
	})
}

func ExampleLab_Partition() {
	runTest(testPartition)
	// Output: hello <nil> true
}
