package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc/status"
)

func calls(ctx context.Context) error {
	clients := make([]workload.SpiffeWorkloadAPIClient, *connections)
	for i := range clients {
		conn, client, err := connect()
		if err != nil {
			return err
		}
		defer conn.Close()
		clients[i] = client
	}
	var made atomic.Int64
	return race(func(lane int) error {
		audience := "bench-same"
		if *fresh {
			audience = fmt.Sprintf("bench-%d", made.Add(1))
		}
		_, err := clients[lane%len(clients)].FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{audience}})
		return err
	})
}

func connects(ctx context.Context) error {
	return race(func(int) error {
		conn, client, err := connect()
		if err != nil {
			return err
		}
		stream, err := client.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		// What is held is not part of the time that is measured.
		if *hold == 0 {
			conn.Close()
		} else {
			time.AfterFunc(*hold, func() { conn.Close() })
		}
		return err
	})
}

// race runs work in every lane until the time is over, and tells how often, how long each took, and how each ended.
func race(work func(lane int) error) error {
	var (
		all      []float64
		statuses = map[string]int{}
		lock     sync.Mutex
		running  sync.WaitGroup
		turn     atomic.Int64
	)
	start := time.Now()
	end := start.Add(time.Duration(*seconds * float64(time.Second)))
	for lane := range *lanes {
		running.Go(func() {
			var times []float64
			own := map[string]int{}
			for pace(start, turn.Add(1)); time.Now().Before(end); pace(start, turn.Add(1)) {
				begun := time.Now()
				err := work(lane)
				times = append(times, float64(time.Since(begun).Microseconds())/1000)
				own[status.Code(err).String()]++
			}
			lock.Lock()
			defer lock.Unlock()
			all = append(all, times...)
			for code, count := range own {
				statuses[code] += count
			}
		})
	}
	running.Wait()
	elapsed := time.Since(start).Seconds()
	sort.Float64s(all)
	return say(map[string]any{
		"count": len(all), "seconds": elapsed, "statuses": statuses,
		"p50Ms": share(all, 0.5), "p99Ms": share(all, 0.99), "maxMs": share(all, 1),
	})
}

// pace waits for the n-th turn, where there is a rate.
func pace(start time.Time, n int64) {
	if *rate > 0 {
		time.Sleep(time.Until(start.Add(time.Duration(float64(n) / *rate * float64(time.Second)))))
	}
}

func share(sorted []float64, of float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*of))]
}
