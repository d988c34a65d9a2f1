package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// echoServer ADDRESS TRUST-DOMAIN: mutual TLS; answers each line with the caller's identity and the line.
func echoServer(ctx context.Context, args []string) error {
	source, authorize, err := mutual(ctx, args)
	if err != nil {
		return err
	}
	defer source.Close()
	listener, err := spiffetls.ListenWithMode(ctx, "tcp", args[0], spiffetls.MTLSServerWithSource(authorize, source))
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() { <-ctx.Done(); listener.Close() }()
	if err := say(fields{"listening": listener.Addr().String()}); err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		_ = say(fields{"refused": err.Error()})
		return
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		_ = say(fields{"refused": err.Error()})
		return
	}
	fmt.Fprintf(conn, "%s %s", peer, line)
}

// echoClient ADDRESS TRUST-DOMAIN SECONDS: a new handshake every 100 ms for so long (0: exactly one). Every one must
// succeed; says how many there were and how many certificates and issuers took part on either side.
func echoClient(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: spiffe echo-client ADDRESS TRUST-DOMAIN SECONDS")
	}
	source, authorize, err := mutual(ctx, args)
	if err != nil {
		return err
	}
	defer source.Close()
	lasting, err := time.ParseDuration(args[2] + "s")
	if err != nil {
		return err
	}
	seen := sightings{own: map[string]bool{}, peer: map[string]bool{}, issuers: map[string]bool{}}
	for end := time.Now().Add(lasting); ; time.Sleep(100 * time.Millisecond) {
		if err := seen.shakeHands(ctx, args[0], authorize, source); err != nil {
			return fmt.Errorf("handshake %d: %w", seen.handshakes+1, err)
		}
		if time.Now().After(end) {
			break
		}
	}
	return say(fields{
		"handshakes": seen.handshakes, "ownCertificates": len(seen.own), "peerCertificates": len(seen.peer),
		"issuers": len(seen.issuers), "peer": seen.peerID, "seenAs": seen.seenAs,
	})
}

type sightings struct {
	handshakes         int
	own, peer, issuers map[string]bool
	peerID, seenAs     string
}

func (s *sightings) shakeHands(ctx context.Context, address string, authorize tlsconfig.Authorizer, source *workloadapi.X509Source) error {
	conn, err := spiffetls.DialWithMode(ctx, "tcp", address, spiffetls.MTLSClientWithSource(authorize, source))
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintln(conn, "hello"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	seenAs, line, _ := strings.Cut(strings.TrimSpace(answer), " ")
	svid, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	if seenAs != svid.ID.String() || line != "hello" {
		return fmt.Errorf("sent hello as %s, got back %q", svid.ID, answer)
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	if err != nil {
		return err
	}
	leaf := conn.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState().PeerCertificates[0]
	s.handshakes++
	s.peerID, s.seenAs = peer.String(), seenAs
	s.own[svid.Certificates[0].SerialNumber.String()] = true
	s.peer[leaf.SerialNumber.String()] = true
	s.issuers[string(leaf.AuthorityKeyId)] = true
	return nil
}

func mutual(ctx context.Context, args []string) (*workloadapi.X509Source, tlsconfig.Authorizer, error) {
	if len(args) < 2 {
		return nil, nil, errors.New("an address and a trust domain are needed")
	}
	trustDomain, err := spiffeid.TrustDomainFromString(args[1])
	if err != nil {
		return nil, nil, err
	}
	source, err := workloadapi.NewX509Source(ctx)
	return source, tlsconfig.AuthorizeMemberOf(trustDomain), err
}
