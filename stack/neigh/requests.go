package neigh

// requests is the queue of entries for which a request must be sent. An entry is in it at most once.
type requests[W any] struct {
	first, last *Entry[W]
}

func (q *requests[W]) push(e *Entry[W]) {
	if e.owed {
		return
	}
	e.owed, e.prevOwed, e.nextOwed = true, q.last, nil
	if q.last == nil {
		q.first = e
	} else {
		q.last.nextOwed = e
	}
	q.last = e
}

func (q *requests[W]) pop() *Entry[W] {
	e := q.first
	if e != nil {
		q.remove(e)
	}
	return e
}

func (q *requests[W]) remove(e *Entry[W]) {
	if !e.owed {
		return
	}
	if e.prevOwed == nil {
		q.first = e.nextOwed
	} else {
		e.prevOwed.nextOwed = e.nextOwed
	}
	if e.nextOwed == nil {
		q.last = e.prevOwed
	} else {
		e.nextOwed.prevOwed = e.prevOwed
	}
	e.owed, e.prevOwed, e.nextOwed = false, nil, nil
}
