import { IdentityError } from '../errors.ts';
import type { JWTBundlesResponse, JWTSVID, JWTSVIDResponse, ValidateJWTSVIDResponse } from '../gen/workload.ts';
import { type JwtAuthority, parseJwks } from '../spiffe/bundle.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { type JwtSvid, parseJwtSvid } from '../spiffe/jwt-svid.ts';
import { field, firstOfEachHint, mandatory, readBundles, unusable } from './answer.ts';

/** A JWT-SVID of ours. */
export interface FetchedJwtSvid extends JwtSvid {
  /** The operator's word to tell several identities apart; empty when there is none. */
  readonly hint: string;
}

/** JWT authorities by trust domain. They authenticate JWT-SVIDs and nothing else. */
export type JwtBundles = ReadonlyMap<TrustDomain, readonly JwtAuthority[]>;

/** What the Workload API says about a token that it found valid. */
export interface ValidatedJwtSvid {
  readonly id: SpiffeId;
  readonly claims: Readonly<Record<string, unknown>>;
}

export function readJwtSvids(message: JWTSVIDResponse, audiences: readonly string[]): readonly FetchedJwtSvid[] {
  return firstOfEachHint(mandatory(message.svids, 'svids').map((svid) => readSvid(svid, audiences)));
}

export function readJwtBundles(message: JWTBundlesResponse, complain: (error: IdentityError) => void): JwtBundles {
  if (message.bundles.size === 0) throw unusable('bundles is empty');
  return readBundles(message.bundles, parseJwks, complain);
}

export function readValidated({ spiffeId, claims }: ValidateJWTSVIDResponse): ValidatedJwtSvid {
  const id = field('spiffe_id', () => SpiffeId.parseWorkload(mandatory(spiffeId, 'spiffe_id')));
  if (claims === undefined) throw unusable('claims is empty');
  return { id, claims };
}

/** The audiences asked for: each once, sorted, none empty. */
export function audienceSet(audience: string | readonly string[]): readonly string[] {
  const audiences = [...new Set(typeof audience === 'string' ? [audience] : audience)].sort();
  if (audiences.length === 0 || audiences.includes(''))
    throw new IdentityError('invalid-argument', 'Name at least one audience, and none that is empty.');
  return audiences;
}

function readSvid(message: JWTSVID, audiences: readonly string[]): FetchedJwtSvid {
  const token = mandatory(message.svid, 'svid');
  const id = mandatory(message.spiffeId, 'spiffe_id');
  const svid = field('svid', () => parseJwtSvid(token));
  if (svid.id !== id) throw unusable('spiffe_id and svid name different identities');
  if (!audiences.every((audience) => svid.audience.includes(audience))) throw unusable('svid lacks the audience');
  return Object.freeze({ ...svid, hint: message.hint });
}
