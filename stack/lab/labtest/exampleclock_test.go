package labtest_test

import (
	"fmt"
	"testing"
	"time"

	"smolsh/stack/lab/labtest"
)

// testClock sleeps for a day of virtual time, and sets one host's clock ahead.
func testClock(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		a, b := l.Host("a", "10.0.0.1/24"), l.Host("b", "10.0.0.2/24")
		l.Link(a, b)
		time.Sleep(24 * time.Hour)
		a.SetClock(time.Minute)
		fmt.Println("a", a.Now().UTC().Format(time.DateTime))
		fmt.Println("b", b.Now().UTC().Format(time.DateTime))
		fmt.Println("elapsed", l.Elapsed())
	})
}

func ExampleHost_SetClock() {
	runTest(testClock)
	// Output:
	// a 2000-01-02 00:01:00
	// b 2000-01-02 00:00:00
	// elapsed 24h0m0s
}
