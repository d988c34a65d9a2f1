// The go-spiffe judge: what a Go workload does with the Workload API, each story as one subcommand.
// The endpoint comes from SPIFFE_ENDPOINT_SOCKET, as in any Go workload. Each line on standard output is one JSON
// object; anything that is not as the standard says ends the program with a sentence on standard error.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"
)

type story func(ctx context.Context, args []string) error

var stories = map[string]story{
	"x509-source":  x509Source,
	"x509-svids":   x509Svids,
	"x509-bundles": x509Bundles,
	"x509-watch":   x509Watch,
	"jwt-source":   jwtSource,
	"jwt-svids":    jwtSvids,
	"jwt-bundles":  jwtBundles,
	"jwt-validate": jwtValidate,
	"wit":          witUnimplemented,
	"status":       statusOfEachCall,
	"echo-server":  echoServer,
	"echo-client":  echoClient,
	"fetch-bundle": fetchBundle,
	"parse-bundle": parseBundle,
	"serve-bundle": serveBundle,
}

func main() {
	if len(os.Args) < 2 || stories[os.Args[1]] == nil {
		names := make([]string, 0, len(stories))
		for name := range stories {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: spiffe %s\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := stories[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(value any) error { return json.NewEncoder(os.Stdout).Encode(value) }

type fields map[string]any
