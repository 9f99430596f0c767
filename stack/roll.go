package stack

// shortRoll is the largest number of places that a roll searches linearly.
const shortRoll = 8

// roll is a set of members in the order in which they joined. Joining and leaving cost O(1) each, amortised. Members
// may join and leave during a walk; the walk does not visit a member that joins during it. The zero roll is empty, and
// so is a nil roll, which no member can join.
type roll[T comparable] struct {
	places []T       // members in order of joining; zero in the place of a member that has left
	at     map[T]int // index of each member in places; nil while the roll is short
	n      int       // number of members
	walks  int       // walks in progress, during which places do not move
}

// len returns the number of members.
func (r *roll[T]) len() int {
	if r == nil {
		return 0
	}
	return r.n
}

// find returns the index of v in places, -1 if v is no member.
func (r *roll[T]) find(v T) int {
	if r == nil {
		return -1
	}
	if r.at != nil {
		if k, ok := r.at[v]; ok {
			return k
		}
		return -1
	}
	for k, m := range r.places {
		if m == v {
			return k
		}
	}
	return -1
}

// has reports whether v is a member. v must not be zero.
func (r *roll[T]) has(v T) bool { return r.find(v) >= 0 }

// join adds v, which must not be zero or a member already.
func (r *roll[T]) join(v T) {
	r.places = append(r.places, v)
	r.n++
	if r.at != nil {
		r.at[v] = len(r.places) - 1
	} else if len(r.places) > shortRoll {
		r.index()
	}
}

// leave removes v, if it is a member.
func (r *roll[T]) leave(v T) {
	k := r.find(v)
	if k < 0 {
		return
	}
	var zero T
	r.places[k] = zero
	r.n--
	delete(r.at, v)
	r.compact()
}

// compact closes the gaps once there are more gaps than members.
func (r *roll[T]) compact() {
	if r.walks > 0 || len(r.places) <= 2*r.n {
		return
	}
	var zero T
	members := make([]T, 0, r.n)
	for _, v := range r.places {
		if v != zero {
			members = append(members, v)
		}
	}
	r.places, r.at = members, nil
	if len(members) > shortRoll {
		r.index()
	}
}

func (r *roll[T]) index() {
	var zero T
	r.at = make(map[T]int, len(r.places))
	for k, v := range r.places {
		if v != zero {
			r.at[v] = k
		}
	}
}

// all calls yield with each member until it returns false.
func (r *roll[T]) all(yield func(T) bool) {
	if r == nil {
		return
	}
	var zero T
	r.walks++
	for k, n := 0, len(r.places); k < n; k++ {
		if v := r.places[k]; v != zero && !yield(v) {
			break
		}
	}
	r.walks--
	r.compact()
}

// rollIn returns the roll at key in m, and makes it if there is none.
func rollIn[K, T comparable](m map[K]*roll[T], key K) *roll[T] {
	r := m[key]
	if r == nil {
		r = new(roll[T])
		m[key] = r
	}
	return r
}

// leaveIn removes v from the roll at key in m. It also removes the roll if it is then empty.
func leaveIn[K, T comparable](m map[K]*roll[T], key K, v T) {
	r := m[key]
	if r == nil {
		return
	}
	if r.leave(v); r.n == 0 {
		delete(m, key)
	}
}
