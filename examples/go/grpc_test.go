package examples

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestGRPC shows an unchanged RPC library, google.golang.org/grpc, over a link that loses 3 % of the frames: a service with a codec of its own, called
// with up to 300 kB, and the library's health service, whose changes a client watches. Type
//
//	go test -run TestGRPC -v                       # the runs of TestGRPC are equal, those of TestGRPCAtOnce need not be
//	go test -run TestGRPC -v -runs 100 -cpu 1      # on one processor those are equal too, as a rule
//	go test -run 'TestGRPC$' -v -runs 1000 -asis   # with windows that the library sizes, few runs differ
//
// The library has no random numbers here, but its goroutines add HTTP/2 frames to one queue. Where two of them wake at one instant, the scheduler
// decides the order: the answer to a probe of the bandwidth (PING) and data, the end of a stream and that of its connection, or streams of
// several callers. So windows of a fixed size, which need no probes, and ends a moment apart make runs equal.
func TestGRPC(t *testing.T) { repeats(t, fixCrypto, callsOf(1)) }

// TestGRPCAtOnce is TestGRPC with three goroutines that call at once, on one connection.
func TestGRPCAtOnce(t *testing.T) { compareRuns(t, fixCrypto, callsOf(3)) }

// A plain is a codec for messages that are strings, in place of protocol buffers.
type plain struct{}

func (plain) Name() string                       { return "plain" }
func (plain) Marshal(v any) ([]byte, error)      { return []byte(*v.(*string)), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*string) = string(data); return nil }

func init() { encoding.RegisterCodec(plain{}) }

// shouting is a service with one method, which returns its argument in capitals. Generated code would describe it in the same way.
var shouting = grpc.ServiceDesc{ServiceName: "shop.Shouting", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
	MethodName: "Shout",
	Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var words string
		err := decode(&words)
		words = strings.ToUpper(words)
		return &words, err
	},
}}}

// callsOf returns the program with a number of callers.
func callsOf(callers int) program {
	return func(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host)) { rpc(t, l, record, callers) }
}

func rpc(t *testing.T, l *labtest.Lab, record func(hosts ...*labtest.Host), callers int) {
	server, client := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24")
	l.Link(server, client, labtest.LinkConfig{Delay: 20 * time.Millisecond, Loss: 0.03})
	record(server, client)

	var forServer []grpc.ServerOption
	forClient := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return client.Net().DialContext(ctx, "tcp", addr)
		}),
	}
	if !*asIsFlag {
		const window = 1 << 20
		forServer = append(forServer, grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(window))
		forClient = append(forClient, grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window))
	}

	listener, err := server.Net().Listen("tcp", ":50051")
	if err != nil {
		t.Fatal(err)
	}
	states := health.NewServer()
	services := grpc.NewServer(forServer...)
	healthpb.RegisterHealthServer(services, states)
	services.RegisterService(&shouting, nil)
	server.Go(func(context.Context, *gonet.Net) { services.Serve(listener) })
	defer services.Stop()
	conn, err := grpc.NewClient("passthrough:///server:50051", forClient...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for n := range 5 {
				words, answer := fmt.Sprint("call ", n, strings.Repeat(" again", 10000*n)), ""
				err := conn.Invoke(ctx, "/shop.Shouting/Shout", &words, &answer, grpc.CallContentSubtype("plain"))
				if err != nil || answer != strings.ToUpper(words) {
					t.Errorf("call %d: %.40q, %v", n, answer, err)
				}
			}
		})
	}
	group.Wait()

	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []healthpb.HealthCheckResponse_ServingStatus{1, 2, 1, 2} {
		states.SetServingStatus("", state)
		answer, err := watch.Recv()
		if err != nil || answer.Status != state {
			t.Fatalf("%v after a change to %v, %v", answer, state, err)
		}
	}
	cancel()
	if !*asIsFlag {
		l.Wait()
	}
}
