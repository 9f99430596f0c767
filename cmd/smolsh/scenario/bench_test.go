package scenario

import "testing"

// BenchmarkSmallTest runs a tiny test in a worker that has already run one. It measures the cost of a test apart from
// the test's own work.
func BenchmarkSmallTest(b *testing.B) {
	c, _ := config(b, "def test_small():\n    assert.eq(1 + 1, 2)\n")
	for b.Loop() {
		if o := c.once(0, 1, nil, ""); o.Failure != nil {
			b.Fatal(o.Failure)
		}
	}
}
