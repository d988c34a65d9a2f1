/** JWT-SVIDs as workloads were given them: each by itself, against every key that was ever published. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Capture } from '../captures.ts';
import { type Credential, lateness } from './credential.ts';
import type { Evidence } from './files.ts';
import type { Findings } from './report.ts';

interface Claims {
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly jti: string;
}

type Given = Extract<Capture, { kind: 'jwt' }>;

export function tokens({ captures, history }: Evidence, findings: Findings): Credential[] {
  const keys = publishedKeys({ captures, history });
  const lateBy = lateness(history);
  const seen = new Map<string, Credential>();
  for (const capture of captures) {
    if (capture.kind !== 'jwt') continue;
    for (const { id, token } of capture.tokens) {
      const isFirst = !seen.has(token);
      const known = seen.get(token) ?? jwtSvid(token, id, capture, keys, findings);
      seen.set(token, known);
      const late = lateBy(capture.at, known.notAfter, isFirst);
      findings.must(late === 0, 'I4', () => `a token for ${id} was given ${late} ms after its end`);
      findings.must(known.capture.pid === capture.pid, 'I3', () => `token ${known.name} was given to two processes`);
    }
  }
  findings.count('JWT-SVIDs', seen.size);
  return [...seen.values()];
}

function jwtSvid(
  token: string,
  id: string,
  capture: Given,
  keys: ReadonlyMap<string, KeyObject>,
  findings: Findings,
): Credential {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { kid } = parsed(header) as { readonly kid: string };
  const { sub, aud, exp, jti } = parsed(payload) as Claims;
  const asked = capture.audience.join();
  findings.must([aud].flat().join() === asked, 'I1', () => `asked for ${asked}, got a token for ${aud}`);
  findings.must(sub === id, 'I1', () => `the token ${jti} is for ${sub}, not ${id}`);
  const key = keys.get(kid);
  if (key === undefined) findings.count('tokens of an authority that ended before its bundle was read');
  else {
    const bytes = Buffer.from(`${header}.${payload}`);
    const good = verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
    findings.must(good, 'I5', () => `the signature of ${jti} is not by ${kid} as published`);
  }
  return { name: jti, id, issuer: kid, notAfter: exp * 1000, capture };
}

const parsed = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());

function publishedKeys({ captures, history }: Pick<Evidence, 'captures' | 'history'>): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  const documents = [
    ...captures.flatMap((capture) => (capture.kind === 'jwt-bundles' ? Object.values(capture.bundles) : [])),
    ...history.flatMap((event) => (event.t === 'bundle' ? [event.spiffe] : [])),
  ];
  for (const document of new Set(documents)) {
    for (const jwk of (JSON.parse(document) as { keys: { kid?: string }[] }).keys) {
      if (jwk.kid !== undefined) keys.set(jwk.kid, createPublicKey({ key: jwk as never, format: 'jwk' }));
    }
  }
  return keys;
}
