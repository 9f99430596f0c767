package gonet

import (
	"slices"
	"strings"
	"testing"

	"smolsh/stack/clock"
)

// TestOrderOfTasks: sockets come in the order of their age, then calls without a socket in the order of what they ask for, whoever called
// first.
func TestOrderOfTasks(t *testing.T) {
	want := []*task{
		{key: taskKey{socket: 1}, call: 9}, {key: taskKey{socket: 2, want: "dial a"}, call: 3}, {key: taskKey{socket: 3}, call: 1},
		{key: taskKey{want: "dial a"}, call: 8}, {key: taskKey{want: "dial b"}, call: 2}, {key: taskKey{want: "dial b"}, call: 4},
	}
	list := slices.Clone(want)
	slices.Reverse(list)
	slices.SortFunc(list, compareTasks)
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("task %d is %+v, want %+v", i, *list[i], *want[i])
		}
	}
}

// TestOrderOfCalls: in lock-step the calls of a turn run in the order of the hosts' names, and those of Do and Post after them, in the order
// in which they were made.
func TestOrderOfCalls(t *testing.T) {
	settled := 0
	d := &Driver{wake: make(chan struct{}, 1), settle: func() { settled++ }}
	var got []string
	for _, c := range strings.Fields("2 c 1 a b") {
		host := strings.Trim(c, "12")
		d.post(host, func(clock.Instant) { got = append(got, c) })
	}
	list := d.begin(nil)
	for _, c := range list {
		c.fn(0)
	}
	if want := strings.Fields("a b c 2 1"); !slices.Equal(got, want) || settled != 1 {
		t.Errorf("order %q, settled %d times", got, settled)
	}
}
