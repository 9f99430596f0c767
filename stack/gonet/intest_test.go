package gonet_test

import (
	"flag"
	"testing"
)

// runTest runs a test where there is no testing.T, or one that has no subtests. It prints what fails, and nothing else.
func runTest(name string, test func(t *testing.T)) (passed bool) {
	verbose := flag.Lookup("test.v").Value
	defer verbose.Set(verbose.String())
	verbose.Set("false")
	ran := false // -count and -cpu would repeat it
	every := func(string, string) (bool, error) { return true, nil }
	return testing.RunTests(every, []testing.InternalTest{{Name: name, F: func(t *testing.T) {
		if !ran {
			ran = true
			test(t)
		}
	}}})
}
