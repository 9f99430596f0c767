package labtest_test

import (
	"fmt"
	"testing"
	"time"

	"smolsh/stack/lab/labtest"
)

// testFaults drops exactly one frame: the client's first SYN. The dial succeeds after the retransmission, one second later.
func testFaults(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
		link := l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond})
		listener, err := server.Net().Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		remove := link.Fault(client, labtest.Rule{Match: labtest.Filter("tcp[tcpflags] & tcp-syn != 0"), Nth: []int{1}})
		start := time.Now()
		c, err := client.Net().Dial("tcp", "server:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Println("connected after", time.Since(start).Truncate(time.Second))
		fmt.Println("frames dropped:", remove())
	})
}

func ExampleLink_Fault() {
	runTest(testFaults)
	// Output:
	// connected after 1s
	// frames dropped: 1
}
