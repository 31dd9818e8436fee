package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// proxy passes connections on, holds back what the server answers for a while, and counts bytes. The first line on
// stdout is its address; the last, when it is told to stop, the bytes that went each way.
func proxy(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	to := flags.String("to", "", "host:port to pass on to")
	delay := flags.Duration("delay", 0, "how long to hold each answer back")
	_ = flags.Parse(args)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	var sent, received atomic.Int64
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", *to)
			if err != nil {
				near.Close()
				continue
			}
			go pass(near, far, 0, &sent)
			go pass(far, near, *delay, &received)
		}
	}()
	<-ctx.Done()
	listener.Close()
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"sent": sent.Load(), "received": received.Load()})
}

type chunk struct {
	due   time.Time
	bytes []byte
}

// pass copies one direction; each piece leaves `delay` after it came, so that pieces overtake nothing and wait for
// nothing but their own delay.
func pass(from, to net.Conn, delay time.Duration, count *atomic.Int64) {
	chunks := make(chan chunk, 4096)
	go func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 32*1024)
			n, err := from.Read(buffer)
			if n > 0 {
				count.Add(int64(n))
				chunks <- chunk{time.Now().Add(delay), buffer[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	defer to.Close()
	defer from.Close()
	for piece := range chunks {
		time.Sleep(time.Until(piece.due))
		if _, err := to.Write(piece.bytes); err != nil {
			from.Close()
			for range chunks { // let the reader end
			}
			return
		}
	}
}
