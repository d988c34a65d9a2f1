// load makes load on a Workload API with go-spiffe's own stubs, so that neither the client nor its cost is ours:
//
//	load calls     FetchJWTSVID, one call after the other in each lane
//	load connects  a new connection each time, until its first X.509-SVID
//	load streams   FetchX509SVID on connections of their own, as many as each line on stdin says; tells what arrives
//
// What was measured leaves as JSON on stdout.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

var (
	flags       = flag.NewFlagSet("load", flag.ExitOnError)
	socket      = flags.String("socket", "", "path of the Workload API's socket")
	lanes       = flags.Int("lanes", 64, "how many at a time")
	connections = flags.Int("connections", 4, "calls: connections that the lanes share")
	seconds     = flags.Float64("seconds", 4, "how long")
	rate        = flags.Float64("rate", 0, "no more than so many each second; 0: as fast as possible")
	fresh       = flags.Bool("fresh", false, "calls: another audience each time")
	hold        = flags.Duration("hold", 0, "connects: hang up only so long after the first message")
	authorities = flags.Bool("authorities", false, "streams: tell by which authority the SVIDs were signed")
)

var commands = map[string]func(context.Context) error{"calls": calls, "connects": connects, "streams": streams}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "load calls|connects|streams -socket PATH …")
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[2:])
	// The cores are shared with the server: memory is cheaper here than time.
	debug.SetGCPercent(800)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if os.Args[1] != "streams" {
		// A server that is gone, or that answers no more, is not waited for.
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*seconds*float64(time.Second))+20*time.Second)
		defer cancel()
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", "true")
	if err := commands[os.Args[1]](ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect() (*grpc.ClientConn, workload.SpiffeWorkloadAPIClient, error) {
	// An issuer that was away is found again at once; a connection that it is slow to answer is waited for.
	again := grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
		MinConnectTimeout: 20 * time.Second,
	}
	conn, err := grpc.NewClient("unix:"+*socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(again),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, nil, err
	}
	return conn, workload.NewSpiffeWorkloadAPIClient(conn), nil
}

// nowMs is the clock that every process of this machine shares and nobody sets.
func nowMs() float64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return float64(now.Nano()) / 1e6
}

func say(what any) error { return json.NewEncoder(os.Stdout).Encode(what) }
