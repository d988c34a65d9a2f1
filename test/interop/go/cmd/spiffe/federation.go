package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// fetchBundle TRUST-DOMAIN URL web ROOTS-FILE | TRUST-DOMAIN URL spiffe ENDPOINT-ID BUNDLE-FILE: what a control plane
// written with go-spiffe gets from a bundle endpoint.
func fetchBundle(ctx context.Context, args []string) error {
	if len(args) < 4 {
		return errors.New("usage: spiffe fetch-bundle TRUST-DOMAIN URL web|spiffe …")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(args[0])
	if err != nil {
		return err
	}
	option, err := authentication(trustDomain, args[2:])
	if err != nil {
		return err
	}
	bundle, err := federation.FetchBundle(ctx, trustDomain, args[1], option)
	if err != nil {
		return err
	}
	return sayBundle(bundle)
}

func authentication(trustDomain spiffeid.TrustDomain, args []string) (federation.FetchOption, error) {
	if args[0] == "web" {
		pem, err := os.ReadFile(args[1])
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("no roots in " + args[1])
		}
		return federation.WithWebPKIRoots(roots), nil
	}
	if len(args) < 3 {
		return nil, errors.New("the endpoint's ID and a bundle are needed")
	}
	id, err := spiffeid.FromString(args[1])
	if err != nil {
		return nil, err
	}
	bundle, err := spiffebundle.Load(trustDomain, args[2])
	if err != nil {
		return nil, err
	}
	return federation.WithSPIFFEAuth(bundle, id), nil
}

// parseBundle TRUST-DOMAIN FILE: a SPIFFE bundle by go-spiffe's parser.
func parseBundle(_ context.Context, args []string) error {
	trustDomain, err := spiffeid.TrustDomainFromString(args[0])
	if err != nil {
		return err
	}
	bundle, err := spiffebundle.Load(trustDomain, args[1])
	if err != nil {
		return err
	}
	return sayBundle(bundle)
}

func sayBundle(bundle *spiffebundle.Bundle) error {
	sequence, numbered := bundle.SequenceNumber()
	hint, hinted := bundle.RefreshHint()
	if !numbered || !hinted {
		return fmt.Errorf("sequence number: %t, refresh hint: %t", numbered, hinted)
	}
	return say(fields{
		"trustDomain": bundle.TrustDomain().String(), "roots": len(bundle.X509Authorities()),
		"keys": len(bundle.JWTAuthorities()), "sequence": sequence, "hintSeconds": hint / time.Second,
	})
}

// serveBundle TRUST-DOMAIN BUNDLE-FILE CERTIFICATE-FILE KEY-FILE: a bundle endpoint of go-spiffe; with "svid" instead of
// the files, it shows the X509-SVID of this workload.
func serveBundle(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: spiffe serve-bundle TRUST-DOMAIN BUNDLE-FILE CERTIFICATE-FILE|svid [KEY-FILE]")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(args[0])
	if err != nil {
		return err
	}
	bundle, err := spiffebundle.Load(trustDomain, args[1])
	if err != nil {
		return err
	}
	certificate, err := shown(ctx, args[2:])
	if err != nil {
		return err
	}
	handler, err := federation.NewHandler(trustDomain, bundle)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := say(fields{"listening": listener.Addr().String()}); err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { <-ctx.Done(); server.Close() }()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func shown(ctx context.Context, args []string) (*tls.Certificate, error) {
	if args[0] == "svid" {
		svid, err := workloadapi.FetchX509SVID(ctx)
		if err != nil {
			return nil, err
		}
		return certificateOf(svid), nil
	}
	if len(args) < 2 {
		return nil, errors.New("a certificate goes with its key")
	}
	certificate, err := tls.LoadX509KeyPair(args[0], args[1])
	return &certificate, err
}

func certificateOf(svid *x509svid.SVID) *tls.Certificate {
	certificate := &tls.Certificate{PrivateKey: svid.PrivateKey}
	for _, one := range svid.Certificates {
		certificate.Certificate = append(certificate.Certificate, one.Raw)
	}
	return certificate
}
