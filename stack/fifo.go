package stack

// keptItems is the largest ring that an empty fifo keeps, in items.
const keptItems = 1024

// fifo is a queue in a ring that grows to a limit. An empty queue frees a large ring.
type fifo[T any] struct {
	items   []T
	head, n int
}

// push appends v, or returns false if the queue already holds limit items.
func (q *fifo[T]) push(v T, limit int) bool {
	if q.n >= limit {
		return false
	}
	if q.n == len(q.items) {
		items := make([]T, max(8, 2*q.n))
		k := copy(items, q.items[q.head:])
		copy(items[k:], q.items[:q.head])
		q.items, q.head = items, 0
	}
	q.items[(q.head+q.n)%len(q.items)] = v
	q.n++
	return true
}

// pop removes and returns the first item. ok is false if the queue is empty.
func (q *fifo[T]) pop() (v T, ok bool) {
	if q.n == 0 {
		return v, false
	}
	var zero T
	v, q.items[q.head] = q.items[q.head], zero
	q.head = (q.head + 1) % len(q.items)
	if q.n--; q.n == 0 && len(q.items) > keptItems {
		q.items, q.head = nil, 0
	}
	return v, true
}
