/**
 * Wycheproof as judge of every verifier there is: signatures of certificates (ECDSA, RSA PKCS#1, Ed25519) and of tokens
 * (ECDSA side by side, RSA PKCS#1, RSA-PSS), and whole tokens with the key sets that belong to them. What it calls
 * invalid must never count here. What it calls valid and a rule of ours forbids is refused, each class with its reason.
 */
import type { JwsAlgorithm } from '../../../src/spiffe/jws-algorithms.ts';
import { oid } from '../../../src/x509/oid.ts';
import { explain } from './explain.ts';
import { type Group, isOurPss, type Vector, type Vectors } from './vectors.ts';
import { asCertificate, asToken, asTokenSignature, type Verifier } from './verifiers.ts';

export interface Verdicts {
  readonly name: string;
  readonly judgements: number;
  /** Worst of all; each names a vector. */
  readonly acceptedInvalid: readonly string[];
  /** Valid, refused, and by no rule of ours that is known to do so. */
  readonly refusedUnexplained: readonly string[];
  /** Valid and refused: how many, by class. */
  readonly refusedExplained: ReadonlyMap<string, number>;
}

export function judge(vectors: Vectors): Verdicts[] {
  const judged = (pattern: string, as: string, verifierOf: (group: Group, name: string) => Verifier | undefined) =>
    vectors
      .names(pattern)
      .map((name) => verdictsOf(`${name} ${as}`, vectors.groups(name), (group) => verifierOf(group, name)));
  return [
    ...judged('ecdsa_secp{256,384,521}r1_sha{256,384,512}', 'x509', ({ sha }) => asCertificate(ecdsa[sha] ?? '')),
    ...judged('ecdsa_secp{256,384,521}r1_sha{256,384,512}_p1363', 'jws', (_, name) => sideBySide(name)),
    ...judged('ed25519', 'x509', () => asCertificate(oid.ed25519)),
    ...judged('rsa_signature_*_sha{256,384,512}', 'x509', ({ sha }) => asCertificate(rsa[sha] ?? '')),
    ...judged('rsa_signature_*_sha{256,384,512}', 'jws', ({ sha }) =>
      asTokenSignature(`RS${bits(sha)}` as JwsAlgorithm),
    ),
    ...judged('rsa_pss_*', 'jws', ({ sha }) => asTokenSignature(`PS${bits(sha)}` as JwsAlgorithm)),
    ...judged('json_web_{signature,key,crypto}', 'jwt-svid', () => asToken),
  ].filter(({ judgements }) => judgements > 0);
}

const ecdsa: Readonly<Record<string, string>> = {
  'SHA-256': oid.ecdsaWithSha256,
  'SHA-384': oid.ecdsaWithSha384,
  'SHA-512': oid.ecdsaWithSha512,
};
const rsa: Readonly<Record<string, string>> = {
  'SHA-256': oid.sha256WithRsa,
  'SHA-384': oid.sha384WithRsa,
  'SHA-512': oid.sha512WithRsa,
};

/** With parameters that are not ours, "invalid" may be what ours want: only what is valid there says something here. */
const relevant = (group: Group): readonly Vector[] =>
  group.mgf === undefined || isOurPss(group) ? group.tests : group.tests.filter(({ result }) => result === 'valid');

/** A hash that no algorithm of ours uses is judged as if it were SHA-256: it must not count. */
const bits = (sha: string): string => /^SHA-(256|384|512)$/.exec(sha)?.[1] ?? '256';

/** Each curve has one hash in tokens (RFC 7518 section 3.4); other pairs cannot even be said. */
function sideBySide(name: string): Verifier | undefined {
  const algorithm = { '256r1_sha256': 'ES256', '384r1_sha384': 'ES384', '521r1_sha512': 'ES512' }[name.slice(10, 22)];
  return algorithm === undefined ? undefined : asTokenSignature(algorithm as JwsAlgorithm);
}

function verdictsOf(
  name: string,
  groups: readonly Group[],
  verifierOf: (group: Group) => Verifier | undefined,
): Verdicts {
  const refusedExplained = new Map<string, number>();
  const [acceptedInvalid, refusedUnexplained]: [string[], string[]] = [[], []];
  let judgements = 0;
  const judgeOne = (verifier: Verifier, group: Group, vector: Vector): void => {
    judgements++;
    const refusal = verifier(group, vector);
    const what = `${name} tcId ${vector.tcId} (${vector.comment})`;
    if (vector.result === 'invalid' && refusal === undefined) acceptedInvalid.push(what);
    if (vector.result !== 'valid' || refusal === undefined) return;
    const why = explain(refusal, group, vector);
    if (why === undefined) refusedUnexplained.push(`${what}: ${refusal}`);
    else refusedExplained.set(why, (refusedExplained.get(why) ?? 0) + 1);
  };
  for (const group of groups) {
    const verifier = verifierOf(group);
    for (const vector of verifier === undefined ? [] : relevant(group)) judgeOne(verifier as Verifier, group, vector);
  }
  return { name, judgements, acceptedInvalid, refusedUnexplained, refusedExplained };
}
