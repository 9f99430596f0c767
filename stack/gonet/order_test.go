package gonet

import (
	"slices"
	"testing"
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
