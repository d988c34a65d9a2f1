package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/status"
)

func x509Source(ctx context.Context, _ []string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	svid, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	bundle, err := source.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return err
	}
	facts, err := describe(svid, source)
	if err != nil {
		return err
	}
	facts["roots"] = len(bundle.X509Authorities())
	return say(facts)
}

func x509Svids(ctx context.Context, _ []string) error {
	answer, err := workloadapi.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	for _, svid := range answer.SVIDs {
		facts, err := describe(svid, answer.Bundles)
		if err != nil {
			return err
		}
		if err := say(facts); err != nil {
			return err
		}
	}
	return nil
}

func x509Bundles(ctx context.Context, _ []string) error {
	bundles, err := workloadapi.FetchX509Bundles(ctx)
	if err != nil {
		return err
	}
	for _, bundle := range bundles.Bundles() {
		if err := say(fields{"trustDomain": bundle.TrustDomain().String(), "roots": len(bundle.X509Authorities())}); err != nil {
			return err
		}
	}
	return nil
}

// x509Watch N: follows the stream through N updates; each is complete, verifies against its own bundles, and is fresh.
func x509Watch(ctx context.Context, args []string) error {
	wanted := 2
	if len(args) > 0 {
		wanted, _ = strconv.Atoi(args[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher := &contextWatcher{wanted: wanted, done: cancel}
	err := workloadapi.WatchX509Context(ctx, watcher)
	if watcher.failure != nil {
		return watcher.failure
	}
	if watcher.seen < wanted {
		return fmt.Errorf("%d of %d updates, then: %w", watcher.seen, wanted, err)
	}
	return nil
}

type contextWatcher struct {
	wanted, seen int
	done         context.CancelFunc
	failure      error
}

func (w *contextWatcher) OnX509ContextUpdate(update *workloadapi.X509Context) {
	for _, svid := range update.SVIDs {
		facts, err := describe(svid, update.Bundles)
		if err != nil {
			w.fail(err)
			return
		}
		facts["update"] = w.seen + 1
		facts["at"] = time.Now().UnixMilli()
		facts["roots"] = len(rootsOf(svid, update.Bundles))
		if err := say(facts); err != nil {
			w.fail(err)
			return
		}
	}
	if w.seen++; w.seen >= w.wanted {
		w.done()
	}
}

// What is heard here is tried again by go-spiffe itself; what it gives up on ends the watch.
func (w *contextWatcher) OnX509ContextWatchError(err error) {
	if !errors.Is(err, context.Canceled) {
		_ = say(fields{"retrying": status.Code(err).String()})
	}
}

func (w *contextWatcher) fail(err error) {
	w.failure = err
	w.done()
}

func rootsOf(svid *x509svid.SVID, bundles x509bundle.Source) []*x509.Certificate {
	bundle, err := bundles.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return nil
	}
	return bundle.X509Authorities()
}

// describe verifies the chain as a peer would, then says what it is.
func describe(svid *x509svid.SVID, bundles x509bundle.Source) (fields, error) {
	id, _, err := x509svid.Verify(svid.Certificates, bundles)
	if err != nil {
		return nil, err
	}
	if id != svid.ID {
		return nil, fmt.Errorf("the certificate says %s, the answer %s", id, svid.ID)
	}
	leaf := svid.Certificates[0]
	return fields{
		"id":        svid.ID.String(),
		"hint":      svid.Hint,
		"chain":     len(svid.Certificates),
		"serial":    fmt.Sprintf("%X", leaf.SerialNumber),
		"notBefore": leaf.NotBefore.UnixMilli(),
		"notAfter":  leaf.NotAfter.UnixMilli(),
		"keyId":     fmt.Sprintf("%X", leaf.SubjectKeyId),
		"issuerKey": fmt.Sprintf("%X", leaf.AuthorityKeyId),
	}, nil
}
