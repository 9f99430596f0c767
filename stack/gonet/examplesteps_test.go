package gonet_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// testSteps sends a datagram over a link of a second, in virtual time and in lock-step with the network. Package labtest does the rest of the
// work of such a test.
func testSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := lab.NewWorld()
		l := lab.New(world, 1)
		moon, _ := l.AddHost(lab.HostConfig{Name: "moon", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
		mars, _ := l.AddHost(lab.HostConfig{Name: "mars", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		l.Link(moon, mars, lab.LinkConfig{Delay: time.Second})
		runner := gonet.DriveInSteps(world, synctest.Wait)
		defer runner.Close()

		to, err := gonet.New(runner, mars).ListenPacket("udp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		from, err := gonet.New(runner, moon).Dial("udp", "mars:9")
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		buf := make([]byte, 99)
		for range 2 { // the first waits for ARP
			start := time.Now()
			fmt.Fprint(from, "hello")
			n, _, err := to.ReadFrom(buf)
			fmt.Println(string(buf[:n]), err, time.Since(start) == time.Second)
		}
	})
}

func ExampleDriveInSteps() {
	runTest("TestSteps", testSteps)
	// Output:
	// hello <nil> false
	// hello <nil> true
}
