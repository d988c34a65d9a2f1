/** JWT-SVIDs, in the same two steps as X509-SVIDs: `sign` takes only what `prepare` made here, once. */
import { createPublicKey } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Random } from '../runtime/random.ts';
import { joseAlgorithm, type Signer } from '../runtime/signer.ts';
import { ordinaryTerms, type TokenTerms } from '../spiffe/audience.ts';
import type { JwtAuthority } from '../spiffe/bundle.ts';
import { filledInClaims } from '../spiffe/claims.ts';
import { type Entry, factsOf } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { Issuer } from '../spiffe/issuer.ts';
import { type JwtSvidClaims, jwtSvidSigningInput, verifyJwtSvid } from '../spiffe/jwt-svid.ts';
import type { TokenAlgorithm } from '../spiffe/oidc.ts';
import type { Facts } from '../spiffe/template.ts';
import { requireOwn } from './issue-x509.ts';
import { Sampling } from './sampling.ts';
import { backdated, endOf, wholeSecond } from './validity.ts';

export interface IssuedJwtSvid {
  readonly token: string;
  readonly jti: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly authorityId: string;
}

export interface JwtSigning {
  /** Also the `kid` of its tokens. */
  readonly id: string;
  readonly trustDomain: TrustDomain;
  readonly notAfter: number;
  readonly signer: Signer;
  /** Of SVIDs whose entry does not say. */
  readonly ttlSeconds: number;
  /** By which relying parties outside SPIFFE know us. */
  readonly issuer?: Issuer | undefined;
}

/** What a token must be, and what is known of whom it is for. */
export interface TokenRequest {
  readonly terms: TokenTerms;
  readonly facts: Facts;
}

const ordinary: TokenRequest = { terms: ordinaryTerms, facts: {} };
/** One relying party says so; others take more. */
const longestFederatedToken = 2_047;

/** A token for everybody is a token for nobody; the size of the token is limited besides (JT-34). */
const mostAudiences = 16;
const sampleEvery = 256;

class PreparedJwtSvid {
  readonly claims: JwtSvidClaims;
  readonly input: string;
  readonly issuedAt: number;

  constructor(claims: JwtSvidClaims, input: string, issuedAt: number) {
    this.claims = claims;
    this.input = input;
    this.issuedAt = issuedAt;
  }
}

export type { PreparedJwtSvid };

export class JwtIssuer {
  readonly id: string;
  readonly #authority: JwtSigning;
  readonly #published: readonly JwtAuthority[];
  readonly #prepared = new WeakSet<PreparedJwtSvid>();
  readonly #sampling = new Sampling(sampleEvery);

  constructor(authority: JwtSigning) {
    this.id = authority.id;
    this.#authority = authority;
    const publicKey = createPublicKey({ key: authority.signer.publicKey, format: 'der', type: 'spki' });
    this.#published = [{ keyId: authority.id, publicKey }];
  }

  prepare(entry: Entry, audience: readonly string[], now: number, random: Random, asked = ordinary): PreparedJwtSvid {
    requireOwn(entry, this.#authority.trustDomain);
    const { terms, facts } = asked;
    const jti = random.uuid();
    const claims = {
      sub: entry.spiffeId,
      aud: checkedAudience(audience),
      exp: endOf(now, this.#life(entry, terms), this.#authority, entry) / 1000,
      ...this.#begin(now),
      jti,
      more: terms.claims && filledInClaims(terms.claims, { ...facts, ...factsOf(entry), jti }),
    };
    const header = { alg: this.algorithm, kid: this.id };
    const input = jwtSvidSigningInput(header, claims, terms.federated ? longestFederatedToken : undefined);
    const prepared = new PreparedJwtSvid(claims, input, now);
    this.#prepared.add(prepared);
    return prepared;
  }

  get algorithm(): TokenAlgorithm {
    return joseAlgorithm(this.#authority.signer.keyType);
  }

  /** Of all that have a say the shortest: an audience cannot lengthen what an entry says, nor an entry what an audience takes. */
  #life({ jwtSvidTtlSeconds }: Entry, { ttlSeconds }: TokenTerms): number {
    const said = [jwtSvidTtlSeconds, ttlSeconds].filter((seconds) => seconds > 0);
    return said.length === 0 ? this.#authority.ttlSeconds : Math.min(...said);
  }

  /** Half of the relying parties outside SPIFFE refuse a token that is of the future by one second: clocks differ. */
  #begin(now: number): Pick<JwtSvidClaims, 'iss' | 'iat' | 'nbf'> {
    const { issuer } = this.#authority;
    if (issuer === undefined) return { iat: wholeSecond(now) / 1000 };
    const at = backdated(now) / 1000;
    return { iss: issuer, iat: at, nbf: at };
  }

  async sign(prepared: PreparedJwtSvid): Promise<IssuedJwtSvid> {
    if (!this.#prepared.delete(prepared)) throw new TypeError('only what was prepared here is signed, and only once');
    const { claims, input, issuedAt } = prepared;
    failpoint('issue.jwt-prepared');
    const signature = await this.#authority.signer.sign(Buffer.from(input, 'latin1'), 'jose');
    const token = `${input}.${signature.toString('base64url')}`;
    failpoint('issue.jwt-signed');
    this.#sampling.check(() => this.#check(token, claims, issuedAt));
    return { token, jti: claims.jti, issuedAt, expiresAt: claims.exp * 1000, authorityId: this.id };
  }

  /** As a relying party would, who has the bundle; and as one who has the entry. */
  #check(token: string, claims: JwtSvidClaims, issuedAt: number): void {
    const { trustDomain } = this.#authority;
    const keys = (asked: TrustDomain) => (asked === trustDomain ? this.#published : undefined);
    const svid = verifyJwtSvid(token, claims.aud[0] ?? '', keys, issuedAt);
    const faithful =
      svid.id === claims.sub && svid.audience.join() === claims.aud.join() && svid.expiresAt === claims.exp * 1000;
    if (!faithful) throw new Error('BUG: the token is not what the entry says');
  }
}

/** In the order in which they were asked for, without repeats. */
function checkedAudience(audience: readonly string[]): readonly string[] {
  const distinct = [...new Set(audience)];
  if (distinct.length === 0 || distinct.includes('')) {
    throw new IdentityError('invalid-argument', 'A JWT-SVID needs an audience, and none may be empty');
  }
  if (distinct.length > mostAudiences) {
    throw new IdentityError('invalid-argument', `A JWT-SVID has at most ${mostAudiences} audiences: ask for fewer`);
  }
  return distinct;
}
