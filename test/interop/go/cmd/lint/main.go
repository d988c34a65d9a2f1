// zlint over certificates, with the lints of the RFCs that bind an X509-SVID (RFC 5280, RFC 5480, RFC 8813, RFC 5891);
// the CA/Browser Forum's and the root programs' rules are about the public web and do not apply.
package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// allowed holds the lints that may complain, each with the reason.
var allowed = map[string]string{}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(files []string) error {
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC8813},
	})
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		count := 0
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if err := judge(fmt.Sprintf("%s[%d]", file, count), block.Bytes, registry); err != nil {
				return err
			}
			count++
		}
		if count == 0 {
			return fmt.Errorf("%s: no certificate in it", file)
		}
	}
	return nil
}

func judge(name string, der []byte, registry lint.Registry) error {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	result := zlint.LintCertificateEx(certificate, registry)
	ran, found := 0, []error{}
	for lintName, outcome := range result.Results {
		if outcome.Status == lint.NA || outcome.Status == lint.NE {
			continue
		}
		ran++
		if _, ok := allowed[lintName]; outcome.Status >= lint.Notice && !ok {
			found = append(found, fmt.Errorf("%s: %s %s %s", name, outcome.Status, lintName, outcome.Details))
		}
	}
	if len(found) > 0 {
		return errors.Join(found...)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"certificate": name, "lints": ran})
}
