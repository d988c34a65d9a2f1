package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc/status"
)

// event is one line: a message that arrived, or the end of a stream.
type event struct {
	Stream int     `json:"stream"`
	At     float64 `json:"at"`
	Svids  int     `json:"svids,omitempty"`
	// Of the bundle: it grows with every authority that is believed.
	BundleBytes int `json:"bundleBytes,omitempty"`
	// Of the bundles of foreign trust domains together.
	FederatedBytes int            `json:"federatedBytes,omitempty"`
	Authorities    map[string]int `json:"authorities,omitempty"`
	Ended          string         `json:"ended,omitempty"`
}

// Lines leave at most this often: while thousands arrive, telling of each must not delay the others.
const flushEvery = 20 * time.Millisecond

func streams(ctx context.Context) error {
	events := make(chan event, 1<<16)
	go print(events)
	free := make(chan struct{}, *lanes)
	opened := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var more int
		if _, err := fmt.Sscan(lines.Text(), &more); err != nil {
			return err
		}
		for range more {
			free <- struct{}{}
			first := sync.OnceFunc(func() { <-free })
			go follow(ctx, opened, events, first)
			opened++
		}
	}
	return nil
}

// follow opens one stream; a broken connection is opened again, what the issuer ends stays ended.
func follow(ctx context.Context, number int, events chan<- event, first func()) {
	defer first()
	conn, client, err := connect()
	for err == nil {
		var stream workload.SpiffeWorkloadAPI_FetchX509SVIDClient
		if stream, err = client.FetchX509SVID(ctx, &workload.X509SVIDRequest{}); err != nil {
			break
		}
		for err = nil; err == nil; {
			var message *workload.X509SVIDResponse
			if message, err = stream.Recv(); err == nil {
				events <- arrived(number, message)
				first()
			}
		}
		if status.Code(err).String() == "Unavailable" {
			err = nil
		}
	}
	events <- event{Stream: number, At: nowMs(), Ended: status.Code(err).String()}
	if conn != nil {
		conn.Close()
	}
}

func arrived(number int, message *workload.X509SVIDResponse) event {
	told := event{Stream: number, At: nowMs(), Svids: len(message.Svids)}
	if told.Svids > 0 {
		told.BundleBytes = len(message.Svids[0].Bundle)
	}
	for _, bundle := range message.FederatedBundles {
		told.FederatedBytes += len(bundle)
	}
	if *authorities {
		told.Authorities = map[string]int{}
		for _, svid := range message.Svids {
			told.Authorities[authorityOf(svid.X509Svid)]++
		}
	}
	return told
}

func authorityOf(chain []byte) string {
	certificates, err := x509.ParseCertificates(chain)
	if err != nil {
		return err.Error()
	}
	return hex.EncodeToString(certificates[0].AuthorityKeyId)
}

func print(events <-chan event) {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	lines := json.NewEncoder(out)
	for tick := time.Tick(flushEvery); ; {
		select {
		case one := <-events:
			_ = lines.Encode(one)
		case <-tick:
			_ = out.Flush()
		}
	}
}
