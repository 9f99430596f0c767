package gonet

import "sync"

// A request is one blocked call: octets to read or to write, or a connection to accept. The socket's lock guards it until its end.
type request struct {
	p     []byte
	n     int // octets read or written so far
	err   error
	value any           // what was accepted, or a datagram's source
	ready chan struct{} // has room for one value, which is sent at the request's end
}

// requests are the calls that wait for one direction of a socket, in their order. The socket's lock guards them.
type requests struct {
	list  []*request
	spare *request     // for reuse, so that a call allocates nothing; nil if it is in use
	later func(func()) // Net.later
}

// add appends a request for the octets p.
func (q *requests) add(p []byte) *request {
	r := q.spare
	if q.spare = nil; r == nil {
		r = &request{ready: make(chan struct{}, 1)}
	}
	r.p = p
	q.list = append(q.list, r)
	return r
}

// finish removes the first request, and wakes its caller.
func (q *requests) finish(err error) {
	r := q.list[0]
	last := copy(q.list, q.list[1:])
	q.list[last] = nil
	q.list = q.list[:last]
	r.err = err
	if q.later != nil {
		q.later(func() { r.ready <- struct{}{} })
		return
	}
	r.ready <- struct{}{}
}

// finishAll ends every request with err.
func (q *requests) finishAll(err error) {
	for len(q.list) > 0 {
		q.finish(err)
	}
}

// recycle keeps a request, whose end its caller has seen, for reuse.
func (q *requests) recycle(r *request) {
	*r = request{ready: r.ready}
	q.spare = r
}

// wait makes the owner look at a socket's request, waits for its end, and returns it. mu guards q, the direction of the request.
func (n *Net) wait(t *task, r *request, mu *sync.Mutex, q *requests) request {
	n.submit(t)
	<-r.ready
	mu.Lock()
	defer mu.Unlock()
	got := *r
	q.recycle(r)
	return got
}
