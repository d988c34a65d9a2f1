// A relying party over go-oidc: it discovers the issuer once, then judges each token that it reads from a line of
// standard input, an audience and a token, and answers with a line of JSON.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

type verdict struct {
	Subject string   `json:"subject,omitempty"`
	Issuer  string   `json:"issuer,omitempty"`
	Refused string   `json:"refused,omitempty"`
	Ready   bool     `json:"ready,omitempty"`
	Algs    []string `json:"algs,omitempty"`
}

func main() {
	issuer, roots := os.Args[1], os.Args[2]
	pem, err := os.ReadFile(roots)
	if err != nil {
		fail(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
	}
	ctx := oidc.ClientContext(context.Background(), client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		fail(err)
	}
	var said struct {
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&said); err != nil {
		fail(err)
	}
	tell(verdict{Ready: true, Algs: said.Algs})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 64*1024), 64*1024)
	for lines.Scan() {
		audience, token, _ := strings.Cut(lines.Text(), " ")
		tell(judge(ctx, provider, audience, token))
	}
}

func judge(ctx context.Context, provider *oidc.Provider, audience, token string) verdict {
	found, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, token)
	if err != nil {
		return verdict{Refused: err.Error()}
	}
	return verdict{Subject: found.Subject, Issuer: found.Issuer}
}

func tell(what verdict) {
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

func fail(err error) {
	tell(verdict{Refused: err.Error()})
	os.Exit(1)
}
