package kernel

import (
	"errors"
	"io"
	"os"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/service"
)

// meter is the handler of kernel.measure.serve: the other end of measure.
const meter service.Kind = "measure"

// Times of a connection of a measurement.
const (
	commandTime = 10 * time.Second      // within which the client has to say which way the data flows
	lookTime    = 50 * time.Millisecond // after which a sender looks whether the client's stream has ended
)

// measureServe implements kernel.measure.serve.
func measureServe(c *Call) (starlark.Value, error) { return c.serveOn("tcp", meter) }

// measure serves one connection of a measurement. It returns an error only if t has to end.
func (v *conn) measure(t Task) error {
	command, err := v.recv(t, 1, commandTime)
	switch {
	case err != nil || len(command) == 0:
	case command[0] == service.MeasureUp:
		return v.serve(t, service.Discard)
	case command[0] == service.MeasureDown:
		_ = wait(t, &v.reads, "the end of "+v.String(), forever, v.c.SetDeadline, v.sourceUntilEnd)
	}
	return t.Err()
}

// sourceUntilEnd sends the character generator's stream until the peer ends its own. It runs without the baton.
func (v *conn) sourceUntilEnd() error {
	sent, looked := int64(0), time.Now()
	for {
		m, err := v.c.Write(service.Characters(sent, service.Chunk))
		if err != nil {
			return err
		}
		sent += int64(m)
		if time.Since(looked) < lookTime {
			continue
		}
		looked = time.Now()
		_ = v.c.SetReadDeadline(looked.Add(time.Millisecond))
		if _, err := v.c.Read(make([]byte, 1)); err == io.EOF {
			return nil
		} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}
