package script

import "testing"

// TestTasksAreBounded: a session has a maximum number of tasks. The session refuses the next task until one has ended.
// The error says how to raise the maximum.
func TestTasksAreBounded(t *testing.T) {
	want(t, `
print(limits()["tasks"].limit, limits()["handlers"].limit)
limits.set(tasks=4)
all = [spawn(sleep, 1), after(1, lambda: 0), every("1s", lambda: 0), on("tcp", print)]
for f in [lambda: spawn(sleep, 1), lambda: after(1, lambda: 0), lambda: every(1, lambda: 0), lambda: on("tcp", print),
          lambda: serve("tcp", 9, lambda c: 0), lambda: serve("udp", 9, lambda d, s: 0)]:
    print(catch(f).error)
serve("tcp", 7, echo)
l = limits()["tasks"]
print(l.used, l.limit, l.refused, peer.limits()["tasks"].used)
sleep("2s")
spawn(sleep, 1)
limits.set(tasks=3000)
print(len([n for n in range(4000) if not catch(spawn, sleep, 1000).error]))
`, `10000 1000
spawn: 4 tasks run already; limits.set(tasks=…) raises it
after: 4 tasks run already; limits.set(tasks=…) raises it
every: 4 tasks run already; limits.set(tasks=…) raises it
on: 4 tasks run already; limits.set(tasks=…) raises it
serve: 4 tasks run already; limits.set(tasks=…) raises it
serve: 4 tasks run already; limits.set(tasks=…) raises it
4 4 6 4
2997
`)
}

// TestHandlersAreBounded: the function of a server handles a maximum number of connections at once. Further connections
// wait in the backlog, and are handled in turn.
func TestHandlersAreBounded(t *testing.T) {
	want(t, `
limits.set(handlers=2)
now_there, most = [0], [0]
def handle(c):
    now_there[0] += 1
    most[0] = max(most[0], now_there[0])
    c.send(c.recv())
    sleep("100ms")
    now_there[0] -= 1
v = serve("tcp", 7, handle, backlog=100)
def client(n):
    c = peer.tcp.connect("192.168.69.1:7")
    c.send("%d" % n)
    return c.recv()
clients = [spawn(client, n) for n in range(20)]
sleep("50ms")
l = limits()["handlers"]
print(l.used, l.limit, len(v.connections))
print([t.join() for t in clients] == [bytes("%d" % n) for n in range(20)], most[0], limits()["handlers"].refused > 0)
sleep("1s")
limits.set(handlers=1)
hold = [spawn(catch, client, n) for n in range(3)]
sleep("10ms")
v.stop()
v.wait(timeout="1s")
print("stopped")
`, "2 2 2\nTrue 2 True\nstopped\n")
}
