// Package web is a web server and a client of it in one process, over any listener and dial function.
package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Run serves on l, fetches one page by dial, and prints it.
func Run(l net.Listener, dial func(ctx context.Context, network, address string) (net.Conn, error), url string) {
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Path[1:]) })}
	go server.Serve(l)
	client := http.Client{Transport: &http.Transport{DialContext: dial}}
	answer, err := client.Get(url)
	Check(err)
	body, err := io.ReadAll(answer.Body)
	Check(err)
	fmt.Println(answer.Status, string(body))
}

// Check ends the program if err is an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
