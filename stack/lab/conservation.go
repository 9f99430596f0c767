package lab

import (
	"errors"
	"fmt"
)

// Conservation checks that every frame is accounted for. On every host, frames in = delivered + answered + forwarded +
// dropped. On every direction of a link, every switch and every device of a switch, frames in + copies = delivered + in
// flight + dropped. It skips hosts that are out of service. The error names the first place where the sums differ.
func (l *Lab) Conservation() error {
	for _, h := range l.hosts {
		if h.broken != nil {
			continue // a panic has stopped the host in the middle of a frame
		}
		if in, accounted := h.Conservation(); in != accounted {
			return fmt.Errorf("host %s: %d frames in, %d accounted for", h.Name(), in, accounted)
		}
	}
	for i, k := range l.links {
		for _, d := range []struct {
			name string
			flow *Flow
		}{{"a->b", &k.ab.stats}, {"b->a", &k.ba.stats}} {
			if err := d.flow.check(); err != nil {
				return fmt.Errorf("link %d %s: %w", i, d.name, err)
			}
		}
	}
	for _, s := range l.switches {
		if err := s.stats.check(); err != nil {
			return fmt.Errorf("switch %s: %w", s.name, err)
		}
		for _, p := range s.ports {
			if err := errors.Join(p.rx.check(), p.tx.check()); err != nil {
				return fmt.Errorf("switch %s: %s: %w", s.name, p.name, err)
			}
		}
	}
	return nil
}

// Conservation checks every lab of the world, see Lab.Conservation.
func (w *World) Conservation() error {
	for _, l := range w.labs {
		if err := l.Conservation(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Flow) check() error {
	in, out := s.In+s.Copies, s.Delivered+s.InFlight+s.Dropped()
	if in != out {
		return fmt.Errorf("%d frames and %d copies in, %d accounted for", s.In, s.Copies, out)
	}
	return nil
}
