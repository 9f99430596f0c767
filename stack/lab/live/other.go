//go:build !linux

package live

import (
	"errors"

	"smolsh/stack/lab"
)

// New returns an error: the loop needs Linux's ppoll and eventfd.
func New(*lab.World) (lab.Runner, error) {
	return nil, errors.New("live: only on Linux; use a virtual lab")
}
