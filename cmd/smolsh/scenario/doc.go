// Package scenario runs scripts that are tests. It finds the tests of *.star files and runs each with each seed in a session of its
// own. It reports the results as text, JSON lines or JUnit's XML, in an order that does not depend on which test ended first.
//
// Files are evaluated and tests run in workers: processes of the program's own binary, each of which runs one test after the other.
// A test that exceeds a bound (time, memory, steps, open calls) fails alone. If its worker does not recover, the worker ends and
// another one takes its place. worker.go is the worker's side of that, pool.go the runner's.
//
// A test that fails in a virtual lab is run once more with every packet captured, so that passing tests pay nothing for the
// capture. The printed command writes the same file again, octet for octet, on any machine. Shrinking repeats the test with
// fewer and fewer of its faults, and then with those at fewer and fewer frames, as long as it fails at the same place.
//
// Left out: workers on other machines, because shards divide a campaign that is too large for one machine.
package scenario
