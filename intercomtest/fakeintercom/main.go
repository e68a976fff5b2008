// Command fakeintercom serves a fake Intercom with a small support desk in it on the loopback interface, for trying a
// client in any language:
//
//	go run ./intercomtest/fakeintercom -addr 127.0.0.1:8787 -token dev
//
// With -redirect it has an app that a browser can authorize:
//
//	go run ./intercomtest/fakeintercom -redirect http://localhost:3000/callback
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
	"net/url"
	"os"
	"os/signal"
	"strings"
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
	var app intercomtest.App
	flags.StringVar(&app.ClientID, "client-id", "", "client `id` of the OAuth app; made up if empty")
	flags.StringVar(&app.ClientSecret, "client-secret", "", "client `secret` of the OAuth app; made up if empty")
	flags.Func("redirect", "redirect `URL` of an OAuth app to have; may be repeated", func(v string) error {
		app.RedirectURLs = append(app.RedirectURLs, v)
		return checkRedirect(v)
	})
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
	case len(app.RedirectURLs) == 0 && (app.ClientID != "" || app.ClientSecret != ""):
		return errors.New("-client-id and -client-secret are of use with -redirect only")
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
	base := "http://" + ln.Addr().String()
	fmt.Fprintf(stdout, "url:   %s\ntoken: %s\n", base, *token)
	fmt.Fprintf(stdout, "try:   curl -H 'Authorization: Bearer %s' '%s/conversations?per_page=2'\n", *token, base)
	if len(app.RedirectURLs) > 0 {
		app = workspace.AddApp(app)
		fmt.Fprintf(stdout, "client id:     %s\nclient secret: %s\n", app.ClientID, app.ClientSecret)
		fmt.Fprintf(stdout, "authorize:     %s/oauth?client_id=%s\n", base, url.QueryEscape(app.ClientID))
	}

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

// checkRedirect refuses what the fake takes for a mistake of its user's program.
func checkRedirect(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return err
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Contains(raw, "#"):
		return errors.New("use an absolute http or https URL without user and fragment")
	}
	return nil
}
