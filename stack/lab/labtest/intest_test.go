package labtest_test

import (
	"flag"
	"testing"
)

// runTest runs a test where there is no testing.T. It prints what fails, and nothing else.
func runTest(test func(t *testing.T)) {
	verbose := flag.Lookup("test.v").Value
	defer verbose.Set(verbose.String())
	verbose.Set("false")
	ran := false // -count and -cpu would repeat it
	every := func(string, string) (bool, error) { return true, nil }
	testing.RunTests(every, []testing.InternalTest{{Name: "Test", F: func(t *testing.T) {
		if !ran {
			ran = true
			test(t)
		}
	}}})
}
