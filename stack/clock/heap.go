package clock

// A Timer is a deadline that can be moved, and removed from its Heap, in O(log n). Its owner embeds it or holds it;
// the heap returns it with its Value when it is due. The zero Timer is in no heap.
type Timer[T any] struct {
	Value T
	at    Instant
	order uint64 // timers of one deadline are due in the order in which they were set
	index int    // position in the heap plus one; 0 if it is in none
}

// At returns the deadline, Never if the timer is not set.
func (t *Timer[T]) At() Instant {
	if t.index == 0 {
		return Never
	}
	return t.at
}

// keptTimers is the number of timers for which a Heap keeps storage, however few are set.
const keptTimers = 1024

// A Heap orders timers by deadline, and timers of one deadline by when they were set. It allocates when it grows
// beyond its storage. When less than a quarter of the storage is in use, it frees half of it.
type Heap[T any] struct {
	timers []*Timer[T]
	order  uint64
}

// Len returns the number of timers set.
func (h *Heap[T]) Len() int { return len(h.timers) }

// Next returns the earliest deadline, Never if no timer is set.
func (h *Heap[T]) Next() Instant {
	if len(h.timers) == 0 {
		return Never
	}
	return h.timers[0].at
}

// First returns the timer with the earliest deadline, nil if none is set.
func (h *Heap[T]) First() *Timer[T] {
	if len(h.timers) == 0 {
		return nil
	}
	return h.timers[0]
}

// Set sets the deadline of t to at. If at is Never, it removes t. If t already has that deadline, t keeps its place
// among the timers of the same deadline.
func (h *Heap[T]) Set(t *Timer[T], at Instant) {
	if at == Never {
		h.Stop(t)
		return
	}
	if t.index != 0 && t.at == at {
		return
	}
	h.order++
	t.at, t.order = at, h.order
	if t.index == 0 {
		h.timers = append(h.timers, t)
		t.index = len(h.timers)
		h.up(t.index - 1)
		return
	}
	if i := t.index - 1; !h.up(i) {
		h.down(i)
	}
}

// Stop removes t from the heap, if it is there.
func (h *Heap[T]) Stop(t *Timer[T]) {
	if t.index == 0 {
		return
	}
	i, last := t.index-1, len(h.timers)-1
	h.swap(i, last)
	h.timers[last] = nil
	h.timers = h.timers[:last]
	t.index = 0
	if c := cap(h.timers); c > keptTimers && last < c/4 {
		h.timers = append(make([]*Timer[T], 0, c/2), h.timers...)
	}
	if i < last && !h.up(i) {
		h.down(i)
	}
}

// Pop removes and returns the earliest timer that is due at time now, nil if none is.
func (h *Heap[T]) Pop(now Instant) *Timer[T] {
	if len(h.timers) == 0 || h.timers[0].at > now {
		return nil
	}
	t := h.timers[0]
	h.Stop(t)
	return t
}

func (h *Heap[T]) less(i, j int) bool {
	a, b := h.timers[i], h.timers[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (h *Heap[T]) swap(i, j int) {
	h.timers[i], h.timers[j] = h.timers[j], h.timers[i]
	h.timers[i].index, h.timers[j].index = i+1, j+1
}

func (h *Heap[T]) up(i int) bool {
	moved := false
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			break
		}
		h.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (h *Heap[T]) down(i int) {
	for {
		least, l, r := i, 2*i+1, 2*i+2
		if l < len(h.timers) && h.less(l, least) {
			least = l
		}
		if r < len(h.timers) && h.less(r, least) {
			least = r
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
