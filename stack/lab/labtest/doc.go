// Package labtest runs Go programs on hosts of a lab inside a test, in virtual time: unchanged net/http between two hosts, with packets
// that are lost, partitions, and hosts that crash.
//
//	func TestFetch(t *testing.T) {
//		labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
//			server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
//			l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond, Loss: 0.05})
//			listener, err := server.Net().Listen("tcp", ":80")
//			...
//			web := http.Client{Transport: &http.Transport{DialContext: client.Net().DialContext}}
//		})
//	}
//
// Run is testing/synctest's Test with a lab. Time passes only while every goroutine waits, and then at once, so an hour of retries takes
// milliseconds. The network runs in lock-step with the program: a turn of the network begins when every goroutine waits, the calls made
// since then are sorted, and the goroutines go on after the turn. So with one seed the network does the same for the same calls; docs/go.md
// says what repeats and what does not.
//
// A test that fails prints its seed, the command that repeats the run, and every host's sockets, and keeps a capture of the
// first 256 MiB of frames. So does one that ends by a panic of the test function or of a program of Host.Go, by a deadlock, or by the watchdog; it
// prints to standard error. A panic of a goroutine that the test began itself ends the program at once.
// Flags of the test program: -lab.seed=N, -lab.seeds=A..B (one run for each seed, until one fails), -lab.capture=DIR (keeps the capture of
// every run), -lab.shrink=DURATION (runs a failing test again, with fewer of the frames that faults have hit, and prints the fewest with which it
// still fails), -lab.keep=FAULTS (keeps only those), -lab.within=DURATION, -lab.watchdog=DURATION.
//
// A run hangs if its program makes no call for the lab's time of -lab.within, 24 hours by default, while calls wait and no goroutine is in
// time.Sleep. The test then fails with its report, and the calls return errors. Programs of Host.Go may take as long to return after the test.
//
// The bubble's rules hold: every goroutine must end before the test does, and a goroutine that waits for a mutex, a system call or a channel
// made elsewhere stops the bubble's time. If that lasts, a watchdog prints the stacks and ends the program. Run itself ends the calls of all
// hosts when the test function returns, and waits for the goroutines of Host.Go. Tests call Lab.Wait in place of synctest.Wait, which the
// network uses itself.
//
// Any goroutine of the bubble may call everything here, but only that of the test what may end the test: making the network, and Restart.
package labtest
