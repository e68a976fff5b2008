// Command bench asks authorization engines the same questions, and has audit trails record the same events, side by side,
// and writes what it measured as a page of Markdown. An engine that answers wrongly is not timed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	testing.Init() // testing.Benchmark goes by a flag
	out := flag.String("o", "../docs/benchmarks.md", "the `file` to write")
	rounds := flag.Int("rounds", 5, "how often each figure is measured")
	each := flag.Duration("time", 50*time.Millisecond, "how long each measurement takes")
	flag.Parse()
	if *rounds < 1 || *each <= 0 {
		return errors.New("-rounds and -time must be more than nothing")
	}
	p, err := measure(*rounds, *each)
	if err != nil {
		return err
	}
	text, err := p.render()
	if err != nil {
		return err
	}
	return os.WriteFile(*out, text, 0o644)
}
