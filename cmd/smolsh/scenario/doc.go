// Package scenario runs scripts that are tests. It finds test_*() functions in *.star files and runs each with each seed in
// a session of its own, on a given number of goroutines. It reports the results as text, JSON lines or JUnit's XML, in an
// order that does not depend on which test ended first.
//
// A test that fails in a virtual lab is run once more with every packet captured, so that passing tests pay nothing for the
// capture. The printed command writes the same file again, octet for octet, on any machine. Shrinking repeats the test with
// fewer and fewer of its faults, and then with those at fewer and fewer frames, as long as it fails at the same place.
//
// Left out: tests that are skipped, set-up and tear-down functions (a file's top level runs again for each
// test), and more than one process per machine, because shards divide a campaign that is too large for one machine.
package scenario
