package lab

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// nameRule states which names hosts and switches may have.
const nameRule = "a name has letters, digits and marks such as - and _, and no blanks, control characters or any of : . / [ ] % \" '"

// CheckName returns an error that says what a host's name may be, if s can't be one. A name can't be taken for an address,
// for an endpoint or for a file.
func CheckName(s string) error {
	if s == "" {
		return errors.New("the name is empty: " + nameRule)
	}
	if len(s) > 64 {
		return errors.New("a name has at most 64 octets")
	}
	for _, r := range s {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`:./[]%"'\`, r) || r == unicode.ReplacementChar {
			return fmt.Errorf("%q can't be a name: %s", s, nameRule)
		}
	}
	return nil
}
