// Command fakeintercom serves a fake Intercom with a small support desk in it on the loopback interface, for trying a
// client in any language:
//
//	go run ./intercomtest/fakeintercom -addr 127.0.0.1:8787 -token dev
//
// The workspace lives in memory and is gone when the command ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "fakeintercom:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fakeintercom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8787", "loopback `host:port` to listen on; port 0 picks a free one")
	token := flags.String("token", "dev", "access `token` with full access")
	rate := flags.Int("rate", 0, "requests allowed per 10 seconds; 0 is any number")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *token == "":
		return errors.New("-token must not be empty")
	case *rate < 0:
		return errors.New("-rate must not be negative")
	}
	if err := checkLoopback(*addr); err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%s is not on the loopback interface", ln.Addr()), ln.Close())
	}

	workspace := intercomtest.Start(intercomtest.WithToken(*token), intercomtest.WithRateLimit(*rate))
	defer workspace.Close()
	workspace.Seed()
	server := &http.Server{
		Handler:           workspace.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
	}
	url := "http://" + ln.Addr().String()
	fmt.Fprintf(stdout, "url:   %s\ntoken: %s\n", url, *token)
	fmt.Fprintf(stdout, "try:   curl -H 'Authorization: Bearer %s' '%s/conversations?per_page=2'\n", *token, url)

	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// checkLoopback refuses an address that other machines could reach: the fake is open to whoever has the token.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("-addr %s: only loopback hosts are served: use 127.0.0.1, [::1] or localhost", addr)
}
