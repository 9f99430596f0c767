// Package stream searches a stream for a delimiter as its octets arrive.
package stream

import (
	"bytes"
	"fmt"
)

// Delimited returns the number of octets of got up to the end of the delimiter, 0 if the delimiter has not arrived yet. The search
// starts at the octet from. It returns an error if the first most octets do not hold the whole delimiter. The result does not depend
// on how the octets arrived.
func Delimited(got []byte, from int, delim []byte, most int) (end int, err error) {
	first := got[:min(len(got), most)]
	if i := bytes.Index(first[min(from, len(first)):], delim); i >= 0 {
		return from + i + len(delim), nil
	}
	if len(got) >= most {
		return 0, fmt.Errorf("no %q in the first %d octets: too big", delim, most)
	}
	return 0, nil
}
