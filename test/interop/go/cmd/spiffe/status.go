package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// statusOfEachCall [VALUE…]: calls all seven methods with the given values of the security header (none at all when no
// value is given) and says which status each answers with.
func statusOfEachCall(ctx context.Context, values []string) error {
	conn, err := grpc.NewClient(os.Getenv("SPIFFE_ENDPOINT_SOCKET"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, value := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", value)
	}
	for name, err := range answers(ctx, workload.NewSpiffeWorkloadAPIClient(conn)) {
		if err := say(fields{"call": name, "code": status.Code(err).String(), "text": status.Convert(err).Message()}); err != nil {
			return err
		}
	}
	return nil
}

func answers(ctx context.Context, client workload.SpiffeWorkloadAPIClient) map[string]error {
	all := map[string]error{}
	all["FetchX509SVID"] = first(client.FetchX509SVID(ctx, &workload.X509SVIDRequest{}))
	all["FetchX509Bundles"] = first(client.FetchX509Bundles(ctx, &workload.X509BundlesRequest{}))
	_, all["FetchJWTSVID"] = client.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{Audience: []string{"reports"}})
	all["FetchJWTBundles"] = first(client.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{}))
	_, all["ValidateJWTSVID"] = client.ValidateJWTSVID(ctx, &workload.ValidateJWTSVIDRequest{Audience: "reports", Svid: "a.b.c"})
	all["FetchWITSVID"] = first(client.FetchWITSVID(ctx, &workload.WITSVIDRequest{}))
	all["FetchWITBundles"] = first(client.FetchWITBundles(ctx, &workload.WITBundlesRequest{}))
	return all
}

// first reads one message, so that the status of a stream shows; a message before the status counts as success.
func first[T any](stream grpc.ServerStreamingClient[T], err error) error {
	if err != nil {
		return err
	}
	if _, err = stream.Recv(); errors.Is(err, io.EOF) {
		return errors.New("the stream ended without a message and without a status")
	}
	return err
}

// witUnimplemented: the WIT profile is off, and the watcher of go-spiffe gives up at once, as it does nowhere else.
func witUnimplemented(ctx context.Context, _ []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := workloadapi.NewWITSource(ctx)
	if err == nil {
		return errors.New("the WIT profile answered")
	}
	if !strings.Contains(err.Error(), codes.Unimplemented.String()) {
		return fmt.Errorf("expected Unimplemented: %w", err)
	}
	return say(fields{"code": codes.Unimplemented.String()})
}
