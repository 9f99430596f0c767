package scenario

import "testing"

// BenchmarkSmallTest runs a test that does little, in a warm worker: the cost of a test beside its own work.
func BenchmarkSmallTest(b *testing.B) {
	c, _ := config(b, "def test_small():\n    assert.eq(1 + 1, 2)\n")
	for b.Loop() {
		if o := c.once(0, 1, nil, ""); o.Failure != nil {
			b.Fatal(o.Failure)
		}
	}
}
