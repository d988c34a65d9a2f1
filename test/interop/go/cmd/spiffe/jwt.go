package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// jwtSource AUDIENCE [SPIFFE-ID]: fetches through a source and validates with the bundles of the same source.
func jwtSource(ctx context.Context, args []string) error {
	params, err := parameters(args)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewJWTSource(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	svid, err := source.FetchJWTSVID(ctx, params)
	if err != nil {
		return err
	}
	validated, err := jwtsvid.ParseAndValidate(svid.Marshal(), source, []string{params.Audience})
	if err != nil {
		return err
	}
	if _, err := jwtsvid.ParseAndValidate(svid.Marshal(), source, []string{"not-" + params.Audience}); err == nil {
		return errors.New("validated for an audience that was never asked for")
	}
	return sayToken(validated)
}

func jwtSvids(ctx context.Context, args []string) error {
	params, err := parameters(args)
	if err != nil {
		return err
	}
	svids, err := workloadapi.FetchJWTSVIDs(ctx, params)
	if err != nil {
		return err
	}
	for _, svid := range svids {
		if err := sayToken(svid); err != nil {
			return err
		}
	}
	return nil
}

func jwtBundles(ctx context.Context, _ []string) error {
	bundles, err := workloadapi.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	for _, bundle := range bundles.Bundles() {
		if err := say(fields{"trustDomain": bundle.TrustDomain().String(), "keys": len(bundle.JWTAuthorities())}); err != nil {
			return err
		}
	}
	return nil
}

// jwtValidate TOKEN AUDIENCE: the server judges.
func jwtValidate(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: spiffe jwt-validate TOKEN AUDIENCE")
	}
	svid, err := workloadapi.ValidateJWTSVID(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	return sayToken(svid)
}

func parameters(args []string) (jwtsvid.Params, error) {
	if len(args) == 0 {
		return jwtsvid.Params{}, errors.New("an audience is missing")
	}
	params := jwtsvid.Params{Audience: args[0]}
	if len(args) > 1 {
		subject, err := spiffeid.FromString(args[1])
		if err != nil {
			return params, fmt.Errorf("subject: %w", err)
		}
		params.Subject = subject
	}
	return params, nil
}

func sayToken(svid *jwtsvid.SVID) error {
	return say(fields{
		"id": svid.ID.String(), "audience": svid.Audience, "hint": svid.Hint,
		"expiresAt": svid.Expiry.UnixMilli(), "token": svid.Marshal(), "claims": svid.Claims,
	})
}
