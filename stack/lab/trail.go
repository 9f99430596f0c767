package lab

import (
	"smolsh/phy"
	"smolsh/stack/drop"
)

// trail follows one frame and its copies from the sender's port to every place where one of them ends, for the captures of
// several hosts, which write one record for all of them.
type trail struct {
	frames  int // the frame and its copies that have not ended
	records []*captureRecord
	early   []string // outcomes before a host has seen the frame, which comes from a device
}

// follow gives the frame f a trail while a capture of several hosts runs. A frame that has a trail keeps it.
func (w *World) follow(f *phy.Frame) {
	if w.records.following == 0 || f.Trail != 0 {
		return
	}
	if w.records.trails == nil {
		w.records.trails = map[uint64]*trail{}
	}
	w.records.lastTrail++
	f.Trail = w.records.lastTrail
	w.records.trails[f.Trail] = &trail{frames: 1}
}

// leaveTrail ends the trail of f, which goes to a device or will be recycled. The records of a frame whose last copy has
// ended are complete.
func (w *World) leaveTrail(f *phy.Frame) {
	if f.Trail == 0 {
		return
	}
	t := w.records.trails[f.Trail]
	if t.frames--; t.frames == 0 {
		delete(w.records.trails, f.Trail)
		for _, r := range t.records {
			r.complete = true
			r.file.writeComplete()
		}
	}
	f.Trail = 0
}

// noteDrop records that the frame f was dropped on a link or in a switch. The string at names the place, and is empty
// for a link between two hosts.
func (w *World) noteDrop(f *phy.Frame, at string, why drop.Reason, link bool) {
	if f.Trail == 0 {
		return
	}
	what := "dropped: " + why.String()
	if link {
		what = phy.Marks{Lost: why}.After("")
	}
	if at != "" {
		what = at + ": " + what
	}
	t := w.records.trails[f.Trail]
	if len(t.records) == 0 {
		t.early = append(t.early, what)
	}
	for _, r := range t.records {
		r.add(what)
	}
}

// noteArrival records that the frame f has arrived at a station.
func (w *World) noteArrival(f *phy.Frame, at string) {
	if f.Trail == 0 {
		return
	}
	for _, r := range w.records.trails[f.Trail].records {
		r.add(at + ": arrived")
	}
}
