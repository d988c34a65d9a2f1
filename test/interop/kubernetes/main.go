// The authenticators of kube-apiserver behind two of its paths: who a token or a certificate says one is. Configured by a
// file as for --authentication-config, or by what the flags --oidc-… say. Prints its address, then every refusal.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	requestunion "k8s.io/apiserver/pkg/authentication/request/union"
	requestx509 "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// What kube-apiserver takes with a file; with flags RS256, unless it is told.
var allAlgorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"}

var (
	config     = flag.String("config", "", "AuthenticationConfiguration, YAML")
	issuer     = flag.String("oidc-issuer-url", "", "")
	clientID   = flag.String("oidc-client-id", "", "")
	prefix     = flag.String("oidc-username-prefix", "", "")
	claim      = flag.String("oidc-username-claim", "sub", "")
	algorithms = flag.String("oidc-signing-algs", "RS256", "")
	ca         = flag.String("oidc-ca-file", "", "")
	clientCA   = flag.String("client-ca-file", "", "")
	cert       = flag.String("tls-cert-file", "", "")
	key        = flag.String("tls-private-key-file", "", "")
)

type pem []byte

func (p pem) CurrentCABundleContent() []byte { return p }

func main() {
	flag.Parse()
	ctx := context.Background()
	tokens := must(oidcAuthenticator(ctx))
	handler := &handler{requestunion.New(requestx509.New(certificates(), requestx509.CommonNameUserConversion), bearertoken.New(tokens))}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert}, ErrorLog: log.New(os.Stderr, "", 0)}
	for tokens.HealthCheck() != nil {
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Printf("https://%s\n", listener.Addr())
	log.Fatal(server.ServeTLS(listener, *cert, *key))
}

func oidcAuthenticator(ctx context.Context) (oidc.AuthenticatorTokenWithHealthCheck, error) {
	jwt, supported := fromFlags(), strings.Split(*algorithms, ",")
	if *config != "" {
		jwt, supported = fromFile(), allAlgorithms
	}
	roots := must(os.ReadFile(*ca))
	return oidc.New(ctx, oidc.Options{JWTAuthenticator: jwt, CAContentProvider: pem(roots), SupportedSigningAlgs: supported})
}

// As pkg/kubeapiserver/options makes it of the flags.
func fromFlags() apiserver.JWTAuthenticator {
	name := *prefix
	if name == "-" {
		name = ""
	}
	return apiserver.JWTAuthenticator{
		Issuer:        apiserver.Issuer{URL: *issuer, Audiences: []string{*clientID}},
		ClaimMappings: apiserver.ClaimMappings{Username: apiserver.PrefixedClaimOrExpression{Prefix: &name, Claim: *claim}},
	}
}

// Read, defaulted and checked by Kubernetes' own code.
func fromFile() apiserver.JWTAuthenticator {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDecoder()
	read := must(runtime.Decode(decoder, must(os.ReadFile(*config)))).(*apiserver.AuthenticationConfiguration)
	compiler := authenticationcel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if faults := validation.ValidateAuthenticationConfiguration(compiler, read, nil); len(faults) > 0 {
		log.Fatal(faults.ToAggregate())
	}
	return read.JWT[0]
}

func certificates() x509.VerifyOptions {
	roots := x509.NewCertPool()
	if *clientCA != "" && !roots.AppendCertsFromPEM(must(os.ReadFile(*clientCA))) {
		log.Fatal("no certificate in " + *clientCA)
	}
	options := requestx509.DefaultVerifyOptions()
	options.Roots = roots
	return options
}

type handler struct{ authenticator authenticator.Request }

func (h *handler) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	// A bearer token is taken out of the request; only kubectl's own paths are served.
	who, ok, err := h.authenticator.AuthenticateRequest(request)
	writer.Header().Set("Content-Type", "application/json")
	if err != nil || !ok {
		fmt.Printf("refused: %v\n", err)
		status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Message: "Unauthorized", Reason: metav1.StatusReasonUnauthorized, Code: http.StatusUnauthorized}
		answer(writer, http.StatusUnauthorized, status)
		return
	}
	review := authenticationv1.SelfSubjectReview{TypeMeta: metav1.TypeMeta{Kind: "SelfSubjectReview", APIVersion: "authentication.k8s.io/v1"}}
	review.Status.UserInfo = authenticationv1.UserInfo{Username: who.User.GetName(), Groups: who.User.GetGroups(), UID: who.User.GetUID()}
	answer(writer, http.StatusCreated, review)
}

func answer(writer http.ResponseWriter, code int, body any) {
	writer.WriteHeader(code)
	if err := json.NewEncoder(writer).Encode(body); err != nil {
		log.Print(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
