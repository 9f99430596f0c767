// Package scenario runs scripts that are tests: it finds test_*() functions in *.star files, runs each
// with each seed in a session of its own, on as many goroutines as it is given, and reports what came of
// them, in an order that does not depend on which test ended first: text for people, JSON lines, JUnit's XML.
//
// A test that fails in a virtual lab is run once more with every packet captured, so that those that pass
// cost nothing for it; the file is the one that the printed command writes again, octet for octet, on any
// machine. Shrinking repeats it with fewer and fewer of its faults, and then with those at fewer and fewer frames,
// for as long as it fails at the same place.
//
// Left out: tests that are skipped, set-up and tear-down functions (a file's top level runs anew for each
// test), more than one process per machine: a campaign larger than a machine is cut into shards.
package scenario
