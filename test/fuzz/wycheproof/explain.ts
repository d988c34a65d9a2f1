/** Why we refuse what Wycheproof calls valid. A refusal that no row explains is a failure of the run. */
import { type Group, isOurPss, keysOf, type Vector } from './vectors.ts';

interface Explanation {
  /** The rule that refused. */
  readonly reason: string;
  readonly why: string;
  readonly when?: (group: Group, vector: Vector) => boolean;
}

const isPss = (group: Group): boolean => group.mgf !== undefined;

const explanations: readonly Explanation[] = [
  { reason: 'header-alg', why: 'HMAC: a JWT-SVID has one of nine algorithms (JWT-SVID section 2.1)' },
  {
    reason: 'token-form',
    why: 'JWE: a JWT-SVID is a JWS (JWT-SVID section 3)',
    when: (_, { jwe }) => jwe !== undefined,
  },
  {
    reason: 'token-encoding',
    why: 'empty payload: a JWT-SVID has claims',
    when: (_, { jws }) => `${jws}`.includes('..'),
  },
  {
    reason: 'token-encoding',
    why: 'a character that base64url does not have (RFC 7515 section 2)',
    when: (_, { jws }) => /[^\w.-]/.test(`${jws}`),
  },
  {
    reason: 'key-unfit',
    why: "the key's alg is not the token's (R-JWT-1)",
    when: (group) => keysOf(group).some(namesAlg),
  },
  { reason: 'unknown-key', why: "the key's alg is none of the nine", when: (group) => keysOf(group).some(namesAlg) },
  { reason: 'key-unfit', why: 'id-RSASSA-PSS: the key of a JWT-SVID is a plain RSA key', when: isPss },
  {
    reason: 'signature',
    why: 'RSA-PSS with another hash, mask or salt than RFC 7518 section 3.5',
    when: (group) => isPss(group) && !isOurPss(group),
  },
];

export const explain = (reason: string, group: Group, vector: Vector): string | undefined =>
  explanations.find((one) => one.reason === reason && (one.when?.(group, vector) ?? true))?.why;

const namesAlg = (key: object): boolean => 'alg' in key;
