// A Workload API of other people's making, for clients of ours: gRPC for Go, the generated service of go-spiffe, and an
// authority that lives as long as the program. It serves one identity to everybody who sends the security header.
//
//	server SOCKET SPIFFE-ID
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type api struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	id     spiffeid.ID
	root   *x509.Certificate
	caKey  *ecdsa.PrivateKey
	jwtKey *ecdsa.PrivateKey
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: server SOCKET SPIFFE-ID")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(socket, id string) error {
	self, err := newAPI(id)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		return err
	}
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, self)
	fmt.Println("listening")
	return server.Serve(listener)
}

func newAPI(id string) (*api, error) {
	self := &api{}
	var err error
	if self.id, err = spiffeid.FromString(id); err != nil {
		return nil, err
	}
	if self.caKey, err = newKey(); err != nil {
		return nil, err
	}
	if self.jwtKey, err = newKey(); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority in Go"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs: []*url.URL{self.id.TrustDomain().ID().URL()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, self.caKey.Public(), self.caKey)
	if err != nil {
		return nil, err
	}
	self.root, err = x509.ParseCertificate(der)
	return self, err
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func (a *api) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	if err := checkHeader(stream.Context()); err != nil {
		return err
	}
	chain, key, err := a.issue()
	if err != nil {
		return err
	}
	answer := &workload.X509SVIDResponse{Svids: []*workload.X509SVID{
		{SpiffeId: a.id.String(), X509Svid: chain, X509SvidKey: key, Bundle: a.root.Raw},
	}}
	if err := stream.Send(answer); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (a *api) issue() (chain, pkcs8 []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{a.id.URL()},
	}
	if chain, err = x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.caKey); err != nil {
		return nil, nil, err
	}
	pkcs8, err = x509.MarshalPKCS8PrivateKey(key)
	return chain, pkcs8, err
}

func (a *api) FetchJWTSVID(ctx context.Context, request *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: a.jwtKey, KeyID: "go"}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	claims := jwt.Claims{
		Subject: a.id.String(), Audience: request.GetAudience(), IssuedAt: jwt.NewNumericDate(now),
		Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return nil, err
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: a.id.String(), Svid: token}}}, nil
}

func (a *api) FetchJWTBundles(_ *workload.JWTBundlesRequest, stream grpc.ServerStreamingServer[workload.JWTBundlesResponse]) error {
	if err := checkHeader(stream.Context()); err != nil {
		return err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: a.jwtKey.Public(), KeyID: "go"}}}
	keys, err := json.Marshal(set)
	if err != nil {
		return err
	}
	if err := stream.Send(&workload.JWTBundlesResponse{Bundles: map[string][]byte{a.id.TrustDomain().IDString(): keys}}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func checkHeader(ctx context.Context) error {
	metadata, _ := metadata.FromIncomingContext(ctx)
	if values := metadata.Get("workload.spiffe.io"); len(values) != 1 || values[0] != "true" {
		return status.Error(codes.InvalidArgument, "the security header is missing")
	}
	return nil
}
