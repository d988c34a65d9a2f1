import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { entryOf, trustDomain } from '../../test/fakes/authority.ts';
import { IdentityError } from '../errors.ts';
import { systemRandom } from '../runtime/random.ts';
import { softwareSigner } from '../runtime/signer.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { selfSigned } from './certificate.ts';
import { JwtIssuer } from './issue-jwt.ts';
import { X509Issuer } from './issue-x509.ts';
import { backdated, endOf } from './validity.ts';

/** Around these, calendars and encodings change their ways. */
const edges = [
  '2027-02-28T23:59:59.999Z',
  '2028-02-29T00:00:00.000Z',
  '2028-02-29T23:59:59.999Z',
  '2028-03-01T00:00:00.000Z',
  '2100-02-28T23:59:59.999Z',
  '2026-12-31T23:59:59.999Z',
  // UTCTime ends, GeneralizedTime begins (RFC 5280 section 4.1.2.5).
  '2049-12-31T23:59:59.000Z',
  '2049-12-31T23:59:59.999Z',
  '2050-01-01T00:00:00.000Z',
  '2050-01-01T00:00:00.001Z',
  // 2^31 and 2^32 seconds.
  '2038-01-19T03:14:07.999Z',
  '2038-01-19T03:14:08.000Z',
  '2106-02-07T06:28:16.000Z',
].map((text) => Date.parse(text));

/** Repeatable, and good enough to choose moments with. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe('the end of a credential', () => {
  it('R-ISS-8 is never after its own life, its authority or its entry, at a million moments', () => {
    const random = numbers(7);
    const upTo = (limit: number): number => Math.floor(random.next().value * limit);
    let refused = 0;
    for (let run = 0; run < 1_000_000; run++) {
      const edge = edges[run % edges.length] ?? 0;
      const now = run % 2 === 0 ? edge + upTo(4_000) - 2_000 : upTo(Date.parse('2200-01-01'));
      const ttlSeconds = 1 + upTo(run % 3 === 0 ? 10 : 7 * 86_400);
      const notAfter = now + upTo(run % 5 === 0 ? 3_000 : 86_400_000);
      const expiresAt = run % 4 === 0 ? undefined : now + upTo(run % 7 === 0 ? 3_000 : 86_400_000) - 500;
      const least = Math.min(now + ttlSeconds * 1000, notAfter, (expiresAt ?? Infinity) - 1);
      try {
        const end = endOf(now, ttlSeconds, { notAfter }, entryOf({ expiresAt }));
        if (end % 1000 !== 0 || end > least || end <= now || least - end >= 1000) expect({ now, end, least }).toBe('');
      } catch (error) {
        refused += 1;
        // Only where no whole second is left.
        if (!(error instanceof IdentityError) || Math.floor(least / 1000) * 1000 > now) throw error;
      }
    }
    expect(refused).toBeGreaterThan(1_000);
    expect(refused).toBeLessThan(500_000);
  });

  it.each(edges.map((at) => [new Date(at).toISOString(), at] as const))(
    'R-ISS-8 is read in the documents as it was meant, around %s',
    async (_, at) => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const [id, signer] = ['a'.repeat(32), softwareSigner(pair.privateKey)];
      const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
      const notAfter = Math.floor(at / 1000) * 1000 + 2_000;
      const own = { id, trustDomain, serial: Buffer.alloc(16, 1), notBefore: backdated(at) - 60_000, notAfter };
      const issuing = { id, trustDomain, notAfter, signer, ttlSeconds: 60 };
      const x509 = new X509Issuer({ ...issuing, certificate: await selfSigned(own, signer) });
      const jwt = new JwtIssuer(issuing);
      for (const ttl of [1, 2, 60]) {
        const entry = entryOf({ x509SvidTtlSeconds: ttl, jwtSvidTtlSeconds: ttl });
        const end = Math.floor(Math.min(at + ttl * 1000, notAfter) / 1000) * 1000;
        const { chain } = await x509.sign(x509.prepare(entry, publicKey, at, systemRandom));
        expect(parseCertificate(chain)).toMatchObject({ notAfter: end, notBefore: backdated(at) });
        const { token } = await jwt.sign(jwt.prepare(entry, ['a'], at, systemRandom));
        const { exp, iat } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
        expect([exp, iat]).toEqual([end / 1000, Math.floor(at / 1000)]);
      }
    },
  );
});
