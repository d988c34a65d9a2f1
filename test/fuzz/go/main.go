// Command judge answers questions about IDs, certificate chains, tokens and bundles with Go's crypto/x509 and go-spiffe:
// one JSON object a line on standard input, one line with the verdict of each judge on standard output.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// A question; which fields matter depends on the kind. Bytes are base64.
type question struct {
	Kind        string   `json:"kind"`
	Bytes       []byte   `json:"bytes"`
	TrustDomain string   `json:"trustDomain"`
	Chain       [][]byte `json:"chain"`
	Roots       [][]byte `json:"roots"`
	At          int64    `json:"at"`
	Keys        []byte   `json:"keys"`
	Audience    string   `json:"audience"`
}

// An answer: by judge, "" for yes and otherwise why not; and what an accepted ID, token or chain names.
type answer struct {
	Refusals map[string]string `json:"refusals"`
	Names    string            `json:"names,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		encoder.Encode(q.answer())
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (q question) answer() answer {
	switch q.Kind {
	case "id":
		id, err := spiffeid.FromString(string(q.Bytes))
		return answer{Refusals: map[string]string{"go-spiffe": why(err)}, Names: id.String()}
	case "trust-domain":
		td, err := spiffeid.TrustDomainFromString(string(q.Bytes))
		return answer{Refusals: map[string]string{"go-spiffe": why(err)}, Names: td.Name()}
	case "chain":
		return q.chain()
	case "token":
		return q.token()
	case "bundle":
		return q.bundle()
	}
	return answer{Refusals: map[string]string{"judge": "no such kind of question"}}
}

// chain asks crypto/x509 whether there is a path, and go-spiffe whether it is an X509-SVID.
func (q question) chain() answer {
	var certificates []*x509.Certificate
	for _, der := range q.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return answer{Refusals: map[string]string{"go x509": why(err), "go-spiffe": why(err)}}
		}
		certificates = append(certificates, certificate)
	}
	roots := x509.NewCertPool()
	bundle := x509bundle.New(spiffeid.RequireTrustDomainFromString(q.TrustDomain))
	for _, der := range q.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return answer{Refusals: map[string]string{"go x509": "root: " + why(err), "go-spiffe": "root: " + why(err)}}
		}
		roots.AddCert(root)
		bundle.AddX509Authority(root)
	}
	at := time.UnixMilli(q.At)
	plain := "the chain is empty"
	if len(certificates) > 0 {
		intermediates := x509.NewCertPool()
		for _, certificate := range certificates[1:] {
			intermediates.AddCert(certificate)
		}
		_, err := certificates[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		plain = why(err)
	}
	id, _, err := x509svid.Verify(certificates, bundle, x509svid.WithTime(at))
	return answer{Refusals: map[string]string{"go x509": plain, "go-spiffe": why(err)}, Names: id.String()}
}

func (q question) token() answer {
	td := spiffeid.RequireTrustDomainFromString(q.TrustDomain)
	bundle, err := jwtbundle.Parse(td, q.Keys)
	if err != nil {
		return answer{Refusals: map[string]string{"go-spiffe": "keys: " + why(err)}}
	}
	svid, err := jwtsvid.ParseAndValidate(string(q.Bytes), bundle, []string{q.Audience})
	if err != nil {
		return answer{Refusals: map[string]string{"go-spiffe": why(err)}}
	}
	return answer{Refusals: map[string]string{"go-spiffe": ""}, Names: svid.ID.String()}
}

// bundle names what was found in it: how many authorities of each kind.
func (q question) bundle() answer {
	bundle, err := spiffebundle.Parse(spiffeid.RequireTrustDomainFromString(q.TrustDomain), q.Bytes)
	if err != nil {
		return answer{Refusals: map[string]string{"go-spiffe": why(err)}}
	}
	names := fmt.Sprintf("%d %d", len(bundle.X509Authorities()), len(bundle.JWTAuthorities()))
	return answer{Refusals: map[string]string{"go-spiffe": ""}, Names: names}
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
