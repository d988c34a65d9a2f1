import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extension, type Minted, type MintOptions, mint, mintCa, purpose, usage } from '../../test/fakes/minter.ts';
import * as forge from '../../test/fuzz/forge.ts';
import { IdentityError } from '../errors.ts';
import { encode, sequence } from '../x509/der-write.ts';
import { oid } from '../x509/oid.ts';
import { SpiffeId, type TrustDomain } from './id.ts';
import { parseX509Svid, verifyX509Svid, type X509SvidReason } from './x509-svid.ts';

const at = Date.parse('2026-11-23T12:00:00Z');
const id = 'spiffe://a.example/web';
const a = await mintCa('a.example');
const b = await mintCa('b.example');
const authorities: Readonly<Record<string, readonly Buffer[]>> = { 'a.example': [a.der], 'b.example': [b.der] };
const bundles = (trustDomain: TrustDomain): readonly Buffer[] | undefined => authorities[trustDomain];
const svid = (options: MintOptions = {}): Promise<Minted> => mint({ issuer: a, uris: [id], ...options });
const good = await svid();

const verify = (...chain: Minted[]): SpiffeId =>
  verifyX509Svid(
    chain.map(({ der }) => der),
    bundles,
    at,
  );

/** The same sentence for everything, and a reason for the operator. */
const refusal = (reason?: X509SvidReason) =>
  expect.objectContaining({
    code: 'invalid-argument',
    message: 'The X509-SVID is not valid',
    ...(reason === undefined ? {} : { reason }),
  });

async function expectRefused(options: MintOptions, reason: X509SvidReason): Promise<void> {
  const leaf = await svid(options);
  const label = `${reason} ${JSON.stringify(options.uris)}`;
  expect(() => verify(leaf), label).toThrow(refusal(reason));
  if (!reason.startsWith('path-')) expect(() => parseX509Svid(leaf.der), label).toThrow(refusal(reason));
}

describe('an X509-SVID', () => {
  it('proves the identity in its URI, and says so before it is trusted', async () => {
    expect(verify(good)).toBe(id);
    expect(parseX509Svid(good.der)).toEqual({
      id,
      certificates: [good.der],
      notAfter: Date.parse('2027-01-01T00:00:00Z'),
    });
    const full = await svid({ purposes: [purpose.server, purpose.client], dnsNames: ['web'], subject: 'CN=web' });
    expect(verify(full)).toBe(id);
  });

  it('has a key that is one: a point beside its curve is none, whoever signed it (R-X509-1)', () => {
    const beside = Buffer.from(forge.publicKeyOf('web'));
    beside.fill(0x61, beside.length - 64);
    const root = forge.forge({
      subject: 'root',
      key: 'root',
      extensions: [forge.basicConstraints(true), forge.keyUsage([5])],
    });
    const issuer = { subject: 'root', key: 'root' };
    const extensions = [forge.keyUsage([0]), forge.names(false, forge.uri(id))];
    const leaf = (publicKey: Buffer): Buffer =>
      forge.forge({ subject: 'web', key: 'web', issuer, extensions, publicKey });
    const check = (der: Buffer) => () => verifyX509Svid([der], () => [root], at);
    expect(check(leaf(forge.publicKeyOf('web')))()).toBe(id);
    expect(check(leaf(beside))).toThrow(refusal('certificate-key'));
    expect(() => parseX509Svid(leaf(beside))).toThrow(refusal('certificate-key'));
  });

  it('XC-19 comes with the intermediates between it and an authority', async () => {
    const middle = await mintCa('a.example', { issuer: a, subject: 'CN=middle' });
    const leaf = await svid({ issuer: middle });
    expect(verify(leaf, middle)).toBe(id);
    const chain = Buffer.concat([leaf.der, middle.der]);
    expect(parseX509Svid(chain).certificates).toEqual([leaf.der, middle.der]);
    expect(() => verify(leaf)).toThrow(refusal('path-no-issuer'));
  });

  it('XC-20 XC-22 is not a signing certificate, which never proves an identity of its own', async () => {
    expect(() => verify(a)).toThrow(refusal('svid-is-a-ca'));
    await expectRefused({ ca: true, keyUsage: usage.digitalSignature }, 'svid-is-a-ca');
  });

  it('XC-23 XC-24 may sign neither certificates nor revocation lists', async () => {
    await expectRefused({ keyUsage: usage.digitalSignature | usage.keyCertSign }, 'svid-key-usage');
    await expectRefused({ keyUsage: usage.digitalSignature | usage.cRLSign }, 'svid-key-usage');
  });

  it('XC-07 XC-08 has a critical key usage with digitalSignature', async () => {
    await expectRefused({ keyUsage: undefined }, 'svid-key-usage');
    await expectRefused({ keyUsage: usage.keyEncipherment }, 'svid-key-usage');
    await expectRefused({ keyUsageCritical: false }, 'svid-key-usage');
    expect(verify(await svid({ keyUsage: usage.digitalSignature | usage.keyEncipherment }))).toBe(id);
  });

  it('XC-12 is for both ends of TLS if it says what it is for', async () => {
    await expectRefused({ purposes: [purpose.server] }, 'svid-extended-key-usage');
    await expectRefused({ purposes: [purpose.client] }, 'svid-extended-key-usage');
  });

  it('XC-04 has a critical SAN when its subject is empty', async () => {
    await expectRefused({ subject: '' }, 'svid-san-not-critical');
    expect(verify(await svid({ subject: '', sanCritical: true }))).toBe(id);
  });

  it('XC-25 ID-01 ID-28 has a URI of the scheme spiffe', async () => {
    for (const uri of ['https://a.example/web', 'sparfe://a.example/web', 'SPIFFE://a.example/web', 'urn:web']) {
      await expectRefused({ uris: [uri] }, 'svid-spiffe-id');
    }
  });

  it('XC-26 has a path', async () => {
    for (const uri of ['spiffe://a.example', 'spiffe://a.example/'])
      await expectRefused({ uris: [uri] }, 'svid-spiffe-id');
  });

  it('ID-03 ID-05 ID-07 ID-11 ID-13 ID-22 has an ID that is canonical as it stands', async () => {
    for (const path of ['web?x', 'web#x', 'a/../web', '%77eb', 'web/', '/web']) {
      await expectRefused({ uris: [`spiffe://a.example/${path}`] }, 'svid-spiffe-id');
    }
    for (const host of ['u@a.example', 'a.example:1', 'A.example']) {
      await expectRefused({ uris: [`spiffe://${host}/web`] }, 'svid-spiffe-id');
    }
  });

  it('XC-27 has no second URI, not even the same', async () => {
    for (const other of ['spiffe://a.example/db', 'https://a.example', id]) {
      await expectRefused({ uris: [id, other] }, 'svid-uri-count');
    }
  });

  it('XC-28 has a URI: a DNS name names no workload', async () => {
    await expectRefused({ uris: [], dnsNames: ['web.example.org'] }, 'svid-uri-count');
    await expectRefused({ uris: [] }, 'svid-uri-count');
  });

  it('XC-29 ID-23 SE-17 is checked against the authorities of its own trust domain alone', async () => {
    await expectRefused({ issuer: b }, 'path-no-issuer');
    expect(() => verify(good, b)).not.toThrow();
    const foreign = await svid({ uris: ['spiffe://b.example/web'] });
    expect(() => verify(foreign, a)).toThrow(refusal('path-no-issuer'));
    const unknown = await svid({ uris: ['spiffe://c.example/web'] });
    expect(() => verify(unknown)).toThrow(refusal('svid-unknown-trust-domain'));
    expect(() => verifyX509Svid([good.der], () => undefined, at)).toThrow(refusal('svid-unknown-trust-domain'));
    expect(() => verifyX509Svid([good.der], () => [], at)).toThrow(refusal('path-no-issuer'));
  });

  it('XC-29 ID-23 is refused where an authority of another trust domain stands between (R-X509-1)', async () => {
    const crossed = await mintCa('b.example', { issuer: a, subject: 'CN=b, signed by a' });
    const leaf = await svid({ issuer: crossed });
    expect(() => verify(leaf, crossed)).toThrow(refusal('svid-foreign-authority'));
    const wrongly = { 'a.example': [b.der] } as Readonly<Record<string, readonly Buffer[]>>;
    const underB = await svid({ issuer: b });
    expect(() => verifyX509Svid([underB.der], (name) => wrongly[name], at)).toThrow(refusal('svid-foreign-authority'));
  });

  it('XC-17 XC-18 accepts authorities without a URI, or with that of the trust domain, slash or not', async () => {
    for (const uris of [[], ['spiffe://a.example'], ['spiffe://a.example/']]) {
      const root = await mintCa('a.example', { uris });
      expect(verifyX509Svid([(await svid({ issuer: root })).der], () => [root.der], at)).toBe(id);
    }
    for (const uris of [
      ['spiffe://a.example/ca'],
      ['https://a.example'],
      ['spiffe://a.example', 'spiffe://a.example'],
    ]) {
      const root = await mintCa('a.example', { uris });
      const leaf = await svid({ issuer: root });
      expect(() => verifyX509Svid([leaf.der], () => [root.der], at)).toThrow(refusal('svid-foreign-authority'));
    }
  });

  it('XC-21 is refused with any fault of its path', async () => {
    await expectRefused({ notAfter: '2026-11-23T11:59:59Z' }, 'path-expired');
    await expectRefused({ notBefore: '2026-11-23T12:00:01Z' }, 'path-not-yet-valid');
    await expectRefused({ signedBy: b, withoutKeyIds: true }, 'path-signature');
    await expectRefused({ issuerName: 'CN=other' }, 'path-no-issuer');
    await expectRefused({ extensions: [extension('1.2.3.4', true, sequence())] }, 'path-critical-extension');
    const short = await mintCa('a.example', { issuer: a, ca: { pathLength: 0 }, subject: 'CN=short' });
    const below = await mintCa('a.example', { issuer: short, subject: 'CN=below' });
    const leaf = await svid({ issuer: below });
    expect(() => verify(leaf, below, short)).toThrow(refusal('path-length-exceeded'));
  });

  it('XC-31 is refused outside the name constraints above it', async () => {
    const permitted = encode(0xa0, sequence(encode(0x86, Buffer.from('other.example'))));
    const constrained = await mintCa('a.example', {
      ...{ issuer: a, subject: 'CN=constrained', uris: [] },
      extensions: [extension(oid.nameConstraints, true, sequence(permitted))],
    });
    const leaf = await svid({ issuer: constrained });
    expect(() => verify(leaf, constrained)).toThrow(refusal('path-name-constraints'));
  });

  it('ID-10 ID-17 works the same for every legal trust domain and length', async () => {
    for (const name of ['10.0.0.1', 'a..b', '-', '_x_', 'prod']) {
      const uri = `spiffe://${name}/web`.padEnd(name === 'prod' ? 2048 : 0, 'x');
      const root = await mintCa(name);
      expect(verifyX509Svid([(await svid({ issuer: root, uris: [uri] })).der], () => [root.der], at)).toBe(uri);
    }
    await expectRefused({ uris: [id.padEnd(2049, 'x')] }, 'svid-spiffe-id');
  });

  it('SE-27 is refused when it is empty, cut short, or one of too many', () => {
    expect(() => verify()).toThrow(refusal('svid-empty'));
    expect(() => parseX509Svid(Buffer.alloc(0))).toThrow(refusal('svid-empty'));
    expect(() => parseX509Svid(good.der.subarray(0, -1))).toThrow(refusal('der'));
    expect(() => verifyX509Svid([good.der.subarray(0, 200)], bundles, at)).toThrow(refusal('der'));
    expect(() => parseX509Svid(Buffer.concat(Array<Buffer>(11).fill(good.der)))).toThrow(refusal('der'));
    expect(() => verify(...Array<Minted>(11).fill(good))).toThrow(refusal('path-too-long'));
  });

  it('ID-27 is refused with any one byte of it changed', () => {
    fc.assert(
      fc.property(fc.nat(good.der.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const der = Buffer.from(good.der);
        der[place] = (der[place] ?? 0) ^ change;
        expect(() => verifyX509Svid([der], bundles, at)).toThrow(refusal());
      }),
      { numRuns: 1000 },
    );
  });

  it('says nothing to a stranger about why, and everything to the operator', () => {
    try {
      verify(a);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(IdentityError);
      expect(String(error)).toBe('IdentityError: The X509-SVID is not valid');
    }
    expect(SpiffeId.trustDomain(verify(good))).toBe('a.example');
  });
});
