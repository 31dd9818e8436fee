// Command peers runs the other migrators, a bare loop of patches and a slow proxy for asyncmigrate's bench.
// What it found out goes to stdout as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Result is what a side of the bench took.
type Result struct {
	Seconds float64 `json:"seconds"`           // of the work itself, without start-up
	Reading float64 `json:"reading,omitempty"` // of them, those in which manifests were read
	Objects int     `json:"objects"`
	CPU     float64 `json:"cpu"` // seconds of this whole process
}

var sides = map[string]func(context.Context, []string) (Result, error){
	"clusterctl": clusterctl,
	"loop":       loop,
	"serial":     serial,
	"unfixed":    unfixed,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		return fmt.Errorf("which side? clusterctl, loop, serial, unfixed or proxy")
	}
	if os.Args[1] == "proxy" {
		return proxy(ctx, os.Args[2:])
	}
	side, known := sides[os.Args[1]]
	if !known {
		return fmt.Errorf("no side %q", os.Args[1])
	}
	result, err := side(ctx, os.Args[2:])
	if err != nil {
		return err
	}
	result.CPU = cpu()
	return json.NewEncoder(os.Stdout).Encode(result)
}

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}
